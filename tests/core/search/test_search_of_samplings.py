"""A search that varies temperature and nucleus too: each row says how it was drawn, none is shared, no interruption repeats one."""

import json
from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

import asteer_core.model
import asteer_core.search.course
from asteer_core.choosing import StopRule, Thresholds, parse_budget
from asteer_core.errors import DataError
from asteer_core.search import SearchSettings, Trials, prepare, search, trial_store
from asteer_core.search.space import space
from asteer_core.study import steered_corpora
from asteer_core.study.judge_choice import JudgeChoice
from asteer_core.study.plan import steered
from asteer_core.training_set import Recipe, export, read_training_set, training_set
from asteer_core.training_set.exporting import provenance
from asteer_core.training_set.remembered import remembered_study

CELL = ("toxicity", "neox-2m")
SETTINGS = SearchSettings(parse_budget("24"), "success", prompts=(4, 16), sampler="tpe", temperature=(0.5, 1.4), top_p=(0.6, 1.0), trials=3)
RECIPE = Recipe(thresholds=Thresholds(0, 0), mixed_by="success")
KEYS = ("neox-2m:caa:L01:s0.40", "neox-2m:angular:L01:s0.50")
PAIR = ("neox-2m:caa:L01:s0.40:T0.50:P0.70", "neox-2m:caa:L01:s0.40:T1.30:P1.00")


@pytest.fixture(scope="module")
def searched(prepared):
    return prepared, search(prepared, *CELL, SETTINGS)


def test_every_trial_has_a_sampling_in_the_stated_ranges_and_its_rows_say_which(searched):
    ws, found = searched
    assert found.table["temperature"].is_between(0.5, 1.4).all() and found.table["top_p"].is_between(0.6, 1).all()
    assert found.table["temperature"].n_unique() == 3 and found.spent == 24
    for row in found.table.iter_rows(named=True):
        key = row["configuration_id"].removeprefix("toxicity:").split("#")[0]
        stored = trial_store(ws).read("responses", CELL[0], key)
        assert stored.select("temperature", "top_p").unique().rows() == [(row["temperature"], row["top_p"])]
        configuration = steered(ws.study, CELL[0], key)
        assert (configuration.temperature, configuration.top_p) == (row["temperature"], row["top_p"])


def test_rows_are_drawn_with_the_sampling_that_they_name(searched):
    ws, found = searched
    list(steered_corpora(ws, [(CELL[0], found.best)]))
    tried = dict(trial_store(ws).read("responses", CELL[0], found.best).select("row_id", "text").rows())
    full = ws.store.read("responses", CELL[0], found.best)
    texts = dict(full.select("row_id", "text").rows())
    assert len(tried) == 16 and all(texts[row] == text for row, text in tried.items())


def again_with(ws, key, **sampling):
    from asteer_core.study.stages.corpora import intervention_of, requests_of

    configuration = steered(ws.study, CELL[0], key)
    drawn = replace(configuration.sampled(ws.study.sampling), **sampling)
    rows = asteer_core.model.generate(
        ws.model(CELL[1]), requests_of(ws, configuration), {configuration.id: intervention_of(ws, configuration)}, drawn
    )
    return [row.text for row in rows]


def test_the_draw_itself_follows_the_configuration(searched):
    ws, _ = searched
    for key in PAIR:
        list(steered_corpora(ws, [(CELL[0], key)]))
        own = steered(ws.study, CELL[0], key)
        assert ws.store.read("responses", CELL[0], key)["text"].to_list() == again_with(
            ws, key, temperature=own.temperature, top_p=own.top_p
        )


def test_two_samplings_of_one_configuration_share_no_row(searched):
    ws, _ = searched
    rows = Trials(ws, *CELL, ws.concept(CELL[0]).prompts["id"].head(6).to_list(), trial_store(ws)).rows(PAIR, 6)
    first, second = (rows[key] for key in PAIR)
    assert first.height == second.height == 6 and not set(first["row_id"]) & set(second["row_id"])
    assert first["temperature"].unique().to_list() == [0.5] and second["temperature"].unique().to_list() == [1.3]
    assert first["text"].to_list() != second["text"].to_list()
    assert len({trial_store(ws).path("responses", CELL[0], key) for key in PAIR}) == 2


def test_the_same_seed_makes_the_same_trials_from_the_store_and_another_seed_others(searched, again, untried):
    ws, found = searched
    assert search(again(ws), *CELL, SETTINGS).table.equals(found.table)
    other = search(untried(), *CELL, replace(SETTINGS, seed=5))
    assert set(other.table["configuration_id"]) != set(found.table["configuration_id"])


def test_an_interrupted_search_goes_on_and_asks_for_no_response_twice(searched, untried, monkeypatch):
    _, found = searched
    asked, real = [], asteer_core.model.generate

    def generate(model, requests, *others, on_row=None, **named):
        def counted(row):
            asked.append(row.row_id)
            on_row(row)
            if len(asked) == 6:  # the second row of the second trial
                raise KeyboardInterrupt

        return real(model, requests, *others, on_row=counted, **named)

    monkeypatch.setattr(asteer_core.model, "generate", generate)
    with pytest.raises(KeyboardInterrupt):
        search(untried(), *CELL, SETTINGS)
    resumed = search(untried(), *CELL, SETTINGS)
    assert len(asked) == len(set(asked)) == 24
    # Rows in other batches may differ in the last bits of what is measured, but neither in text nor in what is tried.
    assert_frame_equal(resumed.table, found.table, abs_tol=1e-5)


def test_the_training_set_and_its_card_name_the_sampling(searched, tmp_path):
    ws, found = searched
    list(training_set(ws, [CELL], SETTINGS, RECIPE))
    made = read_training_set(ws, *CELL)
    drawn = set(made.rows.select("temperature", "top_p").rows())
    assert drawn <= set(found.table.select("temperature", "top_p").rows()) and len(drawn) > 1
    export(ws, made, tmp_path / "set", ["jsonl"])
    card = (tmp_path / "set" / "README.md").read_text()
    for configuration, temperature, top_p in made.rows.select("configuration_id", "temperature", "top_p").unique().rows():
        assert any(configuration in line and f"| {temperature} | {top_p} |" in line for line in card.splitlines())
    facts = json.loads((tmp_path / "set" / "provenance.json").read_text())
    assert {(one["temperature"], one["top_p"]) for one in facts["configurations"]} == drawn
    # Whoever made the set, an export finds the study behind it.
    assert remembered_study(ws.home, ws.study.name, *CELL) == ws.study


def test_a_set_is_made_anew_when_the_sampling_of_its_study_changes(untried, again):
    ws, settings = untried(), SearchSettings(parse_budget("40"), "success", prompts=(4, 16))
    assert not next(training_set(ws, [CELL], settings, RECIPE)).reused
    assert next(training_set(again(ws), [CELL], settings, RECIPE)).reused
    colder = untried(sampling=replace(ws.study.sampling, temperature=0.5))
    assert not next(training_set(colder, [CELL], settings, RECIPE)).reused
    assert read_training_set(colder, *CELL).rows["temperature"].unique().to_list() == [0.5]


def test_another_judge_makes_the_search_and_the_set_anew_and_the_card_names_it(untried, tmp_path):
    settings = SearchSettings(parse_budget("40"), "success", prompts=(4, 16))
    assert not next(training_set(untried(), [CELL], settings, RECIPE)).reused
    other = untried(judge=JudgeChoice.model_validate({"kind": "embedded", "calibration": "isotonic"}))
    assert [stage for stage, done in prepare(other, *CELL) if not done.reused] == ["judges", "baseline_measurements"]
    assert not next(training_set(other, [CELL], settings, RECIPE)).reused
    assert remembered_study(other.home, other.study.name, *CELL).judge == other.study.judge
    made = read_training_set(other, *CELL)
    export(other, made, tmp_path / "set", ["jsonl"])
    assert "- Judge of success: `embedded`, AUROC " in (tmp_path / "set" / "README.md").read_text()
    # An export may go to people who must not know where a judge stands.
    endpoint = {"kind": "openai", "base_url": "https://judge.internal/v1", "model": "judge-m"}
    facts = json.dumps(provenance(untried(judge=JudgeChoice.model_validate(endpoint)), made), default=str)
    assert "judge.internal" not in facts and "OPENAI_API_KEY" not in facts and "judge-m" in facts


def test_the_judge_that_is_named_is_the_one_of_the_search():
    named = JudgeChoice.model_validate({"kind": "logodds", "model": "llama-3m"})
    assert space("toxicity", "neox-2m", 16, judge=named).judge == named and space("toxicity", "neox-2m", 16).judge == JudgeChoice()


def test_the_budget_holds_to_the_row_with_early_stops_and_several_replies(prepared, untried):
    ws = untried(size=prepared.study.size.model_copy(update={"samples": 2, "prompts": 8}))
    # Two prompts at the first rung, while the rule would like to see four.
    settings = SearchSettings(parse_budget("20"), "hm", prompts=(2, 8), early_stop=True)
    found = search(ws, *CELL, settings)
    assert found.spent == stored_rows(ws, found.ranked) == 2 * 2 * 2 + 2 * 6


def test_a_stopped_configuration_has_cost_its_probes_and_says_so(prepared, untried):
    ws = untried(size=prepared.study.size.model_copy(update={"samples": 2}))
    rule = StopRule(probes=3, deviations=-1e9)
    settings = SearchSettings(parse_budget("200"), "success", prompts=(4, 16), early_stop=True, stop=rule)
    with pytest.raises(DataError, match="stopped early"):
        search(ws, *CELL, settings)
    assert stored_rows(ws, KEYS) == 2 * 3 * 2


def test_each_proposal_is_probed_and_stopped_before_the_rest_of_its_rung_is_paid(untried, monkeypatch):
    ws, probed = untried(), []

    def stopped(*_):
        probed.append(None)
        return "it babbles" if len(probed) > 1 else None

    monkeypatch.setattr(asteer_core.search.course, "stopped", stopped)
    found = search(ws, *CELL, replace(SETTINGS, early_stop=True, stop=StopRule(probes=2)))
    stored = list((trial_store(ws).root / "responses").rglob("*.parquet"))
    assert sorted(pl.read_parquet(file).height for file in stored) == [2, 2, 16] and len(probed) == 3
    assert found.spent == 20 and set(found.stopped.values()) == {"it babbles"}
    assert found.table.filter(pl.col("stopped").is_not_null())["n"].to_list() == [2, 2]


def test_another_seed_asks_other_prompts_first(untried):
    ws, settings = untried(), SearchSettings(parse_budget("40"), "success", prompts=(4, 16))
    asked = []
    for seed in (0, 1):
        found = search(ws, *CELL, replace(settings, seed=seed))
        asked.append(found.trials.rows(KEYS, 4)[KEYS[0]]["prompt_id"].to_list())
        # Within a search all configurations answer the same prompts.
        assert found.trials.rows(KEYS, 4)[KEYS[1]]["prompt_id"].to_list() == asked[-1]
    assert asked[0] != asked[1]


def stored_rows(ws, keys):
    return sum(trial_store(ws).read("responses", CELL[0], key).height for key in keys)
