"""The padded engine: texts do not depend on packing, edits reach the rows they name, rows come and go."""

from __future__ import annotations

import numpy as np
import pytest

from asteer_core.errors import ConfigError, ModelError
from asteer_core.model import GeneratedRow, generate
from asteer_core.model.cache import AlignedCache
from asteer_core.types import Add, Affine, Gate, GenerationRequest, Intervention, Rotate, Sampling, row_stream

SAMPLING = Sampling(max_new_tokens=12)


def requests(prompts, names, system=None):
    """Return one request per prompt and configuration."""
    return [
        GenerationRequest(f"{name}/{row}", prompt, name, row_stream(name, str(row), 0, 5), system)
        for name in names
        for row, prompt in enumerate(prompts)
    ]


def direction(seed, width=32, norm=1.0):
    """Return a random vector of a given norm."""
    vector = np.random.default_rng(seed).normal(size=width)
    return (norm * vector / np.linalg.norm(vector)).astype(np.float32)


def plane(seed):
    """Return two orthonormal vectors."""
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(32, 2)))[0].astype(np.float32)
    return basis[:, 0], basis[:, 1]


def mixed():
    """Return configurations of every kind of edit, at several layers and scopes."""
    return {
        "off": Intervention(),
        "add": Intervention((Add(1, direction(1, norm=8.0)),)),
        "rotate": Intervention((Rotate(2, *plane(2), 0.7),)),
        "affine": Intervention((Affine(0, direction(3), direction(4, norm=4.0)),)),
        "two": Intervention((Add(1, direction(5, norm=3.0)), Rotate(1, *plane(6), 0.5), Add(3, direction(7, norm=3.0))), "all"),
        "prompt": Intervention((Add(1, direction(8, norm=8.0)),), "prompt"),
    }


@pytest.mark.parametrize("chat", [False, True])
def test_texts_do_not_depend_on_batch_size(make_model, prompts, chat):
    model = make_model("llama", chat)
    rows = requests(prompts[:9], mixed(), "w1 w2" if chat else None)
    texts = [[row.text for row in generate(model, rows, mixed(), SAMPLING, batch_size=size)] for size in (1, 7, 64)]
    assert texts[0] == texts[1] == texts[2]


def test_a_resumed_half_gives_the_rows_of_the_full_run(make_model, prompts):
    rows = requests(prompts, mixed())
    full = {row.row_id: row for row in generate(make_model(), rows, mixed(), SAMPLING)}
    half = generate(make_model(), rows[1::2], mixed(), SAMPLING)
    assert [row.text for row in half] == [full[row.row_id].text for row in half]


def test_each_configuration_changes_its_own_rows_only(make_model, prompts):
    plain = dict.fromkeys(mixed(), Intervention())
    rows = requests(prompts, mixed())
    before = {row.row_id: row.text for row in generate(make_model(), rows, plain, SAMPLING)}
    after = generate(make_model(), rows, mixed(), SAMPLING)
    changed = {name: sum(row.text != before[row.row_id] for row in after if row.row_id.startswith(f"{name}/")) for name in mixed()}
    assert changed.pop("off") == 0
    assert min(changed.values()) > 3, changed


def test_strength_zero_installs_nothing_and_counts_nothing(make_model, prompts):
    b1, b2 = plane(2)
    off = {"off": Intervention((Add(1, np.zeros(32, np.float32)), Rotate(2, b1, b2, 0.0)))}
    with_edits = generate(make_model(), requests(prompts, off), off, SAMPLING)
    without = generate(make_model(), requests(prompts, off), {"off": Intervention()}, SAMPLING)
    assert with_edits == without
    assert {(row.steered_tokens, row.displacement) for row in with_edits} == {(0, None)}


def test_steered_tokens_and_displacement_say_what_was_done(make_model, prompts):
    table = {"generated": Intervention((Add(1, direction(1)),)), "all": Intervention((Add(1, direction(1)),), "all")}
    table["prompt"] = Intervention((Add(1, direction(1)),), "prompt")
    model = make_model()
    for row, request in zip(generate(model, requests(prompts, table), table, SAMPLING), requests(prompts, table), strict=True):
        passes = row.n_tokens + (row.finish_reason == "stop")
        prompt = len(model.prompter.encode([request.prompt], [None])[0]) - 1  # without BOS
        expected = {"generated": passes, "all": prompt + passes - 1, "prompt": prompt}[request.intervention]
        assert row.steered_tokens == expected
        assert row.displacement is not None and row.displacement > 0


def test_a_gate_decides_row_by_row(make_model, prompts):
    model = make_model()
    free = Intervention((Add(1, direction(1, norm=8.0)),))
    table = {"gated": Intervention(free.edits, gate=Gate(2, direction(9), 0.0)), "free": free, "off": Intervention()}
    made = {row.row_id: row for row in generate(model, requests(prompts, table), table, SAMPLING)}
    opened = [row for row in range(len(prompts)) if made[f"gated/{row}"].steered_tokens]
    assert 0 < len(opened) < len(prompts)
    # The stream depends on the name of the configuration, so that texts are compared on equal streams.
    same = [GenerationRequest(f"{name}/{row}", prompts[row], name, row) for row in range(len(prompts)) for name in table]
    texts = {row.row_id: row.text for row in generate(model, same, table, SAMPLING)}
    for row in range(len(prompts)):
        assert texts[f"gated/{row}"] == texts[f"{'free' if row in opened else 'off'}/{row}"]


def test_finished_rows_make_room_for_waiting_ones(make_model, prompts, monkeypatch):
    kept, added = [], []
    keep, add = AlignedCache.keep, AlignedCache.add
    monkeypatch.setattr(AlignedCache, "keep", lambda self, rows, columns: (kept.append(len(rows)), keep(self, rows, columns))[1])
    monkeypatch.setattr(AlignedCache, "add", lambda self, *rest: (added.append(len(rest[1])), add(self, *rest))[1])
    rows = requests(prompts, {"off": None})
    # End tokens are common here, so that rows finish at different steps.
    made = generate(make_model(eos_token_id=list(range(1, 30))), rows, {"off": Intervention()}, Sampling(max_new_tokens=40), batch_size=8)
    assert len({row.n_tokens for row in made}) > 4
    assert kept and all(0 < size < 8 for size in kept)
    assert added[0] == 8 and sum(added) == len(rows) and len(added) > 4


def test_on_row_sees_every_row_once_and_progress_ends_at_the_total(make_model, prompts):
    seen: list[GeneratedRow] = []
    progress: list[tuple[int, int, int]] = []
    made = generate(
        make_model(), requests(prompts, mixed()), mixed(), SAMPLING, batch_size=16, on_row=seen.append,
        on_progress=lambda *step: progress.append(step),
    )  # fmt: skip
    assert sorted(row.row_id for row in seen) == sorted(row.row_id for row in made)
    assert progress[-1] == (len(made), len(made), sum(row.n_tokens for row in made))


def test_running_out_of_memory_halves_the_batch_and_goes_on(make_model, prompts, monkeypatch):
    from asteer_core.model import decoding

    sizes, call = [], decoding.call

    def limited(model, ids, **rest):
        sizes.append(len(ids))
        if len(ids) > 6:
            raise RuntimeError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return call(model, ids, **rest)

    expected = generate(make_model(), requests(prompts, mixed()), mixed(), SAMPLING)
    monkeypatch.setattr(decoding, "call", limited)
    made = generate(make_model(), requests(prompts, mixed()), mixed(), SAMPLING, batch_size=24)
    assert [row.text for row in made] == [row.text for row in expected]
    assert max(sizes) > 6 >= sizes[-1]
    monkeypatch.setattr(decoding, "call", lambda *_, **__: (_ for _ in ()).throw(RuntimeError("DefaultCPUAllocator: not enough memory")))
    with pytest.raises(ModelError, match="does not suffice for a single row"):
        generate(make_model(), requests(prompts, mixed()), mixed(), SAMPLING)


def test_other_errors_leave_no_hook_behind(make_model, prompts, monkeypatch):
    from asteer_core.model import decoding

    def broken(*_, **__):
        raise RuntimeError("something else")

    model = make_model()
    expected = generate(model, requests(prompts, {"off": None}), {"off": Intervention()}, SAMPLING)
    hooks = [list(block._forward_hooks) for block in model.blocks]
    with monkeypatch.context() as patch:
        patch.setattr(decoding, "draw", broken)
        with pytest.raises(RuntimeError, match="something else"):
            generate(model, requests(prompts, mixed()), mixed(), SAMPLING)
    assert [list(block._forward_hooks) for block in model.blocks] == hooks
    assert generate(model, requests(prompts, {"off": None}), {"off": Intervention()}, SAMPLING) == expected


def test_nan_ends_one_row_and_spares_the_others(make_model, prompts):
    model = make_model()
    table = {"off": Intervention(), "huge": Intervention((Add(1, np.full(32, 3e38, np.float32)), Add(1, np.full(32, 3e38, np.float32))))}
    rows = requests(prompts, table)
    made = generate(model, rows, table, SAMPLING)
    assert {row.finish_reason for row in made if row.row_id.startswith("huge")} == {"nonfinite"}
    alone = generate(model, rows[: len(prompts)], table, SAMPLING)
    assert made[: len(prompts)] == alone


def test_wrong_input_is_named_before_anything_runs(make_model, prompts, monkeypatch):
    model = make_model()
    assert model.n_blocks == 4
    monkeypatch.setattr(model.module, "forward", None)
    good = Intervention((Add(1, direction(1)),))

    def run(table, rows=None, **options):
        generate(model, rows or requests(prompts, table), table, SAMPLING, **options)

    b1, b2 = plane(0)
    for broken, message in (
        (Add(7, direction(1)), "configuration 'x': layer 7 does not exist; model 'tiny-llama' has layers 0 to 3"),
        (Add(1, direction(1, width=30)), r"layer 1: vector has shape \(30,\), but model 'tiny-llama' has width 32"),
        (Add(1, np.full(32, np.nan, np.float32)), "NaN or Inf"),
        (Rotate(1, b1, b1, 0.5), "not orthonormal"),
        (Rotate(1, b1, b2, np.inf), "not finite"),
        (Affine(1, direction(1, norm=2.0), direction(1)), "norm 2; expected a unit vector"),
    ):
        with pytest.raises(ModelError, match=message):
            run({"x": Intervention((broken,))})
    with pytest.raises(ModelError, match=r"row 'r' \(configuration 'x'\): got an empty prompt"):
        run({"x": good}, [GenerationRequest("r", "  ", "x", 0)])
    with pytest.raises(ModelError, match="row 'r'.*has 201 tokens, but the context .* holds 128"):
        run({"x": good}, [GenerationRequest("r", "w1 " * 200, "x", 0)])
    with pytest.raises(ModelError, match="used twice"):
        run({"x": good}, [GenerationRequest("r", "w1", "x", 0)] * 2)
    with pytest.raises(ConfigError, match="unknown intervention 'y'"):
        run({"x": good}, [GenerationRequest("r", "w1", "y", 0)])
    with pytest.raises(ModelError, match="batch_size 0"):
        run({"x": good}, batch_size=0)
