"""The continuous engine against the padded one: same rows, same texts, whatever is packed together. Tiny random models, float32."""

from __future__ import annotations

import importlib
import threading
from dataclasses import replace

import numpy as np
import pytest

from asteer_core.errors import ConfigError, ModelError
from asteer_core.model import generate
from asteer_core.model.continuous import ContinuousDecoder
from asteer_core.model.engines import chosen
from asteer_core.model.packed import PackedTally
from asteer_core.types import Add, Affine, Gate, GenerationRequest, Intervention, Rotate, Sampling, row_stream

WIDTH = 32
SAMPLINGS = {
    "plain": Sampling(max_new_tokens=8),
    "every filter": Sampling(max_new_tokens=8, temperature=0.7, top_p=0.9, top_k=40, repetition_penalty=1.3, min_new_tokens=5),
    "stop strings": Sampling(max_new_tokens=8, stop=("w2", "3 w")),
    "greedy": Sampling(max_new_tokens=4, temperature=0.0),
}
PROMPTS = ("w1 w2 w3", "w4", "w5 w6 w7 w8 w9 w10 w11", "w12 w13 w12 w13")


def configurations():
    """Return one configuration per kind of edit, scope and gate."""
    rng = np.random.default_rng(0)

    def unit():
        vector = rng.normal(size=WIDTH)
        return (vector / np.linalg.norm(vector)).astype(np.float32)

    plane = np.linalg.qr(rng.normal(size=(WIDTH, 2)))[0].astype(np.float32)
    return {
        "off": Intervention(),
        "add": Intervention((Add(1, 8 * unit()),)),
        "rotate": Intervention((Rotate(2, plane[:, 0], plane[:, 1], 0.7),), scope="all"),
        "two blocks": Intervention((Affine(0, unit(), 4 * unit()), Add(2, unit())), scope="prompt"),
        "gated": Intervention((Add(1, 8 * unit()),), gate=Gate(0, unit(), 0.0)),
    }


def requests(names, prompts=PROMPTS, samples=1):
    """Return one request per configuration, prompt and sample."""
    return [
        GenerationRequest(f"{name}/{place}/{sample}", prompt, name, row_stream(name, prompt, sample, 0))
        for name in names
        for place, prompt in enumerate(prompts)
        for sample in range(samples)
    ]


def assert_same(left, right):
    """Both lists hold the same rows, displacement up to rounding."""
    assert [replace(row, displacement=None) for row in left] == [replace(row, displacement=None) for row in right]
    shifts = [[row.displacement or 0.0 for row in rows] for rows in (left, right)]
    np.testing.assert_allclose(shifts[0], shifts[1], atol=1e-5)


def both(model, rows, table, sampling):
    """Return the rows of the continuous and of the padded engine."""
    return [generate(model, rows, table, sampling, engine=engine) for engine in ("continuous", "padded")]


def hooks_on(model):
    """Return the number of hooks on a model and its parts."""
    return sum(len(item._forward_hooks) + len(item._forward_pre_hooks) for item in model.module.modules())


@pytest.mark.parametrize("sampling", SAMPLINGS.values(), ids=SAMPLINGS)
def test_both_engines_write_the_same_texts_for_mixed_configurations(make_model, sampling):
    # More rows than run at a time, so that some take the place of others.
    rows = requests(configurations(), samples=2)
    found, expected = both(make_model("llama"), rows, configurations(), sampling)
    assert_same(found, expected)
    assert len({row.text for row in expected}) >= 9
    assert {row.steered_tokens > 0 for row in expected} == {True, False}


@pytest.mark.parametrize("family", ["qwen2", "mistral", "gpt2", "mixtral"])
def test_both_engines_write_the_same_texts_for_every_family_that_reads_a_paged_cache(make_model, family):
    assert_same(*both(make_model(family), requests(configurations()), configurations(), SAMPLINGS["plain"]))


@pytest.mark.parametrize("family", ["gemma2", "gpt_neox"])
def test_a_model_that_a_paged_cache_would_change_or_break_is_refused(make_model, family):
    model = make_model(family)
    before = hooks_on(model)
    with pytest.raises(ModelError, match="use engine: padded"):
        generate(model, requests(["off"]), {"off": Intervention()}, SAMPLINGS["plain"], engine="continuous")
    assert hooks_on(model) == before


def test_unsteered_rows_do_not_notice_steered_neighbours(make_model):
    model, sampling = make_model("llama"), SAMPLINGS["plain"]
    mixed = generate(model, requests(configurations()), configurations(), sampling, engine="continuous")
    alone = generate(model, requests(["off"]), configurations(), sampling, engine="continuous")
    assert_same([row for row in mixed if row.row_id.startswith("off")], alone)
    assert all(row.steered_tokens == 0 and row.displacement is None for row in alone)


def test_a_prompt_that_is_read_in_parts_is_steered_in_every_part(make_model):
    model = make_model("llama", max_position_embeddings=512)
    rows = requests(["rotate", "two blocks"], (" ".join(["w1 w2 w3"] * 100), "w5"))
    assert_same(*both(model, rows, configurations(), SAMPLINGS["greedy"]))


def test_a_row_that_lost_its_cache_is_read_again_and_counted_once(make_model, monkeypatch):
    settings, forget, again = ContinuousDecoder._settings, PackedTally.forget, []

    def few_pages(self, waiting):
        value = settings(self, waiting)
        value.num_blocks, value.safety_margin = 6, 0.0
        return value

    monkeypatch.setattr(ContinuousDecoder, "_settings", few_pages)
    monkeypatch.setattr(PackedTally, "forget", lambda self, row: (again.append(row), forget(self, row)))
    sampling = Sampling(max_new_tokens=24, min_new_tokens=24)
    assert_same(*both(make_model("llama"), requests(["add", "rotate"]), configurations(), sampling))
    assert again


def test_a_row_whose_numbers_overflow_ends_alone(make_model):
    huge = Add(1, np.full(WIDTH, 3e38, dtype=np.float32))
    table = configurations() | {"broken": Intervention((huge, huge))}
    found, expected = both(make_model("llama"), requests(["off", "broken", "add"]), table, SAMPLINGS["plain"])
    assert [row.finish_reason for row in found] == [row.finish_reason for row in expected]
    assert {row.finish_reason for row in found if row.row_id.startswith("broken")} == {"nonfinite"}
    assert_same(*([row for row in rows if not row.row_id.startswith("broken")] for rows in (found, expected)))


@pytest.mark.parametrize("culprit", ["caller", "block"])
def test_hooks_and_threads_are_gone_after_an_exception(make_model, culprit):
    model = make_model("llama")
    attention, threads = model.config._attn_implementation, threading.active_count()
    # Transformers leaves recorders of its own on a model that was once asked for hidden states.
    before = hooks_on(model)
    seen = []

    def fail(*_):
        seen.append(hooks_on(model))
        raise RuntimeError("that is the culprit")

    handle = model.blocks[3].register_forward_hook(fail) if culprit == "block" else None
    try:
        with pytest.raises((ModelError, RuntimeError), match="that is the culprit"):
            generate(
                model, requests(configurations()), configurations(), SAMPLINGS["plain"], engine="continuous",
                on_row=fail if culprit == "caller" else None,
            )  # fmt: skip
    finally:
        if handle is not None:
            handle.remove()
    assert max(seen) > before + 1
    assert hooks_on(model) == before
    assert threading.active_count() == threads
    assert model.config._attn_implementation == attention


def test_a_model_whose_blocks_nobody_has_looked_for_is_run_all_the_same(make_model):
    model = make_model("llama")
    expected = generate(model, requests(["off"]), {"off": Intervention()}, SAMPLINGS["plain"], engine="continuous")
    model.__dict__.pop("blocks", None)
    assert_same(generate(model, requests(["off"]), {"off": Intervention()}, SAMPLINGS["plain"], engine="continuous"), expected)


@pytest.mark.parametrize("engine", ["padded", "continuous"])
def test_hooks_are_gone_when_a_place_cannot_be_steered(make_model, monkeypatch, engine):
    model = make_model("llama")
    before = hooks_on(model)
    for module in ("packed", "steering"):
        real = importlib.import_module(f"asteer_core.model.{module}").attach

        def second_fails(model, block, site, rewrite, real=real):
            if block > 0:
                raise ModelError("no such place")
            return real(model, block, site, rewrite)

        monkeypatch.setattr(f"asteer_core.model.{module}.attach", second_fails)
    vector = np.ones(model.d_model, dtype=np.float32)
    table = {"both": Intervention((Add(0, vector), Add(1, vector)))}
    with pytest.raises(ModelError, match="no such place"):
        generate(model, requests(["both"]), table, SAMPLINGS["plain"], engine=engine)
    assert hooks_on(model) == before


def test_an_engine_has_a_known_name_and_auto_is_padded(make_model):
    model = make_model("llama")
    assert chosen("auto") == chosen("padded") == "padded"
    assert chosen("continuous") == "continuous"
    with pytest.raises(ConfigError, match="Did you mean 'continuous'"):
        generate(model, requests(["off"]), configurations(), SAMPLINGS["plain"], engine="continous")
