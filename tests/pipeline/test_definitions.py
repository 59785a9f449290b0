"""The graph that Dagster is given: what is in it, exactly how partitions depend on each other, and what loading it costs."""

import subprocess
import sys
from pathlib import Path

import dagster as dg
import pytest
from dagster._core.remote_representation.external_data import RepositorySnap
from dagster_shared.serdes import deserialize_value, serialize_value

from asteer_core.errors import ConfigError
from asteer_core.study import Plan, load_study, plan
from asteer_core.warehouse import tables
from asteer_pipeline.definitions import build_defs
from asteer_pipeline.graph import describe_graph
from asteer_pipeline.jobs import build_steps
from asteer_pipeline.on_demand import GROUP as ON_DEMAND
from asteer_pipeline.partitions import study_partitions
from asteer_pipeline.runner import batches

ROOT = Path(__file__).parents[2]
TINY = str(Path(__file__).parent / "tiny.yaml")

GRAPH = {
    "contrastive_prompts": ("prompts", "concept", []),
    "judges": ("judges", "concept", []),
    "steering_vectors": ("vectors", "concept|vector", ["contrastive_prompts"]),
    "baseline_corpora": ("corpora", "concept|model", ["contrastive_prompts", "steering_vectors"]),
    "steered_corpora": ("corpora", "concept|configuration", ["steering_vectors"]),
    "baseline_measurements": ("measurements", "concept|model", ["baseline_corpora", "judges"]),
    "measurements": ("measurements", "concept|configuration", ["judges", "steered_corpora"]),
    "baseline_metrics": ("scores", "concept|model", ["baseline_measurements"]),
    "corpus_metrics": ("scores", "concept|configuration", ["baseline_measurements", "measurements"]),
    "baseline_detectors": ("detectors", "concept|model", ["baseline_corpora"]),
    "detectors": ("detectors", "concept|configuration", ["baseline_detectors", "steered_corpora"]),
    "saved_detectors": ("detectors", None, ["baseline_detectors", "detectors"]),
    "leaderboard": ("analysis", None, ["baseline_detectors", "baseline_metrics", "corpus_metrics", "detectors"]),
    "metric_auroc_correlation": ("analysis", None, ["leaderboard"]),
    "choice_regret": ("analysis", None, ["leaderboard"]),
    "configuration_search": ("product", "concept|model", ["baseline_measurements", "steering_vectors"]),
    "training_set": ("product", "concept|model", ["configuration_search"]),
    "preview": ("product", "concept|model", []),
    "warehouse": ("warehouse", None, ["choice_regret", "leaderboard", "metric_auroc_correlation"]),
    "report": ("warehouse", None, ["warehouse"]),
}


@pytest.fixture
def graph(defs):
    return defs.resolve_asset_graph()


def dimensions(definition):
    if definition is None:
        return None
    if isinstance(definition, dg.MultiPartitionsDefinition):
        return "|".join(definition.partition_dimension_names)
    return "concept"


def test_the_graph_has_exactly_these_assets_groups_partitions_and_dependencies(graph):
    found = {}
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        parents = sorted(parent.to_user_string() for parent in node.parent_keys)
        found[key.to_user_string()] = (node.group_name, dimensions(node.partitions_def), parents)
    assert found == GRAPH


def test_every_asset_says_what_it_is_and_makes_all_partitions_in_one_run(graph):
    for key in graph.get_all_asset_keys():
        node = graph.get(key)
        assert node.description and node.kinds
        if node.is_partitioned:
            assert node.backfill_policy == dg.BackfillPolicy.single_run()


def test_a_steered_corpus_depends_on_exactly_its_vector():
    parts = study_partitions(plan(load_study(TINY)))
    keys = ["evasion|beta:caa:L02:s0.30", "evasion|beta:caa:L01:s0.60", "toxicity|alpha:pca:L02:s0.60"]
    downstream = parts.configuration.subset_with_partition_keys(keys)
    upstream = parts.vector_to_configuration.get_upstream_mapped_partitions_result_for_partitions(
        downstream, parts.configuration, parts.vector
    )
    assert set(upstream.partitions_subset.get_partition_keys()) == {"evasion|beta:caa", "toxicity|alpha:pca"}


def test_a_configuration_depends_on_the_baseline_of_its_model_and_concept():
    parts = study_partitions(plan(load_study(TINY)))
    downstream = parts.configuration.subset_with_partition_keys(["evasion|beta:caa:L02:s0.30"])
    upstream = parts.model_to_configuration.get_upstream_mapped_partitions_result_for_partitions(
        downstream, parts.configuration, parts.model
    )
    assert set(upstream.partitions_subset.get_partition_keys()) == {"evasion|beta"}


def test_baselines_depend_on_random_directions_and_on_no_other_vector():
    parts = study_partitions(plan(load_study(TINY)))
    downstream = parts.model.subset_with_partition_keys(["evasion|beta"])
    upstream = parts.vector_to_model.get_upstream_mapped_partitions_result_for_partitions(downstream, parts.model, parts.vector)
    assert set(upstream.partitions_subset.get_partition_keys()) == {"evasion|beta:random"}
    vectors = parts.vector.subset_with_partition_keys(["evasion|beta:caa", "toxicity|alpha:random"])
    fed = parts.vector_to_model.get_downstream_partitions_for_partitions(vectors, parts.vector, parts.model)
    assert set(fed.get_partition_keys()) == {"toxicity|alpha"}


def test_the_keys_of_one_model_are_neighbours():
    models = [key.split(":")[0] for key in plan(load_study(TINY)).configuration_keys]
    assert models == sorted(models, key=["alpha", "beta"].index)


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"concepts": ("a|b",)}, "concept key 'a|b'"),
        ({"models": ("m", "m")}, "model 'm' is listed twice"),
        ({"configuration_keys": ("n:caa:L01:s0.50",)}, "'n:caa', which the plan does not have"),
        ({"vector_keys": ()}, "there is no vector"),
    ],
)
def test_a_plan_that_cannot_be_partitioned_is_refused(wrong, says):
    good = {"concepts": ("a",), "models": ("m",), "configuration_keys": ("m:caa:L01:s0.50",), "vector_keys": ("m:caa",)}
    with pytest.raises(ConfigError, match=says.replace("|", r"\|")):
        study_partitions(Plan(**{**good, **wrong}))


def test_the_repository_can_be_sent_to_the_ui(defs):
    snapshot = RepositorySnap.from_def(defs.get_repository_def())
    again = deserialize_value(serialize_value(snapshot), RepositorySnap)
    assert {node.asset_key.to_user_string() for node in again.asset_nodes} == set(GRAPH)
    assert {job.name for job in again.job_datas or again.job_refs} >= {"study_1_concepts", "study_7_results", "regenerate_what_is_stale"}


def test_few_runs_make_a_whole_study_and_none_goes_before_what_it_needs(defs):
    made = set()
    found = batches(defs)
    assert len(found) == 5
    for batch in found:
        for name in batch.assets:
            assert set(GRAPH[name][2]) <= made
            made.add(name)
    assert made == {name for name, (group, *_) in GRAPH.items() if group != ON_DEMAND}


def test_loading_the_code_location_imports_nothing_that_takes_long():
    slow = ("torch", "transformers", "sentence_transformers", "matplotlib", "altair", "sklearn", "scipy.stats", "scipy.optimize")
    code = (
        "import sys; from asteer_pipeline.definitions import defs, build_defs; build_defs(sys.argv[1]).get_repository_def(); "
        f"print([m for m in {slow} if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code, TINY], cwd=ROOT, capture_output=True, text=True)
    assert done.stdout.strip() == "[]", done.stderr


def test_a_wrong_study_is_refused_with_its_name():
    with pytest.raises(ConfigError, match="qiuck"):
        build_defs("qiuck")


def test_the_graph_is_the_one_in_the_snapshot(monkeypatch):
    """After a wanted change: python -m asteer_pipeline.graph tests/pipeline/mini.yaml > tests/golden/asset_graph.txt"""
    monkeypatch.delenv("ASTEER_AUTOMATION", raising=False)
    found = describe_graph(build_defs(str(Path(__file__).parent / "mini.yaml")))
    assert found.splitlines() == (ROOT / "tests" / "golden" / "asset_graph.txt").read_text().splitlines()


def test_columns_are_those_of_the_warehouse_and_shared_ones_name_their_source(graph):
    for name, table in (("corpus_metrics", "corpus_metrics"), ("leaderboard", "stored.leaderboard"), ("steered_corpora", "responses")):
        metadata = graph.get(dg.AssetKey(name)).metadata
        assert [column.name for column in metadata["dagster/column_schema"].columns] == list(tables()[table].polars_schema)
    lineage = graph.get(dg.AssetKey("corpus_metrics")).metadata["dagster/column_lineage"].deps_by_column
    assert {(dep.asset_key.to_user_string(), dep.column_name) for dep in lineage["configuration_id"]} == {
        ("measurements", "configuration_id"), ("baseline_measurements", "configuration_id"),
    }  # fmt: skip


def test_stages_that_load_a_model_share_one_pool_and_no_step_mixes_them_with_others(defs):
    pools = {asset.key.to_user_string(): asset.op.pool for asset in defs.assets}
    gpu = {name for name, pool in pools.items() if pool == "gpu"}
    product = {name for name, (group, *_) in GRAPH.items() if group == ON_DEMAND}
    assert gpu - product == {"steering_vectors", "baseline_corpora", "steered_corpora", "baseline_measurements", "measurements"}
    assert product <= gpu
    steps = build_steps(defs.assets, study_partitions(plan(load_study(TINY))))
    assert sorted(name for step in steps for name in step.assets) == sorted(set(GRAPH) - product)
    assert all(set(step.assets) <= gpu or not set(step.assets) & gpu for step in steps)


def test_no_sensor_or_schedule_runs_before_it_is_turned_on(defs, monkeypatch):
    repository = defs.get_repository_def()
    assert {item.default_status.value for item in (*repository.sensor_defs, *repository.schedule_defs)} == {"STOPPED"}
    monkeypatch.setenv("ASTEER_AUTOMATION", "on")
    on = build_defs(TINY).get_repository_def()
    running = {item.name for item in (*on.sensor_defs, *on.schedule_defs) if item.default_status.value == "RUNNING"}
    assert running == {"new_models", "next_steps", "weekly_regeneration"}
