"""Fine-tuned encoders learn, stop early, and resume to the same weights; probes choose their block; options are checked."""

from __future__ import annotations

import numpy as np
import pytest

from asteer_core.detectors import Aids, TextSet, choose_kind
from asteer_core.detectors.encoder import _quality
from asteer_core.detectors.protocol import validation_of
from asteer_core.detectors.ranking import auroc
from asteer_core.errors import ConfigError, DataError, ModelError
from asteer_core.model.finetuning import Recipe, _half, _Pace, _schedule
from tests.core.detectors.conftest import planted_texts

FAST = {"epochs": 3, "batch_size": 8, "learning_rate": 3e-3, "max_tokens": 32, "patience": None, "device": "cpu"}


def quality(labels, scores):
    return auroc(labels, scores, np.ones((len(labels), 1)))[0]


@pytest.fixture
def sets(rng):
    return {name: planted_texts(rng, count) for name, count in (("train", 120), ("validation", 40), ("test", 80))}


def fit(sets, encoder, aids=None, **options):
    kind = choose_kind("encoder", {"model": str(encoder), **FAST, **options})
    return kind.fit(*sets["train"], np.random.default_rng(0), aids or Aids(sets["validation"]))


def test_an_encoder_learns_and_does_so_again_from_the_same_seed(sets, tiny_encoder):
    first, second = fit(sets, tiny_encoder), fit(sets, tiny_encoder)
    scores = first.score(sets["test"][0])
    assert quality(sets["test"][1], scores) > 0.95 and ((scores >= 0) & (scores <= 1)).all()
    np.testing.assert_array_equal(scores, second.score(sets["test"][0]))
    assert len(first.history) == 3 and all(row["loss"] > 0 for row in first.history)


@pytest.fixture
def checkpoint_at_once(monkeypatch):
    monkeypatch.setattr("asteer_core.model.finetuning.CHECKPOINT_SECONDS", 0.0)
    monkeypatch.setattr("asteer_core.model.finetuning.CHECKPOINT_SHARE", 1e9)


def test_a_run_killed_in_the_middle_of_an_epoch_ends_as_if_it_had_not_been(sets, tiny_encoder, tmp_path, checkpoint_at_once):
    whole = fit(sets, tiny_encoder)
    seen = []

    def kill(done, total, note):
        seen.append(done)
        if done == 22 and seen[0] == 1:  # in the second epoch of 15 steps
            raise KeyboardInterrupt

    aids = Aids(sets["validation"], tmp_path / "run", kill)
    with pytest.raises(KeyboardInterrupt):
        fit(sets, tiny_encoder, aids)
    assert [path.suffix for path in (tmp_path / "run").iterdir()] == [".safetensors"]
    seen.clear()
    resumed = fit(sets, tiny_encoder, aids)
    assert seen[0] == 23 and not (tmp_path / "run").exists()
    np.testing.assert_allclose(resumed.score(sets["test"][0]), whole.score(sets["test"][0]), atol=1e-6)
    assert [row["loss"] for row in resumed.history] == pytest.approx([row["loss"] for row in whole.history])


def test_a_checkpoint_of_another_run_is_not_gone_on_from(sets, tiny_encoder, tmp_path, checkpoint_at_once):
    def kill(done, total, note):
        if done == 15:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fit(sets, tiny_encoder, Aids(sets["validation"], tmp_path / "run", kill))
    assert list((tmp_path / "run").iterdir())
    seen = []
    fit(sets, tiny_encoder, Aids(sets["validation"], tmp_path / "run", lambda done, total, note: seen.append(done)), learning_rate=1e-3)
    assert seen[0] == 1


def test_training_stops_early_and_keeps_the_best_epoch(sets, tiny_encoder):
    texts, labels = sets["train"]
    noise = np.random.default_rng(1).permutation(labels)
    kind = choose_kind("encoder", {"model": str(tiny_encoder), **FAST, "epochs": 12, "patience": 2})
    found = kind.fit(texts, noise, np.random.default_rng(0), Aids(sets["validation"]))
    reached = [row["quality_0"] for row in found.history]
    assert len(reached) < 12 and len(reached) - 1 - int(np.argmax(reached)) == 2
    validation, known = sets["validation"]
    assert quality(known, found.score(validation)) == pytest.approx(max(reached))


def test_class_weights_move_the_boundary_of_an_unbalanced_set(sets, tiny_encoder):
    texts, labels = sets["train"]
    rows = np.flatnonzero((labels == 0) | (np.cumsum(labels) <= 8))
    few = {**sets, "train": (texts.take(rows), labels[rows])}
    weighted, plain = (fit(few, tiny_encoder, class_weights=chosen, epochs=1).score(sets["test"][0]).mean() for chosen in (True, False))
    assert weighted > plain + 0.05


def test_an_encoder_that_reads_prompts_sees_them(rng, tiny_encoder):
    def asked(count):
        plain, labels = planted_texts(rng, count)
        return TextSet(tuple(" ".join(rng.choice(["w1", "w2", "w3"], 3)) for _ in labels), None, "asked", plain.texts), labels

    sets = {"train": asked(120), "validation": asked(40), "test": asked(80)}
    read = fit(sets, tiny_encoder, inputs="prompt_response")
    assert quality(sets["test"][1], read.score(sets["test"][0])) > 0.95
    with pytest.raises(DataError, match="'encoder' detector reads prompts"):
        read.score(TextSet(("w1",)))


def test_the_global_generator_is_left_alone(sets, tiny_encoder):
    import torch

    before = torch.get_rng_state()
    fit(sets, tiny_encoder, epochs=1)
    assert torch.equal(before, torch.get_rng_state())


def test_a_folder_without_a_trained_body_is_refused(sets, tiny_encoder, tmp_path):
    import shutil

    from safetensors.numpy import load_file, save_file

    folder = tmp_path / "broken"
    shutil.copytree(tiny_encoder, folder)
    weights = {name: value for name, value in load_file(folder / "model.safetensors").items() if "layer.1." not in name}
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match="no weights for .*layer.1"):
        fit(sets, folder)


def test_a_probe_chooses_the_block_that_shows_the_violation(sets):
    kind = choose_kind("activation_probe", {"model": "tiny"})
    for aids in (Aids(sets["validation"]), Aids()):
        found = kind.fit(*sets["train"], np.random.default_rng(0), aids)
        assert found.block == 1 and quality(sets["test"][1], found.score(sets["test"][0])) > 0.95


def test_a_block_that_only_remembers_the_training_texts_is_not_chosen(rng):
    (texts, labels), (validation, known) = planted_texts(rng, 40), planted_texts(rng, 40)
    remembered = rng.normal(size=(40, 200)).astype(np.float32)
    remembered[:, 0] += 6.0 * labels
    forgotten = rng.normal(size=(40, 200)).astype(np.float32)
    for block, there, elsewhere in ((0, remembered, forgotten), (1, texts.activations["tiny", 1], validation.activations["tiny", 1])):
        texts.activations["tiny", block], validation.activations["tiny", block] = there, elsewhere
    found = choose_kind("activation_probe", {"model": "tiny"}).fit(texts, labels, np.random.default_rng(0), Aids((validation, known)))
    assert found.block == 1


def test_texts_set_aside_for_choosing_are_not_trained_on_and_have_both_classes(rng):
    texts, labels = planted_texts(rng, 60)
    (part, truth), (held, known) = validation_of(texts, labels, rng, Aids())
    assert len(part) + len(held) == 60 and not {*part.prompts} & {*held.prompts}
    assert known.sum() == 4 and len(known) == 8 and truth.sum() == 26
    with pytest.raises(DataError, match="validation texts of one class only"):
        validation_of(texts, labels, rng, Aids((held, np.ones(8))))


def test_a_probe_reads_no_other_blocks_than_it_is_given(sets):
    texts, labels = sets["train"]
    found = choose_kind("activation_probe", {"model": "tiny"}).fit(texts.at_blocks("tiny", [0]), labels, np.random.default_rng(0))
    assert found.block == 0 and texts.at_blocks("other", [0]).activations == {}


def test_the_learning_rate_rises_and_then_falls_to_almost_nothing():
    rates = [_schedule(step, 100, 0.1) for step in range(100)]
    assert rates[:3] == pytest.approx([0.1, 0.2, 0.3]) and max(rates) == rates[9] == rates[10] == 1
    assert rates[55] == pytest.approx(0.5) and 0 < rates[99] < 0.02


@pytest.mark.parametrize(("native", "precision", "half"), [
    (True, "auto", True), (False, "auto", False), (True, "float32", False), (False, "bf16", True),
])  # fmt: skip
def test_a_cpu_trains_in_bf16_where_it_computes_it_natively_or_is_told_to(monkeypatch, native, precision, half):
    import torch

    monkeypatch.setattr("asteer_core.model.finetuning.native_bfloat16", lambda device: native)
    assert _half(Recipe(precision=precision), torch.device("cpu")) is half
    monkeypatch.setattr("asteer_core.model.finetuning.native_bfloat16", lambda device: False)
    with pytest.raises(ModelError, match="mps does not compute in it"):
        _half(Recipe(precision="bf16"), torch.device("mps"))


def test_of_epochs_with_one_auroc_the_one_with_the_lower_loss_is_kept():
    labels, far, near = np.array([0, 1, 0, 1]), np.array([0.45, 0.55, 0.4, 0.6]), np.array([0.05, 0.95, 0.1, 0.9])
    assert _quality(labels, near) > _quality(labels, far) and _quality(labels, near)[0] == 1
    assert _quality(labels, far) > _quality(labels, np.array([0.01, 0.99, 0.6, 0.5]))


def test_checkpoints_take_a_tenth_of_the_time_at_most(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("asteer_core.model.finetuning.time.monotonic", lambda: now[0])
    pace = _Pace()
    due = []
    for seconds in (59.0, 2.0):
        now[0] += seconds
        due.append(pace.is_due())
    with pace:
        now[0] += 20.0
    for seconds in (199.0, 2.0):
        now[0] += seconds
        due.append(pace.is_due())
    assert due == [False, True, False, True]


def test_a_probe_gives_no_verdict_on_a_response_without_tokens(sets):
    texts, labels = sets["train"]
    texts.activations["tiny", 1][3] = np.nan
    found = choose_kind("activation_probe", {"model": "tiny"}).fit(texts, labels, np.random.default_rng(0))
    assert np.flatnonzero(np.isnan(found.score(texts))).tolist() == [3]
    with pytest.raises(DataError, match="needs activations of model 'other'"):
        choose_kind("activation_probe", {"model": "other"}).fit(texts, labels, np.random.default_rng(0))


def test_shares_of_depth_name_blocks():
    kind = choose_kind("activation_probe", {"layers": ["50%", "100%", 0]})
    assert kind.blocks(32) == [0, 15, 31] and kind.blocks(1) == [0]
    with pytest.raises(ConfigError, match="layer 7 of model 'llama-3m', which has blocks 0 to 2"):
        choose_kind("activation_probe", {"layers": [7]}).blocks(3)


@pytest.mark.parametrize(
    ("kind", "options", "message"),
    [
        ("encoder", {"epoch": 3}, "detector 'encoder': unknown option 'epoch'. Did you mean 'epochs'"),
        ("encoder", {"epochs": 0}, "option 'epochs': .*greater than or equal to 1; got 0"),
        ("activation_probe", {"layers": ["half"]}, "expected a block from 0, or a percentage"),
        ("tfidf", {"C": 1}, "unknown option 'C'"),
        ("encodr", {}, "unknown detector 'encodr'. Did you mean 'encoder'"),
    ],
)
def test_wrong_options_are_refused_with_the_nearest(kind, options, message):
    with pytest.raises(ConfigError, match=message):
        choose_kind(kind, options)
