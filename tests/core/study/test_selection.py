"""Blocks and strengths that a study leaves to be found, on a shipped model: what is chosen, stored, used, and told where nothing fits."""

import json

import polars as pl
import pytest

from asteer_core.study import Workspace, parse_study, run_line, stages
from asteer_core.study.stages._resolution import resolved
from asteer_core.study.stages._vector_cards import vector_cards

KL = 0.3
UNREACHABLE = 40.0


@pytest.fixture(scope="module")
def study(small_study):
    value = small_study.model_dump(exclude={"sampling"}) | {
        "name": "found",
        "concepts": ["toxicity"],
        "grid": [
            {"method": "caa", "layers": "auto", "strengths": {"kl": [KL]}},
            {"method": "angular", "layers": ["50%"], "strengths": {"kl": [KL, UNREACHABLE]}},
        ],
        "controls": {"random": {"layers": [1], "strengths": {"kl": [KL, UNREACHABLE]}}, "templates": 2},
        "selection": {"pilot_prompts": 6},
        "sampling": {"max_new_tokens": 16},
    }
    return parse_study(value, "found")


@pytest.fixture(scope="module")
def finished(tmp_path_factory, small_data, study):
    ws = Workspace(study, home=tmp_path_factory.mktemp("home"), data_root=small_data)
    return ws, list(run_line(ws))


def corpus(ws, key):
    return ws.store.read("corpora", "toxicity", key).row(0, named=True)


def test_the_corpus_carries_the_block_and_strength_that_were_found_and_has_the_kl_that_was_asked_for(finished):
    ws, _ = finished
    for key in ("neox-2m:caa:Lauto:k0.30", "neox-2m:angular:L01:k0.30"):
        row = corpus(ws, key)
        assert row["layer"] in range(4) and row["strength"] > 0 and row["reason"] is None
        assert abs(row["kl"] / KL - 1) <= ws.study.selection.tolerance
        for table in ("measurements", "corpus_metrics", "detector_metrics"):
            stored = ws.store.read(table, "toxicity", key)
            assert stored["layer"].unique().to_list() == [row["layer"]] and stored["strength"].unique().to_list() == [row["strength"]]
            assert stored["configuration_id"].unique().to_list() == [row["configuration_id"]]


def test_the_block_chosen_is_the_first_of_the_stored_ranking_and_the_reason_gives_the_evidence(finished):
    ws, _ = finished
    layers = ws.store.read("vector_layers", "toxicity", "neox-2m:caa").sort("layer")
    assert layers["layer"].to_list() == [0, 1, 2, 3] and layers["pilot_kl"].drop_nulls().is_between(0.28, 0.32).all()
    best = layers.filter(pl.col("rank") == 1).row(0, named=True)
    assert best["score"] == layers["score"].max() and f"{best['separation']:.3f}" in best["reason"]
    assert corpus(ws, "neox-2m:caa:Lauto:k0.30")["layer"] == best["layer"]
    # Blocks that the study names are not tried.
    assert ws.store.read("vector_layers", "toxicity", "neox-2m:angular")["pilot_effect"].null_count() == 4


def test_a_target_out_of_reach_leaves_one_partition_without_results_and_the_others_go_on(finished):
    ws, said = finished
    key = "neox-2m:angular:L01:k40.00"
    dones = {stage: done for stage, done in said if done.key == key}
    assert {"steered_corpora", "measurements", "corpus_metrics", "detectors"} <= set(dones)
    assert "out of reach" in dones["steered_corpora"].metadata["reason"] and dones["detectors"].rows == 0
    row = corpus(ws, key)
    assert (row["n"], row["n_tokens"], row["strength"], row["kl"]) == (0, 0, None, None) and "out of reach" in row["reason"]
    metrics = ws.store.read("corpus_metrics", "toxicity", key).row(0, named=True)
    assert metrics["success"] is None and "out of reach" in metrics["reason"]
    board = ws.store.read("leaderboard").filter(pl.col("configuration_id") == row["configuration_id"])
    assert board["auroc"].null_count() == board.height


def test_a_random_direction_out_of_reach_is_left_out_of_the_baselines(finished):
    ws, _ = finished
    random = ws.store.read("corpora", "toxicity", "neox-2m").filter(pl.col("method") == "random")
    assert random.height == 1 and abs(random["kl"][0] / KL - 1) <= ws.study.selection.tolerance


def test_every_trial_is_stored_and_one_of_each_reachable_target_is_chosen(finished):
    ws, _ = finished
    trials = ws.store.read("strength_search", "toxicity", "neox-2m:angular")
    chosen = trials.filter("chosen")
    assert chosen["kl_target"].to_list() == [KL]
    assert trials.filter(pl.col("kl_target") == UNREACHABLE)["reason"].null_count() == 0
    assert trials.group_by("kl_target").len()["len"].min() > 3


def test_a_second_run_adopts_everything_without_loading_a_model(finished, monkeypatch):
    ws, _ = finished
    again = Workspace(ws.study, home=ws.home, data_root=ws.data_root)
    monkeypatch.setattr(again, "model", lambda *_: pytest.fail("a model was loaded to adopt stored results"))
    partitioned = [done for stage, done in run_line(again, until="detectors")]
    assert all(done.reused for done in partitioned)


@pytest.mark.parametrize("selection", [{"pilot_prompts": 5}, {"tolerance": 0.2}, {"min_separation": 0.9}])
def test_settings_of_the_search_are_part_of_what_a_vector_is_computed_from(finished, selection):
    ws, _ = finished
    changed = parse_study(
        ws.study.model_dump(exclude={"sampling"}) | {"selection": selection, "sampling": {"max_new_tokens": 16}}, "changed"
    )
    other = Workspace(changed, home=ws.home, data_root=ws.data_root)
    key = stages.vectors._key
    assert key(other, "toxicity", "neox-2m:caa") != key(ws, "toxicity", "neox-2m:caa")


def test_cards_show_the_evidence_and_compare_methods_at_the_same_block(finished):
    ws, _ = finished
    [card] = vector_cards(ws, "toxicity", "neox-2m:angular")
    assert card.block == 1 and sorted(card.separation_by_block) == [0, 1, 2, 3]
    assert card.separation_by_block[1] == card.separation and card.pairs_used == 30
    # Both directions are the mean difference.
    assert card.cosines["caa"] == pytest.approx(1, abs=1e-5) and -0.9 < card.cosines["random"] < 0.9
    assert len(card.tokens_towards) == len(card.tokens_away) == 8 and not set(card.tokens_towards) & set(card.tokens_away)
    stored = ws.store.read("steering_vectors", "toxicity", "neox-2m:angular").row(0, named=True)
    assert json.loads(stored["tokens_towards"]) == list(card.tokens_towards) and stored["weak"] is False
    cosines = ws.store.read("vector_cosines").filter((pl.col("method") == "angular") & (pl.col("layer") == 1))
    assert dict(cosines.select("other", "cosine").rows()) == pytest.approx(card.cosines)


def test_what_the_interface_shows_of_a_vector_tells_choice_curve_and_tokens(finished):
    _, said = finished
    done = next(done for stage, done in said if stage == "steering_vectors" and done.key == "neox-2m:caa")
    assert "held-out AUROC" in done.metadata["block of rank 1"] and done.metadata["weak"] is None
    assert done.curve["x"] == [0, 1, 2, 3] and len(done.curve["y"]) == 4
    assert [sample["block"] for sample in done.samples] == [resolved_block(done)]
    found = next(done for stage, done in said if stage == "steered_corpora" and done.key == "neox-2m:angular:L01:k0.30")
    assert (
        found.metadata["kl"] == pytest.approx(KL, rel=0.05)
        and found.metadata["mean_displacement"] > 0
        and found.metadata["tokens_steered"] > 0
    )


def resolved_block(done):
    return int(done.metadata["block of rank 1"].split(":")[0])


@pytest.mark.slow
def test_a_vector_that_does_not_separate_is_flagged_in_table_and_leaderboard(tmp_path, small_data, study):
    value = study.model_dump(exclude={"sampling"}) | {
        "name": "weak", "grid": [{"method": "caa", "layers": [0], "strengths": [0.4]}], "controls": {},
        "selection": {"min_separation": 1.0},
    }  # fmt: skip
    ws = Workspace(parse_study(value, "weak"), home=tmp_path, data_root=small_data)
    for _ in run_line(ws, until="steering_vectors"):
        pass
    row = ws.store.read("steering_vectors", "toxicity", "neox-2m:caa").row(0, named=True)
    assert row["weak"] is (row["separation"] < 1.0)


@pytest.mark.slow
def test_a_rank_that_no_block_has_is_told_with_the_reason_of_each(tmp_path, small_data, study):
    value = study.model_dump(exclude={"sampling"}) | {
        "name": "many", "grid": [{"method": "caa", "layers": {"auto": 5}, "strengths": [0.4]}], "controls": {},
        "selection": {"pilot_prompts": 4},
    }  # fmt: skip
    ws = Workspace(parse_study(value, "many"), home=tmp_path, data_root=small_data)
    for _ in run_line(ws, until="steering_vectors"):
        pass
    with pytest.raises(Exception, match="leaves none of rank 5"):
        resolved(ws, "toxicity", "neox-2m:caa:Lauto5:s0.40")
    assert resolved(ws, "toxicity", "neox-2m:caa:Lauto:s0.40").layer in range(4)


def test_a_block_that_the_model_lacks_is_refused_with_the_range(tmp_path, small_data, study):
    value = study.model_dump(exclude={"sampling"}) | {"grid": [{"method": "caa", "layers": [9], "strengths": [0.4]}], "controls": {}}
    ws = Workspace(parse_study(value, "deep"), home=tmp_path, data_root=small_data)
    with pytest.raises(Exception, match="layers 0 to 3"):
        list(run_line(ws, until="steering_vectors"))
