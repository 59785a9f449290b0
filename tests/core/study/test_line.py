"""The whole line on a shipped model, without an orchestrator: what is made, adopted, remade, and what a failure costs."""

import shutil

import polars as pl
import pytest

from asteer_core.errors import AsteerError, ConfigError
from asteer_core.study import Done, PartialFailure, Workspace, run_line, stages, steered_corpora
from asteer_core.study.stages import vectors
from asteer_core.study.stages._checkpoints import Checkpoint
from asteer_core.study.stages._material import material_key
from asteer_core.study.stages.vectors import vector_content, vector_path
from asteer_core.study.state import unfinished
from asteer_core.types import Configuration
from asteer_core.warehouse import query

TABLES = ("contrastive_pairs", "steering_vectors", "responses", "measurements", "response_metrics", "corpus_metrics", "detector_metrics")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_data, small_study):
    """A study run once for this module: its workspace and what the stages said."""
    ws = Workspace(small_study, home=tmp_path_factory.mktemp("home"), data_root=small_data)
    return ws, list(run_line(ws))


def test_every_partition_of_every_stage_is_done_once_and_nothing_was_reused(finished):
    ws, said = finished
    assert not any(done.reused for _, done in said)
    for stage, expected in (("steered_corpora", ws.plan.pairs), ("baseline_corpora", ws.plan.cells), ("detectors", ws.plan.pairs)):
        assert sorted((done.concept, done.key) for name, done in said if name == stage) == sorted(expected)


def test_every_row_of_the_leaderboard_has_metrics_and_an_auroc_with_its_interval(finished):
    ws, _ = finished
    board = ws.store.read("leaderboard").filter(pl.col("arm") == "steered")
    assert board.height == len(ws.plan.pairs) * len(ws.study.detectors.kinds)
    for column in ("success", "coherence", "diversity", "hm", "auroc", "auroc_lo", "auroc_hi", "difference", "difference_best"):
        assert board[column].null_count() == 0, column
    for axis in ("success", "coherence", "diversity", "hm"):
        assert (board[f"{axis}_lo"] <= board[axis]).all() and (board[axis] <= board[f"{axis}_hi"]).all(), axis
    noise = ws.store.read("auroc_reliability")
    assert noise.select("detector", "concept").n_unique() == len(ws.study.detectors.kinds) * (len(ws.plan.concepts) + 1)
    assert set(noise.filter(pl.col("concept") != "pooled")["reason"]) == {"fewer than 3 configurations"}
    assert board["auroc"].is_between(0, 1).all() and (board["auroc_lo"] <= board["auroc_hi"]).all()


def test_baselines_stand_beside_the_configurations(finished):
    ws, _ = finished
    arms = ws.store.read("detector_metrics", "toxicity", "neox-2m").filter(pl.col("detector") == "embedding")["arm"].to_list()
    assert sorted(arms) == ["prompted", "prompted", "random", "real", "unsteered"]


def test_the_real_arm_is_audited_as_the_balanced_training_set_it_is(finished):
    ws, _ = finished
    real = ws.store.read("detector_metrics", "toxicity", "neox-2m").filter(pl.col("arm") == "real")
    assert real["positive_share"].to_list() == [0.5] * real.height


def test_all_configurations_of_a_concept_answer_the_same_prompts(finished):
    ws, _ = finished
    responses = ws.store.read_many("responses", [partition for partition in (*ws.plan.pairs, *ws.plan.cells) if partition[0] == "toxicity"])
    asked = responses.group_by("configuration_id").agg(pl.col("prompt_id").sort())
    assert asked.height == 6 and asked["prompt_id"].n_unique() == 1


def test_a_second_run_adopts_everything_without_loading_a_model(finished, monkeypatch):
    ws, _ = finished
    again = Workspace(ws.study, home=ws.home, data_root=ws.data_root)

    def refuse(*_):
        raise AssertionError("a model was loaded to adopt stored results")

    monkeypatch.setattr(again, "model", refuse)
    monkeypatch.setattr(again, "embed", refuse)
    before = {path: path.read_bytes() for path in (ws.home / "studies").rglob("corpus_metrics/**/*.parquet")}
    done = list(run_line(again))
    assert len(done) > 20 and [(stage, d) for stage, d in done if not d.reused and stage != "report"] == []
    assert before == {path: path.read_bytes() for path in before}


def test_a_lost_partition_is_made_again_and_equals_the_first(finished):
    ws, _ = finished
    concept, key = ws.plan.pairs[0]
    before = ws.store.read("responses", concept, key)
    ws.store.path("responses", concept, key).unlink()
    done = list(steered_corpora(ws, ws.plan.pairs))
    assert [(d.concept, d.key) for d in done if not d.reused] == [(concept, key)]
    assert ws.store.read("responses", concept, key).equals(before)


@pytest.mark.parametrize("end", [KeyboardInterrupt(), AsteerError("the disk")])
def test_an_interrupted_corpus_goes_on_from_its_finished_rows_to_the_same_texts(finished, monkeypatch, end):
    ws, _ = finished
    concept, key = ws.plan.pairs[0]
    before = ws.store.read("responses", concept, key)
    ws.store.path("responses", concept, key).unlink()
    add, asked = Checkpoint.add, []

    def interrupted(self, row):
        add(self, row)
        asked.append(row.row_id)
        if len(asked) == 5:
            raise end

    with monkeypatch.context() as patch:
        patch.setattr(Checkpoint, "add", interrupted)
        with pytest.raises(type(end)):
            list(steered_corpora(ws, [(concept, key)]))
    kept = asked[:]
    (folder,) = (ws.store.root / "checkpoints" / "steered_corpora").glob("*/*")
    (folder / "0123456789abcdef-old.parquet").write_bytes(b"of another content key")
    monkeypatch.setattr(Checkpoint, "add", lambda self, row: asked.append(row.row_id) or add(self, row))
    list(steered_corpora(ws, [(concept, key)]))
    assert len(kept) == 5 and sorted(asked) == sorted(before["row_id"]), "no row is generated twice"
    assert ws.store.read("responses", concept, key).equals(before)
    assert not folder.exists()


def test_a_lost_vector_file_is_fitted_again(finished):
    ws, _ = finished
    concept, key = ws.plan.vectors[0]
    before = vector_path(ws, concept, key).read_bytes()
    vector_path(ws, concept, key).unlink()
    assert [d.reused for d in stages.steering_vectors(ws, [(concept, key)])] == [False]
    assert vector_path(ws, concept, key).read_bytes() == before


def test_a_new_version_of_a_formula_makes_its_stage_stale_and_nothing_before_it(finished, monkeypatch):
    ws, _ = finished
    names = ("steered_corpora", "measurements", "corpus_metrics", "detectors")
    assert [unfinished(ws, name, ws.plan.pairs) for name in names] == [[], [], [], []]
    monkeypatch.setattr("asteer_core.study.stages.metrics.METRIC_VERSION", "next")
    assert [len(unfinished(ws, name, ws.plan.pairs)) for name in names] == [0, 0, len(ws.plan.pairs), 0]


def test_a_metric_named_in_the_study_has_rows_of_its_own_and_is_correlated_with_auroc(finished, tmp_path):
    ws, _ = finished
    home = tmp_path / "home"
    shutil.copytree(ws.home, home)
    metrics = ws.study.metrics.model_copy(update={"alternatives": ("mtld", "coverage", "chamfer")})
    other = Workspace(ws.study.model_copy(update={"metrics": metrics}), home=home, data_root=ws.data_root)
    list(stages.corpus_metrics(other, other.plan.pairs))
    list(stages.baseline_metrics(other, other.plan.cells))
    rows = other.store.read_many("alternative_metrics", other.plan.pairs)
    assert rows.height == 3 * len(other.plan.pairs) and rows["value"].null_count() == 0 and set(rows["embedding"]) == {"encoder"}
    one = other.store.read("corpus_metrics", *other.plan.pairs[0])
    assert set(one.columns) == set(ws.store.read("corpus_metrics", *ws.plan.pairs[0]).columns)
    list(stages.leaderboard(other))
    list(stages.metric_auroc_correlation(other))
    list(stages.warehouse(other))
    path = home / "warehouse.duckdb"
    stored = other.store.read("metric_auroc_correlation").filter(pl.col("metric") == "mtld", pl.col("detector") == "embedding")
    sql = query("SELECT concept, spearman, n FROM metric_auroc_correlation WHERE metric = 'mtld' AND detector = 'embedding'", path)
    assert sql.height == stored.height > 1
    both = stored.join(sql, on="concept", suffix="_sql")
    assert (both["spearman"].is_null() == both["spearman_sql"].is_null()).all()
    assert ((both["spearman"] - both["spearman_sql"]).abs().fill_null(0) < 1e-9).all()
    assert query("SELECT count(*) FROM alternative_metrics", path).item() == other.store.read_many(
        "alternative_metrics", [*other.plan.pairs, *other.plan.cells]).height  # fmt: skip
    # Named no longer: the rows go.
    back = Workspace(ws.study, home=home, data_root=ws.data_root)
    list(stages.corpus_metrics(back, back.plan.pairs))
    assert back.store.read_many("alternative_metrics", back.plan.pairs).is_empty()


@pytest.mark.parametrize(("name", "says"), [("mtdl", "Did you mean 'mtld'"), ("mattr", "stands in corpus_metrics of every study already")])
def test_a_metric_that_cannot_be_named_is_refused_before_anything_runs(small_study, small_data, tmp_path, name, says):
    metrics = small_study.metrics.model_copy(update={"alternatives": (name,)})
    with pytest.raises(ConfigError, match=says):
        Workspace(small_study.model_copy(update={"metrics": metrics}), home=tmp_path, data_root=small_data)


def test_diversity_by_static_embeddings_is_remade_alone_and_says_so(finished, with_static_table):
    ws, _ = finished
    partition = ws.plan.pairs[0]
    before = ws.store.read("corpus_metrics", *partition).row(0, named=True)
    metrics = ws.study.metrics.model_copy(update={"embedding": "static"})
    other = Workspace(ws.study.model_copy(update={"metrics": metrics}), home=with_static_table(ws.home), data_root=ws.data_root)
    names = ("measurements", "corpus_metrics", "detectors")
    assert [len(unfinished(other, name, ws.plan.pairs)) for name in names] == [0, len(ws.plan.pairs), 0]
    list(stages.corpus_metrics(other, [partition]))
    after = ws.store.read("corpus_metrics", *partition).row(0, named=True)
    assert (before["embedding"], after["embedding"]) == ("encoder", "static")
    assert after["set_diversity"] != before["set_diversity"] and after["set_diversity_lo"] < after["set_diversity"]
    assert all(after[name] == before[name] for name in ("success", "coherence", "sample_diversity", "self_bleu", "relevance"))
    list(stages.corpus_metrics(ws, [partition]))
    assert ws.store.read("corpus_metrics", *partition).row(0, named=True) == before


def test_a_grid_that_grows_keeps_the_corpora_that_are_there(finished, tmp_path):
    ws, _ = finished
    home = shutil.copytree(ws.home, tmp_path / "home")
    caa, angular = ws.study.grid
    larger = caa.model_copy(update={"layers": (1, 2), "strengths": (0.4, 0.5)})
    study = ws.study.model_copy(update={"grid": (larger, angular)})
    done = [d for stage, d in run_line(Workspace(study, home, ws.data_root), until="steered_corpora") if stage == "steered_corpora"]
    assert sorted((d.concept, d.key) for d in done if d.reused) == sorted(ws.plan.pairs)
    assert {d.key for d in done if not d.reused} == {"neox-2m:caa:L01:s0.50", "neox-2m:caa:L02:s0.40", "neox-2m:caa:L02:s0.50"}


def test_what_a_vector_is_made_of_is_looked_up_once_however_many_configurations_take_it(finished, monkeypatch):
    ws, _ = finished
    again, asked = Workspace(ws.study, home=ws.home, data_root=ws.data_root), []
    monkeypatch.setattr(vectors, "material_key", lambda *what: asked.append(what[1:]) or material_key(*what))
    strengths = [f"neox-2m:caa:L01:s0.{number}" for number in range(30, 60)]
    found = {vector_content(again, "toxicity", "neox-2m:caa", Configuration.parse("toxicity", key)) for key in strengths}
    assert len(found) == 1 and len(asked) <= 2


def test_other_weights_make_stored_corpora_stale(finished):
    ws, _ = finished
    other = Workspace(ws.study, home=ws.home, data_root=ws.data_root)
    other._fingerprints["neox-2m"] = "0" * 16
    with pytest.raises(PartialFailure, match="fitted on weights"):
        list(steered_corpora(other, ws.plan.pairs[:1]))


def test_one_broken_vector_file_fails_its_own_partitions_and_the_others_go_on(finished):
    ws, _ = finished
    concept, key = ws.plan.pairs[0]
    broken = vector_path(ws, concept, ":".join(key.split(":")[:2]))
    whole = broken.read_bytes()
    kept = {partition: ws.store.path("responses", *partition).read_bytes() for partition in ws.plan.pairs}
    for partition in ws.plan.pairs:
        ws.store.path("responses", *partition).unlink()
    broken.write_bytes(whole[:100])
    try:
        made: list[Done] = []
        with pytest.raises(PartialFailure) as caught:
            made.extend(steered_corpora(ws, ws.plan.pairs))
        assert set(caught.value.failures) == {(concept, key)}
        assert {(done.concept, done.key) for done in made} == set(ws.plan.pairs) - {(concept, key)}
    finally:
        broken.write_bytes(whole)
        for partition, content in kept.items():
            ws.store.path("responses", *partition).write_bytes(content)


def test_a_stage_without_its_input_says_what_to_materialise(tmp_path, small_study, small_data):
    ws = Workspace(small_study, home=tmp_path, data_root=small_data)
    with pytest.raises(AsteerError, match="steering_vectors .* is not there"):
        list(steered_corpora(ws, ws.plan.pairs[:1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"concepts": ["toxicitty"]}, "Did you mean 'toxicity'"),
        ({"models": ["neox-3m"]}, "Did you mean 'neox-2m'"),
        ({"grid": [{"method": "caaa", "layers": [1], "strengths": [0.4]}]}, "Did you mean 'caa'"),
        ({"size": {"prompts": 4000}}, "lower size.prompts"),
    ],
)
def test_a_wrong_name_is_refused_before_anything_runs(tmp_path, small_study, small_data, change, message):
    from asteer_core.study import parse_study

    study = parse_study({**small_study.model_dump(exclude={"sampling"}), **change}, "study.yaml")
    with pytest.raises(AsteerError, match=message):
        Workspace(study, home=tmp_path, data_root=small_data)
    assert not any(tmp_path.iterdir())


def test_the_line_stops_after_the_named_stage_and_knows_its_stages(finished):
    ws, _ = finished
    assert list(dict(run_line(ws, until="judges"))) == ["contrastive_prompts", "steering_vectors", "judges"]
    with pytest.raises(AsteerError, match="Did you mean 'judges'"):
        next(run_line(ws, until="judge"))
