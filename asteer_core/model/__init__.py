"""The one room that imports torch: loading, capture, row-wise steering, generation, scoring, embeddings.

Activations leave it as float32 numpy arrays and edits enter it as arrays. This door is light: a name is imported when it is first
asked for, so that reading a registry or importing the pipeline loads neither torch nor transformers.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asteer_core.model.activations import capture, capture_prompts, residual_scale
    from asteer_core.model.choices import answer_logodds
    from asteer_core.model.classifier import load_classifier
    from asteer_core.model.embedding_cache import EmbeddingCache
    from asteer_core.model.encoder import SentenceEncoder, load_encoder
    from asteer_core.model.engine import generate
    from asteer_core.model.lens import top_tokens
    from asteer_core.model.loading import LanguageModel, load_model
    from asteer_core.model.pushes import mean_kl, mean_kls
    from asteer_core.model.rows import GeneratedRow
    from asteer_core.model.scoring import cut_responses, mean_token_nll
    from asteer_core.model.specs import ModelSpec, load_registry
    from asteer_core.model.static_embeddings import StaticEncoder

_HOME = {
    "EmbeddingCache": "embedding_cache",
    "GeneratedRow": "rows",
    "LanguageModel": "loading",
    "ModelSpec": "specs",
    "SentenceEncoder": "encoder",
    "StaticEncoder": "static_embeddings",
    "answer_logodds": "choices",
    "capture": "activations",
    "cut_responses": "scoring",
    "capture_prompts": "activations",
    "generate": "engine",
    "load_classifier": "classifier",
    "load_encoder": "encoder",
    "load_model": "loading",
    "load_registry": "specs",
    "mean_kl": "pushes",
    "mean_kls": "pushes",
    "mean_token_nll": "scoring",
    "residual_scale": "activations",
    "top_tokens": "lens",
}

__all__ = [
    "EmbeddingCache",
    "GeneratedRow",
    "LanguageModel",
    "ModelSpec",
    "SentenceEncoder",
    "StaticEncoder",
    "answer_logodds",
    "capture",
    "capture_prompts",
    "cut_responses",
    "generate",
    "load_classifier",
    "load_encoder",
    "load_model",
    "load_registry",
    "mean_kl",
    "mean_kls",
    "mean_token_nll",
    "residual_scale",
    "top_tokens",
]


def __getattr__(name: str) -> Any:
    """Return a public name of the room, importing its module on first use."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
