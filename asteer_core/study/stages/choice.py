"""Choice: what rules that know no test set lose when they choose a configuration, over all concepts and models of a study."""

from collections.abc import Iterator

import polars as pl

from asteer_core.analysis.choice import choice_regret as compared
from asteer_core.study.done import Done
from asteer_core.study.runs import recorded
from asteer_core.study.workspace import Workspace
from asteer_core.types import fingerprint

VERSION = 1
TABLE = "choice_regret"


@recorded
def choice_regret(ws: Workspace) -> Iterator[Done]:
    """Yield one `Done`: a row per rule and detector in `choice_regret`."""
    key = choice_key(ws)
    reused = ws.store.content_key(TABLE) == key
    if not reused:
        ws.store.write(TABLE, compared(ws.store.read("leaderboard"), ws.rng("choice")), key)
    frame = ws.store.read(TABLE)
    headline = frame.filter(pl.col("detector") == ws.study.detectors.headline)
    yield Done("", None, frame.height, reused, {f"regret_{row['rule']}": row["regret"] for row in headline.iter_rows(named=True)})


def choice_key(ws: Workspace) -> str:
    """Return the hash of everything the table is computed from."""
    return fingerprint([TABLE, VERSION, ws.study.seed, ws.store.content_key("leaderboard")])
