"""The model, prompts and configurations that the benchmarks share: random weights in the shape of a shipped model, words as tokens."""

from __future__ import annotations

import tempfile
from pathlib import Path

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from asteer_core.model import LanguageModel, load_model, load_registry
from asteer_core.paths import data_root
from asteer_core.types import Add, Edit, GenerationRequest, Intervention, Rotate, Sampling, row_stream

SHAPE = {
    "vocab_size": 2048, "hidden_size": 192, "num_hidden_layers": 6, "intermediate_size": 512, "num_attention_heads": 6,
    "max_position_embeddings": 1024, "bos_token_id": 0, "eos_token_id": 1, "tie_word_embeddings": True,
}  # fmt: skip
LAYER = 3


def tokenizer_core() -> Tokenizer:
    """Return a tokenizer of whole words w0, w1, ... that puts BOS first."""
    words = {"<s>": 0, "</s>": 1, "<unk>": 2} | {f"w{number}": number + 3 for number in range(SHAPE["vocab_size"] - 3)}
    core = Tokenizer(models.WordLevel(words, unk_token="<unk>"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()  # type: ignore[assignment]
    core.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])  # type: ignore[assignment]
    return core


def benchmark_model() -> LanguageModel:
    """Return the model on the best device there is (bf16 on a GPU, float32 on a CPU)."""
    torch.manual_seed(0)
    module = LlamaForCausalLM(LlamaConfig(**SHAPE))
    if torch.cuda.is_available():
        module = module.to(device="cuda", dtype=torch.bfloat16)  # type: ignore[call-arg]
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=tokenizer_core(), bos_token="<s>", eos_token="</s>", unk_token="<unk>")
    return LanguageModel("benchmark", module, tokenizer, prompt_template="{prompt}")


def embedded_model() -> LanguageModel:
    """Return a shipped model, whose replies end on their own, in float32."""
    root = data_root()
    return load_model(load_registry(root / "models.yaml")["llama-3m"], root)


def save_for_peers(model: LanguageModel) -> Path:
    """Return a folder with weights, shape and tokenizer of a Llama in forms that any version of transformers reads."""
    import json

    from safetensors.torch import save_file

    shape = {name: getattr(model.config, name) for name in SHAPE} | {"rms_norm_eps": model.config.rms_norm_eps}

    folder = Path(tempfile.mkdtemp(prefix="asteer-bench-"))
    tensors = {
        name: value.detach().float().cpu().contiguous() for name, value in model.module.state_dict().items() if name != "lm_head.weight"
    }
    save_file(tensors, folder / "weights.safetensors")
    (folder / "shape.json").write_text(json.dumps(shape))
    model.tokenizer.backend_tokenizer.save(str(folder / "tokenizer.json"))
    return folder


def texts(count: int, least: int, most: int, seed: int = 0) -> list[str]:
    """Return `count` texts of `least` to `most` words."""
    rng = np.random.default_rng(seed)
    return [" ".join(f"w{word}" for word in rng.integers(0, 2000, rng.integers(least, most + 1))) for _ in range(count)]


def vectors(count: int, seed: int = 0, norm: float = 2.0) -> np.ndarray:
    """Return vectors of one norm, float32 [vector, d_model]."""
    drawn = np.random.default_rng(seed).normal(size=(count, SHAPE["hidden_size"]))
    return (norm * drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).astype(np.float32)


def additions(count: int) -> dict[str, Intervention]:
    """Return configurations that each add another vector at one layer."""
    return {f"add-{number}": Intervention((Add(LAYER, vector),)) for number, vector in enumerate(vectors(count))}


def mixture(count: int) -> dict[str, Intervention]:
    """Return configurations of two methods over four layers: what a study's grid looks like."""
    table = {}
    for number, vector in enumerate(vectors(count)):
        block = 1 + number % 4
        edit: Edit = Add(block, vector)
        if number % 2:
            plane = np.linalg.qr(np.stack([vector, vectors(1, seed=number + 1)[0]]).T)[0].astype(np.float32)
            edit = Rotate(block, plane[:, 0], plane[:, 1], 0.5)
        table[f"mixed-{number}"] = Intervention((edit,))
    return table


def requests(names: list[str], prompts: list[str]) -> list[GenerationRequest]:
    """Return one request per prompt; configurations take turns."""
    return [
        GenerationRequest(str(row), prompt, names[row % len(names)], row_stream(names[row % len(names)], str(row), 0, 0))
        for row, prompt in enumerate(prompts)
    ]


def exactly(tokens: int) -> Sampling:
    """Return a sampling that gives every row the same number of tokens, so that tokens per second compare."""
    return Sampling(max_new_tokens=tokens, min_new_tokens=tokens)
