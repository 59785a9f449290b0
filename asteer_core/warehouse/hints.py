"""Why a query found no row: a word in it that is no name of this warehouse, with the nearest that is.

Belongs here: comparing the words of a query with the names in the rows. Does not: errors of a query (`query.py`).
"""

import re
from pathlib import Path

from asteer_core.errors import did_you_mean
from asteer_core.warehouse.query import connect, fetch

_KINDS = ("study", "concept", "model", "method", "arm", "detector")

_NAMES = f"""
SELECT DISTINCT kind, name FROM (
    UNPIVOT (SELECT {", ".join(_KINDS)} FROM leaderboard) ON {", ".join(_KINDS)} INTO NAME kind VALUE name
    UNION ALL SELECT 'metric', metric FROM metric_auroc_correlation
    UNION ALL SELECT 'rule', rule FROM regret
    UNION ALL SELECT 'concept', concept FROM metric_auroc_correlation
)
ORDER BY kind, name
"""


def why_no_rows(sql: str, warehouse: Path | None = None) -> str:
    """Return what to say of a query without rows: the words that name nothing here, with the nearest names, or that there are none."""
    words = dict.fromkeys(re.findall(r"'([^'%]+)'", re.sub(r"--[^\n]*", "", sql)))
    with connect(warehouse) as connection:
        rows = fetch(connection, _NAMES).rows()
    known = {str(name) for _, name in rows}
    if not known:
        return "no rows: no study in this warehouse has a trained detector yet"
    hints = [f"nothing here is called {word!r}.{near}" for word in words if word not in known and (near := did_you_mean(word, known))]
    return "; ".join(["no rows", *hints])
