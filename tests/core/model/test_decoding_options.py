"""Options of sampling as they act on whole rows: limits, stop strings, penalties, end tokens, chat turns."""

from __future__ import annotations

import pytest

from asteer_core.errors import ModelError
from asteer_core.model import generate
from asteer_core.types import GenerationRequest, Intervention, Sampling

OFF = {"off": Intervention()}


def run(model, prompts, sampling, **options):
    """Return unsteered rows on numbered streams."""
    rows = [GenerationRequest(str(row), prompt, "off", 1000 + row) for row, prompt in enumerate(prompts)]
    return generate(model, rows, OFF, sampling, **options)


def test_rows_end_at_an_end_token_but_not_before_the_minimum(make_model, prompts):
    model = make_model(eos_token_id=list(range(1, 40)))
    short = run(model, prompts, Sampling(max_new_tokens=30))
    assert {row.finish_reason for row in short} == {"stop"} and min(row.n_tokens for row in short) < 4
    assert min(row.n_tokens for row in run(model, prompts, Sampling(max_new_tokens=30, min_new_tokens=6))) >= 6


def test_the_context_bounds_a_row(make_model):
    row = run(make_model(), ["w1 " * 120], Sampling(max_new_tokens=30, min_new_tokens=30))[0]
    assert (row.n_tokens, row.finish_reason) == (128 - 121, "length")


def test_stop_strings_cut_the_text_and_end_the_row(make_model, prompts):
    free = run(make_model(), prompts, Sampling(max_new_tokens=20))
    chosen = next(row for row, made in enumerate(free) if made.n_tokens > 8)
    word = free[chosen].text.split()[7]
    stopped = run(make_model(), prompts, Sampling(max_new_tokens=20, stop=(f" {word}", "never")), batch_size=5)
    assert stopped[chosen].finish_reason == "stop_string"
    for before, after in zip(free, stopped, strict=True):
        assert after.text == before.text.split(f" {word}")[0]
        assert (after.finish_reason == "stop_string") == (f" {word}" in before.text)


def test_a_repetition_penalty_makes_repeats_rarer(make_model, prompts):
    def repeats(penalty):
        rows = run(make_model(), prompts, Sampling(max_new_tokens=30, temperature=0, repetition_penalty=penalty))
        return sum(len(row.text.split()) - len(set(row.text.split())) for row in rows)

    assert repeats(3.0) < repeats(1.5) < repeats(1.0)


def test_greedy_rows_do_not_depend_on_the_stream(make_model, prompts):
    rows = [GenerationRequest(str(stream), prompts[5], "off", stream) for stream in range(4)]
    assert len({row.text for row in generate(make_model(), rows, OFF, Sampling(max_new_tokens=9, temperature=0))}) == 1
    assert len({row.text for row in generate(make_model(), rows, OFF, Sampling(max_new_tokens=9))}) == 4


def test_a_chat_model_reads_its_template_and_ends_at_its_end_of_turn(make_model):
    model = make_model("llama", chat=True)
    tokens = model.tokenizer.convert_ids_to_tokens(model.prompter.encode(["w1"], ["w2"])[0])
    assert tokens == ["<s>", "<|system|>", "w2", "<|end|>", "<|user|>", "w1", "<|end|>", "<|assistant|>"]
    assert model.prompter.end_ids == {1, model.tokenizer.convert_tokens_to_ids("<|end|>")}


def test_a_template_without_a_system_role_puts_the_message_before_the_prompt(make_model):
    from asteer_core.model.prompts import Prompter
    from tests.core.model.conftest import CHAT, word_tokenizer

    tokenizer = word_tokenizer()
    tokenizer.chat_template = "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system') }}{% endif %}" + CHAT
    assert Prompter(tokenizer).text("w1", "w2") == "<s><|user|> w2\n\nw1 <|end|><|assistant|>"


def test_a_plain_template_that_cannot_hold_a_system_message_says_so(make_model):
    from asteer_core.model.prompts import Prompter
    from tests.core.model.conftest import word_tokenizer

    prompter = Prompter(word_tokenizer(), "Q: {prompt} A:")
    assert prompter.text("{system} {0}") == "Q: {system} {0} A:"
    with pytest.raises(ModelError, match="has no {system}"):
        prompter.text("w1", "w2")
