"""The shapes of the reference models: what is built before training, and how much text each one reads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from transformers import GPTNeoXConfig, GPTNeoXForCausalLM, LlamaConfig, LlamaForCausalLM, PreTrainedModel

from asteer_core.reference.train_tokenizer import CONTEXT


@dataclass(frozen=True, slots=True)
class Architecture:
    """One reference model. `tokens`: how much text it reads, once; `rate`: peak learning rate."""

    name: str
    family: str
    tokens: int
    rate: float
    seed: int


ARCHITECTURES = {
    "llama-3m": Architecture("llama-3m", "llama", tokens=5_000_000, rate=3e-3, seed=11),
    "neox-2m": Architecture("neox-2m", "gpt_neox", tokens=5_600_000, rate=3e-3, seed=12),
}


def build_model(architecture: Architecture, tokenizer: Any) -> PreTrainedModel:
    """Return the untrained model in float32."""
    shared: dict[str, Any] = {
        "vocab_size": len(tokenizer),
        "max_position_embeddings": CONTEXT,
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
        "tie_word_embeddings": True,
    }
    if architecture.family == "llama":
        config = LlamaConfig(hidden_size=192, num_hidden_layers=6, intermediate_size=512, num_attention_heads=6, **shared)
        return LlamaForCausalLM(config)
    config = GPTNeoXConfig(hidden_size=160, num_hidden_layers=4, intermediate_size=640, num_attention_heads=5, **shared)
    return GPTNeoXForCausalLM(config)
