"""Registry files and loading: what is refused, with which words, and what a loaded model knows of itself."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
from safetensors.torch import load_file, save_file
from torch import nn

from asteer_core.errors import ConfigError, ModelError
from asteer_core.model import ModelSpec, load_model, load_registry
from asteer_core.model.blocks import find_blocks
from asteer_core.model.loading import hash_weights
from tests.core.model.conftest import build, word_tokenizer


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    """A data folder with one saved model."""
    root = tmp_path_factory.mktemp("data")
    build("llama").save_pretrained(root / "models" / "tiny")
    word_tokenizer(chat=True).save_pretrained(root / "models" / "tiny")
    return root


def test_a_registry_lists_models_by_name(tmp_path):
    file = tmp_path / "models.yaml"
    file.write_text("- {name: a, source: models/a, scorer: b, dtype: fp32}\n- {name: b, source: org/b, revision: abc, device: 'cuda:1'}\n")
    found = load_registry(file)
    assert list(found) == ["a", "b"]
    assert found["a"].dtype == "float32" and found["b"].revision == "abc" and not found["b"].trust_remote_code


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("- {name: a, sorce: x}", r"models.yaml, entry 1 \('a'\): unknown key 'sorce'. Did you mean 'source'\?"),
        ("- {name: a, source: x}\n- {name: a, source: y}", r"entry 2 \('a'\): the name 'a' is used by an earlier entry"),
        ("- {name: A b, source: x}", "use lower-case letters"),
        ("- {name: a}", "source: Field required"),
        ("- {name: a, source: x, dtype: int3}", "dtype"),
        ("- {name: a, source: x, device: tpu}", "is not a device"),
        ("- {name: a, source: x, prompt_template: hello}", "must contain {prompt}"),
        ("- {name: a, source: x, scorer: bb}\n- {name: b, source: x}", "unknown scorer 'bb'. Did you mean 'b'"),
        ("- {name: a, source: x, scorer: a}", "scored by another model"),
        ("- text", "expected a mapping"),
        ("a: b", "expected a YAML list"),
        ("- {a", "not YAML"),
    ],
)
def test_a_broken_registry_names_file_and_entry(tmp_path, text, message):
    file = tmp_path / "models.yaml"
    file.write_text(text)
    with pytest.raises(ConfigError, match=message):
        load_registry(file)
    with pytest.raises(ConfigError, match="no such model registry"):
        load_registry(tmp_path / "none.yaml")


def test_the_registry_is_read_without_torch():
    code = "import asteer_core.model as m, sys; m.ModelSpec; m.load_registry; m.GeneratedRow; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_a_saved_model_loads_with_its_identity(saved):
    model = load_model(ModelSpec(name="tiny", source="models/tiny", revision="v1"), saved)
    again = load_model(ModelSpec(name="tiny", source=str(saved / "models" / "tiny"), dtype="bf16"))
    assert (model.name, model.revision, model.n_blocks, model.d_model, model.context_length) == ("tiny", "v1", 4, 32, 128)
    assert model.dtype == torch.float32 and again.dtype == torch.bfloat16
    assert model.fingerprint == again.fingerprint and len(model.fingerprint) == 64
    assert model.chat_template_hash == again.chat_template_hash
    plain = load_model(ModelSpec(name="tiny", source="models/tiny", prompt_template="{prompt}"), saved)
    assert plain.chat_template_hash != model.chat_template_hash


def test_a_fingerprint_in_memory_follows_the_weights():
    module = build("llama")
    first = hash_weights(module)
    assert first == hash_weights(build("llama")) != hash_weights(build("llama", seed=1))
    with torch.no_grad():
        module.model.norm.weight[3] += 1
    assert hash_weights(module) != first


def test_pickled_weights_are_refused(saved, tmp_path):
    (tmp_path / "old").mkdir()
    torch.save({}, tmp_path / "old" / "pytorch_model.bin")
    with pytest.raises(ModelError, match=r"no .safetensors file \(seen: pytorch_model.bin\); pickled weights"):
        load_model(ModelSpec(name="old", source="old"), tmp_path)


def test_what_cannot_be_had_says_what_to_do(saved, monkeypatch):
    with pytest.raises(ModelError, match="is not a hub id"):
        load_model(ModelSpec(name="x", source="models/none/x"), saved)
    with pytest.raises(ModelError, match="cannot be fetched from the hub"):
        load_model(ModelSpec(name="x", source="nobody/nothing"), saved)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device 'cuda' is not available"):
        load_model(ModelSpec(name="x", source="models/tiny", device="cuda"), saved)
    with pytest.raises(ModelError, match="pip install"):
        load_model(ModelSpec(name="x", source="models/tiny", quantisation="8bit"), saved)


def test_a_damaged_file_is_a_model_error(saved, tmp_path):
    folder = tmp_path / "cut"
    build("llama").save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:5000])
    with pytest.raises(ModelError, match="cannot be loaded"):
        load_model(ModelSpec(name="cut", source="cut"), tmp_path)


def test_missing_weights_are_an_error_and_not_random_numbers(tmp_path):
    folder = tmp_path / "part"
    build("llama").save_pretrained(folder)
    word_tokenizer().save_pretrained(folder)
    weights = load_file(folder / "model.safetensors")
    save_file(
        {name: tensor for name, tensor in weights.items() if "layers.2.mlp" not in name}, folder / "model.safetensors", {"format": "pt"}
    )
    with pytest.raises(ModelError, match="lacks 3 weights"):
        load_model(ModelSpec(name="part", source="part"), tmp_path)


class _Odd(nn.Module):
    """A model whose blocks pass nothing on to each other."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(8, 6)
        self.heads = nn.ModuleList([nn.Linear(6, 6) for _ in range(3)])

    def get_input_embeddings(self) -> nn.Module:
        return self.embed

    def forward(self, input_ids: torch.Tensor, use_cache: bool = False) -> torch.Tensor:
        hidden = self.embed(input_ids)
        return torch.stack([head(hidden) for head in self.heads]).sum(0)


def test_a_model_without_a_stack_of_blocks_lists_what_was_seen():
    with pytest.raises(ModelError, match=r"_Odd: cannot tell the decoder blocks: none qualifies; .* Seen: heads \(3 x Linear\)"):
        find_blocks(_Odd(), 6, 3)
