"""Success and coherence of angular steering in two planes: through the mean activation, and of the blocks' mean differences.

Run: `python -m benchmarks.angular_planes`. Both planes turn by the same fractions, at the same block, on the same prompts.
"""

import tempfile
from pathlib import Path

import polars as pl

from asteer_core.study import Workspace, parse_study, run_line

FRACTIONS = [0.25, 0.5, 0.75]
STUDY = {
    "name": "angular-planes",
    "concepts": ["sycophancy", "fabrication"],
    "models": ["neox-2m"],
    "grid": [{"method": name, "layers": [0], "strengths": FRACTIONS} for name in ("angular", "angular_candidates")],
    "controls": {"templates": 1},
    "sampling": {"temperature": 0.9, "top_p": 0.95},
    "size": {"prompts": 64},
    "metrics": {"m": 32},
}


def main() -> None:
    """Print success, coherence and what was really applied, per plane and fraction."""
    with tempfile.TemporaryDirectory() as home:
        ws = Workspace(parse_study(STUDY, "angular-planes"), home=Path(home))
        list(run_line(ws, until="corpus_metrics"))
        partitions = [*ws.plan.pairs, *ws.plan.cells]
        metrics = ws.store.read_many("corpus_metrics", partitions).filter(pl.col("method") != "prompted")
        applied = ws.store.read_many("corpora", partitions).select("configuration_id", "displacement", "kl")
        table = metrics.join(applied, on="configuration_id").sort("concept", "method", "strength", nulls_last=False)
        shown = table.select("concept", "method", "strength", "success", "coherence", "displacement", "kl")
        with pl.Config(tbl_rows=100, float_precision=2, tbl_hide_dataframe_shape=True, tbl_hide_column_data_types=True):
            print(shown)


if __name__ == "__main__":
    main()
