"""Loading a causal language model, and the one object through which the rest of the room sees it.

What does not belong here: tokenising (`prompts.py`), block discovery (`blocks.py`), any forward pass.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
from functools import cached_property
from pathlib import Path
from typing import Any, Literal

import torch
from torch import nn

from asteer_core.errors import ModelError
from asteer_core.model.blocks import find_blocks
from asteer_core.model.digests import hash_files
from asteer_core.model.prompts import Prompter
from asteer_core.model.quiet import no_progress_bars
from asteer_core.model.specs import ModelSpec

_FILES = ["*.safetensors", "*.json", "*.txt", "*.model", "*.jinja", "*.tiktoken"]
_CACHE_ARGUMENTS = ("cache", "past_key_values", "cache_params")


class LanguageModel:
    """A causal language model with its tokenizer, ready to be read, steered, scored and sampled from.

    Wrap an in-memory model with the constructor; read one from disk or the hub with `load_model`. `fingerprint` is a hash of the
    weights, `revision` the hub commit where there is one, `context_length` the longest sequence in tokens (None: unbounded), `engine`
    the name of what generates, `heads` the attention heads found so far, by block (`sites.py`).
    """

    def __init__(
        self,
        name: str,
        module: Any,
        tokenizer: Any,
        *,
        fingerprint: str | None = None,
        revision: str | None = None,
        prompt_template: str | None = None,
        engine: Literal["auto", "padded", "continuous"] = "auto",
    ) -> None:
        self.name = name
        self.engine = engine
        self.module = module.eval()
        self.tokenizer = tokenizer
        self.revision = revision
        self.fingerprint = fingerprint or hash_weights(module)
        self.config = module.config.get_text_config(decoder=True)
        self.d_model = int(self.config.hidden_size)
        self.context_length = _context_length(self.config)
        self.prompter = Prompter(tokenizer, prompt_template, _end_ids(module))
        self.chat_template_hash = self.prompter.template_hash
        parameters = inspect.signature(module.forward).parameters
        self.cache_argument = next((name for name in _CACHE_ARGUMENTS if name in parameters), None)
        self.takes = frozenset(parameters)
        self.heads: dict[int, Any] = {}

    @cached_property
    def blocks(self) -> list[nn.Module]:
        """The decoder blocks, in order."""
        return find_blocks(self.module, self.d_model, getattr(self.config, "num_hidden_layers", None))

    @property
    def n_blocks(self) -> int:
        """The number of decoder blocks."""
        return len(self.blocks)

    @property
    def device(self) -> torch.device:
        """The device that token ids go to."""
        return self.module.get_input_embeddings().weight.device

    @property
    def dtype(self) -> torch.dtype:
        """The dtype of the embedding weights."""
        return self.module.get_input_embeddings().weight.dtype

    def check_blocks(self, blocks: Any, where: str = "") -> None:
        """Raise unless every index names a block.

        Raises:
            ModelError: a block is out of range; the message gives the range.
        """
        for block in blocks:
            if not 0 <= int(block) < self.n_blocks:
                raise ModelError(f"{where or self.name}: layer {block} does not exist; {self.name} has layers 0 to {self.n_blocks - 1}")


def load_model(spec: ModelSpec, data_root: str | Path = ".") -> LanguageModel:
    """Return the model that an entry of the registry describes, with weights from safetensors only.

    Raises:
        ModelError: the source cannot be found or reached, holds no safetensors, or cannot be loaded as asked.
    """
    from safetensors import SafetensorError
    from transformers import AutoModelForCausalLM, AutoTokenizer

    folder, revision = model_folder(spec, Path(data_root))
    weights = sorted(folder.glob("*.safetensors"))
    if not weights:
        seen = ", ".join(sorted(item.name for item in folder.iterdir())[:20]) or "an empty folder"
        raise ModelError(
            f"model {spec.name!r}: {folder} holds no .safetensors file (seen: {seen}); pickled weights (.bin, .pt) are refused because "
            "loading them runs code: convert them with save_pretrained(safe_serialization=True)"
        )
    device = device_of(spec)
    options: dict[str, Any] = {"use_safetensors": True, "local_files_only": True, "trust_remote_code": spec.trust_remote_code}
    options["dtype"] = torch.float32 if spec.dtype == "auto" and device.type == "cpu" else _dtype(spec.dtype)
    if spec.device_map is not None or spec.quantisation is not None:
        _require("accelerate", spec)
        options["device_map"] = spec.device_map or {"": str(device)}
    if spec.quantisation is not None:
        options["quantization_config"] = _quantisation(spec)
    try:
        with no_progress_bars():
            loaded: Any = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True, **options)
        module, info = loaded
        tokenizer = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=spec.trust_remote_code)
    except (OSError, ValueError, RuntimeError, ImportError, KeyError, SafetensorError) as error:
        raise ModelError(f"model {spec.name!r}: {folder} cannot be loaded: {error}") from error
    if info["missing_keys"]:
        # Transformers fills these with random numbers and a warning; every result would be noise.
        missing = ", ".join(sorted(info["missing_keys"])[:5])
        raise ModelError(f"model {spec.name!r}: {folder} lacks {len(info['missing_keys'])} weights ({missing} ...); copy the model again")
    if "device_map" not in options:
        module = module.to(device)
    return LanguageModel(
        spec.name, module, tokenizer, fingerprint=hash_files(weights), revision=revision, prompt_template=spec.prompt_template,
        engine=spec.engine,
    )  # fmt: skip


def model_folder(spec: ModelSpec, data_root: Path) -> tuple[Path, str | None]:
    """Return the local folder of the weights and the hub commit (None for a folder of one's own).

    Raises:
        ModelError: no such folder, or the hub has no such model or cannot be reached.
    """
    for candidate in (data_root / spec.source, Path(spec.source)):
        if candidate.is_dir():
            return candidate, spec.revision
    if spec.source.count("/") != 1 or spec.source.startswith((".", "/")):
        raise ModelError(f"model {spec.name!r}: no folder {data_root / spec.source}, and {spec.source!r} is not a hub id (owner/name)")
    from huggingface_hub import snapshot_download

    patterns = [*_FILES, "*.py"] if spec.trust_remote_code else _FILES
    try:
        folder = Path(snapshot_download(spec.source, revision=spec.revision, allow_patterns=patterns))
    except Exception as error:  # the hub client raises many kinds; all mean "not obtainable"
        raise ModelError(
            f"model {spec.name!r}: {spec.source!r} is no folder under {data_root} and cannot be fetched from the hub "
            f"({type(error).__name__}: {error}); check the name, the revision {spec.revision!r} and the connection, "
            "or download it and give the folder"
        ) from error
    return folder, folder.name


def hash_weights(module: nn.Module) -> str:
    """Return the sha256 over the names, dtypes, shapes and bytes of an in-memory model's weights, 64 hex digits."""
    digest = hashlib.sha256()
    for name, tensor in sorted(module.state_dict().items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}".encode())
        digest.update(tensor.detach().cpu().contiguous().view(-1).view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def device_of(spec: ModelSpec) -> torch.device:
    """Return the device that an entry asks for; `auto` is a GPU where there is one.

    Raises:
        ModelError: the machine has no such device.
    """
    available = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if spec.device == "auto":
        return torch.device(next(kind for kind in ("cuda", "mps", "cpu") if available[kind]))
    device = torch.device(spec.device)
    if not available[device.type] or (device.type == "cuda" and (device.index or 0) >= torch.cuda.device_count()):
        have = ", ".join(kind for kind, present in available.items() if present)
        raise ModelError(f"model {spec.name!r}: device {spec.device!r} is not available here (available: {have}); use device: auto")
    return device


def _dtype(name: str) -> Any:
    return "auto" if name == "auto" else getattr(torch, name)


def _quantisation(spec: ModelSpec) -> Any:
    _require("bitsandbytes", spec)
    from transformers import BitsAndBytesConfig

    return BitsAndBytesConfig(load_in_8bit=spec.quantisation == "8bit", load_in_4bit=spec.quantisation == "4bit")


def _require(package: str, spec: ModelSpec) -> None:
    if importlib.util.find_spec(package) is None:
        extra = "quantisation" if spec.quantisation else "gpu"
        raise ModelError(
            f"model {spec.name!r}: device_map={spec.device_map!r}, quantisation={spec.quantisation!r} need the package {package!r}, "
            f"which is not installed; run: pip install 'asteer[{extra}]'"
        )


def _context_length(config: Any) -> int | None:
    for name in ("max_position_embeddings", "n_positions", "n_ctx", "seq_length", "max_seq_len"):
        value = getattr(config, name, None)
        if isinstance(value, int) and value > 0:
            return value
    return None


def _end_ids(module: Any) -> tuple[int, ...]:
    found: set[int] = set()
    for holder in (getattr(module, "generation_config", None), module.config):
        value = getattr(holder, "eos_token_id", None)
        if value is not None:
            found.update([value] if isinstance(value, int) else value)
    return tuple(sorted(found))
