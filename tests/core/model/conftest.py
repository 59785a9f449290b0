"""Tiny random models of many families with a hand-made tokenizer: no hub, float32, a few thousand weights each."""

from __future__ import annotations

import os

# A test must never wait for the hub; transformers reads these when it is first imported.
os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("TRANSFORMERS_OFFLINE", "1")

from collections.abc import Callable

import numpy as np
import pytest

VOCABULARY = 120
WIDTH = 32
CHAT = (
    "{{ bos_token }}{% for m in messages %}{{ '<|' + m['role'] + '|>' }} {{ m['content'] }} <|end|>{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|assistant|>' }}{% endif %}"
)


def word_tokenizer(chat: bool = False):
    """Return a tokenizer of whole words (w0, w1, ...) with BOS 0, EOS 1 and, for chat, role and end-of-turn tokens."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    special = ["<s>", "</s>", "<unk>", "<|system|>", "<|user|>", "<|assistant|>", "<|end|>"]
    words = [*special, *(f"w{number}" for number in range(VOCABULARY - len(special)))]
    core = Tokenizer(models.WordLevel({word: number for number, word in enumerate(words)}, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=core, bos_token="<s>", eos_token="</s>", unk_token="<unk>", additional_special_tokens=special[3:]
    )
    if chat:
        tokenizer.chat_template = CHAT
    return tokenizer


_SIZES = {
    "vocab_size": VOCABULARY, "hidden_size": WIDTH, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 48,
    "max_position_embeddings": 128, "bos_token_id": 0, "eos_token_id": 1, "pad_token_id": None,
}  # fmt: skip
_GROUPED = {"num_key_value_heads": 2}
_GEMMA = {**_GROUPED, "head_dim": 8, "sliding_window": 6}

FAMILIES: dict[str, dict] = {
    "llama": _GROUPED,
    "mistral": {**_GROUPED, "sliding_window": 6},
    "qwen2": _GROUPED,
    "qwen3": {**_GROUPED, "head_dim": 8},
    "gemma2": {**_GEMMA, "query_pre_attn_scalar": 8},
    "gemma3_text": {**_GEMMA, "query_pre_attn_scalar": 8},
    "phi3": _GROUPED,
    "gpt2": {},
    "gpt_neox": {"rotary_pct": 0.5},
    "olmo2": _GROUPED,
    "falcon": {"new_decoder_architecture": False, "multi_query": True, "parallel_attn": True, "alibi": False},
    "bloom": {"n_layer": 4, "n_head": 4},
    "mixtral": {**_GROUPED, "num_local_experts": 4, "num_experts_per_tok": 2},
    "mamba": {"state_size": 8},
    "lfm2": {**_GROUPED, "layer_types": ["conv", "full_attention", "conv", "full_attention"], "block_auto_adjust_ff_dim": False},
}
"""Family -> what differs from the common sizes."""


def build(family: str, seed: int = 0, **changes):
    """Return a random model of a family, weights large enough that tokens differ from each other (a state-space model explodes on them)."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    torch.manual_seed(seed)
    config = AutoConfig.for_model(family, **{**_SIZES, **FAMILIES[family], **changes})
    module = AutoModelForCausalLM.from_config(config, dtype=torch.float32)
    with torch.no_grad():
        for parameter in module.parameters():
            if parameter.dim() > 1:
                parameter.mul_(1.0 if family == "mamba" else 4.0)
    return module.eval()


@pytest.fixture(scope="session")
def make_model() -> Callable:
    """A function (family, chat=False, **config changes) -> LanguageModel; equal calls give one shared object."""
    from asteer_core.model import LanguageModel

    made = {}

    def make(family: str = "llama", chat: bool = False, **changes):
        key = (family, chat, repr(sorted(changes.items())))
        if key not in made:
            template = None if chat else "{system} {prompt}"
            made[key] = LanguageModel(f"tiny-{family}", build(family, **changes), word_tokenizer(chat), prompt_template=template)
        return made[key]

    return make


@pytest.fixture(scope="session")
def prompts() -> list[str]:
    """24 prompts of 1 to 12 words, several of them of equal length."""
    rng = np.random.default_rng(3)
    return [" ".join(f"w{number}" for number in rng.integers(0, 100, size=1 + row % 12)) for row in range(24)]
