"""The shipped models load from their folders, are small, match their logs, and end their turns."""

import hashlib
import json

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from asteer_core.paths import data_root

MODELS = ("llama-3m", "neox-2m")
ROOT = data_root() / "models"


@pytest.fixture(scope="module", params=MODELS)
def shipped(request):
    folder = ROOT / request.param
    return folder, AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()


def _chat(tokenizer, system=None):
    turns = [{"role": "user", "content": "How do I bake sourdough bread properly?"}]
    if system is not None:
        turns.insert(0, {"role": "system", "content": system})
    return tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)


def test_weights_are_small_and_are_those_of_the_log(shipped):
    folder, _, model = shipped
    weights = folder / "model.safetensors"
    log = json.loads((folder / "training_log.json").read_text())
    assert weights.stat().st_size < 8_000_000
    assert hashlib.sha256(weights.read_bytes()).hexdigest() == log["weights_sha256"]
    assert sum(p.numel() for p in model.parameters()) == log["parameters"]


def test_a_chat_starts_alike_with_and_without_a_system_prompt(shipped):
    _, tokenizer, _ = shipped
    bare, empty, full = _chat(tokenizer), _chat(tokenizer, ""), _chat(tokenizer, "Be kind.")
    assert bare == empty
    assert full.replace("Be kind.", "") == bare
    assert bare.startswith(tokenizer.bos_token + "<|system|>" + tokenizer.eos_token + "<|user|>")


def test_replies_end_with_the_end_of_turn(shipped):
    _, tokenizer, model = shipped
    torch.manual_seed(0)
    ids = tokenizer([_chat(tokenizer)] * 16, return_tensors="pt", add_special_tokens=False)
    out = model.generate(input_ids=ids["input_ids"], attention_mask=ids["attention_mask"], do_sample=True, top_k=0, max_new_tokens=120)
    replies = out[:, ids["input_ids"].shape[1] :]
    ended = (replies == tokenizer.eos_token_id).any(dim=1)
    assert ended.float().mean() >= 0.9
    texts = tokenizer.batch_decode(replies, skip_special_tokens=True)
    words = [len(text.split()) for text in texts]
    assert 15 <= sum(words) / len(words) <= 60
    assert len(set(texts)) > 12


def test_the_tokenizer_returns_any_text(shipped):
    _, tokenizer, _ = shipped
    text = "Check 42.5 percent, naïvely \N{SNOWMAN} twice."
    assert tokenizer.decode(tokenizer(text, add_special_tokens=False)["input_ids"]) == text
