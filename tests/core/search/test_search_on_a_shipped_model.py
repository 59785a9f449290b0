"""A search, its training set and its export on a shipped model: rows are nested, kept, adopted, and each says where it comes from."""

import json

import polars as pl
import pytest

from asteer_core.choosing import AUTO, Thresholds, parse_budget
from asteer_core.errors import ConfigError, StoreError
from asteer_core.search import SearchSettings, check, preview, search, trial_store, winner
from asteer_core.search.space import space
from asteer_core.study import Workspace, steered_corpora
from asteer_core.study.detecting import load_detector
from asteer_core.study.trial import trial_of
from asteer_core.training_set import Recipe, export, read_training_set, train_detector, training_set
from asteer_core.training_set.remembered import remembered_study

CELL = ("toxicity", "neox-2m")
SETTINGS = SearchSettings(parse_budget("30"), "success", prompts=(4, 16))
RECIPE = Recipe("log_determinant", thresholds=Thresholds(0, 0), mixed_by="success", negatives="concept")


@pytest.fixture(scope="module")
def searched(prepared):
    return prepared, search(prepared, *CELL, SETTINGS)


def test_a_later_rung_keeps_the_responses_of_the_earlier_one_and_no_row_is_paid_twice(searched):
    _, found = searched
    first = found.trials.rows([found.best], 4)[found.best]
    all_rows = found.trials.rows([found.best], 16)[found.best]
    assert all_rows["row_id"].to_list()[:4] == first["row_id"].to_list() and all_rows["row_id"].n_unique() == 16
    assert found.spent == sum(len(rows) for rows in found.trials.used.values()) <= 30


def test_the_texts_of_trials_are_those_of_a_full_run(searched):
    ws, found = searched
    list(steered_corpora(ws, [(CELL[0], found.best)]))
    full = dict(ws.store.read("responses", CELL[0], found.best).select("row_id", "text").rows())
    tried = dict(trial_store(ws).read("responses", CELL[0], found.best).select("row_id", "text").rows())
    assert tried and all(full[row] == text for row, text in tried.items())


def test_a_second_search_loads_no_model_and_comes_to_the_same_table(searched, again):
    ws, found = searched
    repeated = search(again(ws), *CELL, SETTINGS)
    assert repeated.table.equals(found.table) and repeated.best == found.best


def test_every_trial_stands_in_the_store_with_its_metrics(searched):
    ws, found = searched
    table = trial_store(ws).read("trials", *CELL)
    assert set(table["study"]) == {"small.search"} and table.filter(pl.col("kept"))["score"].null_count() == 0
    for key in found.ranked:
        assert trial_store(ws).read("corpus_metrics", CELL[0], key).height == 1


def test_the_winner_is_reported_on_the_responses_that_had_no_part_in_its_choice(searched):
    _, found = searched
    assert found.table.filter(pl.col("rung") == 0).select("fresh_n", "fresh_success").unique().rows() == [(0, None)]
    best = winner(found.table)
    rows = found.trials.rows([found.best], 16)[found.best]
    responses = found.trials.scores(found.best, rows)[0].join(rows.select("row_id"), on="row_id")
    unseen = responses.filter(pl.col("row_id").is_in(rows["row_id"][4:].to_list()))
    assert (best["rung"], best["n"], best["fresh_n"]) == (1, 16, 12) and unseen.height == 12
    assert best["fresh_success"] == pytest.approx(unseen["success"].mean()) != pytest.approx(best["success"])
    assert best["fresh_coherence"] == pytest.approx(unseen["coherence"].mean())
    # A rival on as many prompts had its say with all of them.
    rival = found.table.filter(pl.col("rung") == 1).with_columns(kept=False, place=pl.lit(2, pl.Int64))
    assert winner(pl.concat([found.table, rival]))["fresh_n"] == 0


def test_a_search_outside_the_study_or_beyond_its_budget_says_what_to_change(searched):
    ws, _ = searched
    with pytest.raises(ConfigError, match="has no configurations"):
        search(ws, "toxicity", "llama-3m", SETTINGS)
    with pytest.raises(ConfigError, match="raise --budget"):
        search(ws, *CELL, SearchSettings(parse_budget("9"), "success"))


@pytest.mark.parametrize(
    "cell, changes, message",
    [
        (CELL, {"budget": parse_budget("9")}, "raise --budget"),
        (CELL, {"prompts": (4, 99)}, "99 prompts, but study 'small' has 16"),
        (CELL, {"largest": 17}, "17 prompts, but study 'small' has 16"),
        (CELL, {"objective": "predicted"}, "learns from finished studies"),
        (("toxicity", "llama-3m"), {}, "has no configurations of 'llama-3m'"),
    ],
)
def test_what_cannot_be_searched_is_refused_before_anything_is_made(cell, changes, message, small_study, small_data, tmp_path):
    ws = Workspace(small_study, home=tmp_path, data_root=small_data)
    with pytest.raises(ConfigError, match=message):
        check(ws, *cell, SearchSettings(**{"budget": parse_budget("100%")} | changes))
    assert not list(tmp_path.rglob("*.parquet"))
    check(ws, *CELL, SETTINGS)
    check(ws, *CELL, SearchSettings(parse_budget(AUTO)))


def test_a_method_without_a_dial_stands_in_the_grid_without_strengths():
    study = space("toxicity", "neox-2m", 16, methods=["caa", "ablation"], strengths=[0.3])
    assert [entry.strengths for entry in study.grid] == [[0.3], None]


def test_a_training_set_is_exported_whole_with_card_configuration_and_lock(searched, again, tmp_path):
    ws, _ = searched
    done = list(training_set(ws, [CELL], SETTINGS, RECIPE))
    assert [one.reused for one in done] == [False] and next(training_set(again(ws), [CELL], SETTINGS, RECIPE)).reused
    made = read_training_set(ws, *CELL)
    positives = made.rows.filter(pl.col("label") == 1)
    assert (
        positives.height == 16
        and positives.select("configuration_id", "stream", "displacement", "row_id").null_count().sum_horizontal()[0] == 0
    )
    assert made.rows.filter(pl.col("label") == 0)["source"].unique().to_list() == ["concept"]
    assert set(made.steps["recipe"]) == {"single", "thresholds", "facility", "log_determinant", "mixture", "random"}
    assert made.steps.filter(pl.col("chosen"))["auroc"].null_count() == 0
    out = tmp_path / "set"
    files = {path.name for path in export(ws, made, out, ["parquet", "csv"])}
    assert files == {"README.md", "lock.txt", "provenance.json", "train.csv", "train.parquet"}
    assert pl.read_parquet(out / "train.parquet").equals(made.rows)
    card = (out / "README.md").read_text()
    assert all(
        part in card
        for part in ("license: apache-2.0", "Content warning", "Intended use", "Limits", "log_determinant (this set)", "12 that had")
    )
    facts = json.loads((out / "provenance.json").read_text())
    assert {one["configuration_id"] for one in facts["configurations"]} == set(positives["configuration_id"])
    assert "polars==" in (out / "lock.txt").read_text()
    with pytest.raises(ConfigError, match="is a file"):
        export(ws, made, out / "lock.txt", ["parquet"], overwrite=True)
    with pytest.raises(ConfigError, match="exists already"):
        export(ws, made, out, ["parquet"])
    (out / "provenance.json").unlink()
    with pytest.raises(ConfigError, match="no earlier export"):
        export(ws, made, out, ["parquet"], overwrite=True)


def test_what_is_not_there_is_named_with_the_command_that_makes_it(searched):
    ws, _ = searched
    with pytest.raises(StoreError, match="asteer optimise evasion --model neox-2m"):
        read_training_set(ws, "evasion", "neox-2m")
    with pytest.raises(StoreError, match=r"toxicity on neox-2m \(--study small\); make one with: asteer optimise toxicty"):
        remembered_study(ws.home, "optimise", "toxicty", "neox-2m")


def test_a_preview_shows_three_different_answers_to_the_same_prompts(searched):
    ws, _ = searched
    found = preview(ws, *CELL, 2)
    assert found.rows.columns == ["prompt", "unsteered", "prompted", "steered"] and found.rows.height == 2
    assert found.rows["unsteered"].to_list() != found.rows["steered"].to_list()


def test_the_detector_of_a_training_set_is_the_one_whose_quality_stands_beside_its_recipe(searched, tmp_path):
    ws, _ = searched
    list(training_set(ws, [CELL], SETTINGS, RECIPE))
    made = read_training_set(ws, *CELL)
    folder = train_detector(ws, made, "tfidf", tmp_path / "detector")
    detector = load_detector(folder)
    trial = trial_of(ws, CELL[0], "test")
    test = trial.rows.filter(trial.mask("test"))
    scores = detector.score(test["response"].to_list(), test["prompt"].to_list())
    expected = next(found.score(trial.tested)[trial.mask("test")] for found in fitted_on(ws, made))
    assert scores == pytest.approx(expected, abs=1e-6) and len(set(scores)) > 2
    assert detector.saved.card.training.n_positives <= made.rows.filter(pl.col("label") == 1).height
    with pytest.raises(ConfigError, match="Did you mean 'tfidf'"):
        train_detector(ws, made, "tfdif", tmp_path / "other")


def fitted_on(ws, made):
    from asteer_core.study.stages.detectors import fitted
    from asteer_core.study.trial import positives_of
    from asteer_core.types import Configuration

    name = Configuration(*CELL, "any", seed=ws.study.seed)
    texts = made.rows.filter(pl.col("label") == 1).select("prompt", text="response")
    kind = next(choice for choice in ws.study.detectors.kinds if choice.name == "tfidf")
    return fitted(ws, name, positives_of(ws, name, texts, "test")[0], kind, "test", seeds=[0])
