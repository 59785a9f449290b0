"""A study through Dagster on a shipped model and real stages, from pairs to SQL, and again to see that everything is adopted."""

import dagster as dg
import pytest
import yaml

from asteer_core.study import load_study, plan
from asteer_core.warehouse import query, warehouse_path
from asteer_pipeline.resources import close_workspaces
from asteer_pipeline.runner import run_study

STUDY = {
    "name": "tiny",
    "concepts": ["evasion"],
    "models": ["neox-2m"],
    "grid": [{"method": "caa", "layers": [0], "strengths": [0.3, 0.6]}, {"method": "angular", "layers": [0], "strengths": [0.5]}],
    "controls": {"random": {"layers": [0], "strengths": [0.4]}, "templates": 2},
    "sampling": {"max_new_tokens": 24},
    "size": {"prompts": 16},
    "metrics": {"m": 8, "subsamples": 4},
    "detectors": {"kinds": ["embedding"], "seeds": 2, "bootstrap": 50},
}


@pytest.fixture(scope="module")
def ran(tmp_path_factory, small_data):
    """The study, its home and Dagster instance after one run."""
    home = tmp_path_factory.mktemp("dagster-home")
    file = home / "tiny.yaml"
    file.write_text(yaml.safe_dump(STUDY))
    with pytest.MonkeyPatch.context() as patch, dg.DagsterInstance.ephemeral() as instance:
        patch.setenv("ASTEER_DATA", str(small_data))
        run_study(str(file), home, instance=instance)
        yield str(file), home, instance
        close_workspaces()


def recorded(instance, asset):
    """Return the partitions of an asset that Dagster shows as materialised."""
    return sorted(instance.get_materialized_partitions(dg.AssetKey(asset)))


def test_every_configuration_is_a_materialised_partition(ran):
    file, _, instance = ran
    expected = sorted(f"evasion|{key}" for key in plan(load_study(file)).configuration_keys)
    for asset in ("steered_corpora", "measurements", "corpus_metrics", "detectors"):
        assert recorded(instance, asset) == expected, asset


def test_the_warehouse_answers_with_every_configuration_and_baseline(ran):
    _, home, _ = ran
    board = query("SELECT arm, count(*) AS n FROM leaderboard GROUP BY arm ORDER BY arm", warehouse_path(home))
    assert dict(board.rows()) == {"prompted": 2, "random": 1, "real": 1, "steered": 3, "unsteered": 1}
    undefined = "arm = 'steered' AND (hm IS NULL OR auroc IS NULL OR difference IS NULL)"
    assert query(f"SELECT count(*) FROM leaderboard WHERE {undefined}", warehouse_path(home)).item() == 0


def test_a_second_run_adopts_every_corpus(ran):
    file, home, instance = ran
    before = {path: path.stat().st_mtime_ns for path in (home / "studies" / "tiny" / "responses").rglob("*.parquet")}
    run_study(file, home, instance=instance)
    assert before and before == {path: path.stat().st_mtime_ns for path in before}
