"""The example queries that ship, each on the synthetic study."""

import shutil
from pathlib import Path

import polars as pl
import pytest

from asteer_core.paths import data_root
from asteer_core.warehouse import Store, publish, query
from tests.core.warehouse.conftest import frame_of

QUERIES = sorted((data_root() / "queries").glob("*.sql"))

COLUMNS = {
    "1_beats_prompting": ["configurations", "wins", "interval_above_0", "significant", "above_best_prompt", "largest_difference"],
    "2_metric_auroc_correlation": ["metric", "configurations", "spearman", "lower", "upper", "pearson"],
    "3_choose_a_configuration": ["concept", "chosen_by_hm", "auroc", "best_in_hindsight", "best_auroc", "regret"],
    "4_strength_curve": ["model", "layer", "strength", "success", "coherence", "diversity", "hm", "auroc", "to_prompting"],
    "5_narrow_band": ["metric", "tercile", "from_value", "to_value", "n", "wins", "share", "lower", "upper"],
    "6_audit_flags": ["audit", "arm", "n", "flagged", "share", "median", "highest"],
    "7_regret_of_rules": ["rule", "concepts", "mean_regret", "worst_regret", "mean_auroc"],
    "8_what_limits_detectors": ["concept", "arm", "detectors", "mean_auroc", "best_auroc", "best_to_real"],
    "9_where_time_goes": ["stage", "runs", "seconds", "made", "adopted", "peak_mb", "all_complete"],
}
PAGE = (Path(__file__).parents[3] / "docs" / "how-to" / "sql.md").read_text("utf-8")


@pytest.fixture(scope="module")
def shared_warehouse(written, tmp_path_factory):
    """The synthetic study with a logbook and audits, which the stages' own tests leave out."""
    root = tmp_path_factory.mktemp("queries")
    store = Store(shutil.copytree(written.root, root / "demo"))
    page = {"study": "demo", "run_id": "r", "seconds": 2.5, "partitions": 3, "reused": 1, "peak_memory": 2e8, "complete": True}
    for stage in ("judges", "detectors"):
        store.write("runs", frame_of("runs", [page | {"stage": stage}]), "k", key=stage)
    for path in sorted((store.root / "detector_metrics").rglob("*.parquet")):
        frame = pl.read_parquet(path, hive_partitioning=False).with_columns(length_auroc=pl.lit(0.9), flags=pl.lit("length"))
        frame.write_parquet(path)
    publish({"demo": store.root}, root / "warehouse.duckdb")
    return root / "warehouse.duckdb"


def test_every_shipped_query_is_known_here():
    assert [path.stem for path in QUERIES] == sorted(COLUMNS)


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_says_what_it_asks_and_answers(path: Path, shared_warehouse):
    sql = path.read_text("utf-8")
    assert sql.startswith("-- ")
    frame = query(sql, shared_warehouse)
    assert set(COLUMNS[path.stem]) <= set(frame.columns)
    assert frame.height >= 2
    assert frame["study"].unique().to_list() == ["demo"]


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_a_query_of_an_empty_warehouse_has_no_rows(path: Path, tmp_path):
    publish({}, tmp_path / "warehouse.duckdb")
    assert query(path.read_text("utf-8"), tmp_path / "warehouse.duckdb").is_empty()


@pytest.mark.parametrize("path", QUERIES, ids=lambda path: path.stem)
def test_the_page_shows_a_query_as_it_is_with_the_columns_it_has(path: Path, shared_warehouse):
    sql = path.read_text("utf-8")
    section = PAGE.split(f"### {path.name}\n")[1].split("\n### ")[0]
    assert f"```sql\n{sql.strip()}\n```" in section
    header, rows = next(line for line in section.splitlines() if line.startswith("| ")), section.count("\n| ") - 1
    assert header.strip("| ").split(" | ") == query(sql, shared_warehouse).columns
    assert rows >= 2


def test_the_first_query_ends_with_the_pooled_row(shared_warehouse):
    frame = query(QUERIES[0].read_text("utf-8"), shared_warehouse)
    assert frame["concept"].to_list() == ["evasion", "toxicity", "pooled"]
    assert frame["configurations"].to_list() == [16, 16, 32]
