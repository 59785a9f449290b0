"""The example queries that ship, each on the synthetic study."""

from pathlib import Path

import pytest

from asteer_core.paths import data_root
from asteer_core.warehouse import publish, query

QUERIES = sorted((data_root() / "queries").glob("*.sql"))

COLUMNS = {
    "1_beats_prompting": ["configurations", "wins", "interval_above_0", "significant", "above_best_prompt", "largest_difference"],
    "2_metric_auroc_correlation": ["metric", "configurations", "spearman", "lower", "upper", "pearson"],
    "3_choose_a_configuration": ["concept", "chosen_by_hm", "auroc", "best_in_hindsight", "best_auroc", "regret"],
}


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


def test_the_first_query_ends_with_the_pooled_row(shared_warehouse):
    frame = query(QUERIES[0].read_text("utf-8"), shared_warehouse)
    assert frame["concept"].to_list() == ["evasion", "toxicity", "pooled"]
    assert frame["configurations"].to_list() == [16, 16, 32]
