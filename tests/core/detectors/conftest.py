"""Planted texts, and tiny encoders built on the spot: nothing is downloaded and nothing large is loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from asteer_core.detectors import TextSet

WORDS = [f"w{number}" for number in range(60)]
SIGNAL = {1: ["rude", "awful", "stupid"], 0: ["kind", "gentle", "fine"]}


def planted_texts(rng: np.random.Generator, count: int) -> tuple[TextSet, np.ndarray]:
    """Texts in which two words of the class stand among others, with prompts, and activations that show it at block 1 alone."""
    labels = np.arange(count) % 2
    texts = tuple(" ".join(rng.permutation([*rng.choice(WORDS, 6), *rng.choice(SIGNAL[int(label)], 2)])) for label in labels)
    activations = {("tiny", block): rng.normal(size=(count, 8)).astype(np.float32) for block in range(3)}
    activations["tiny", 1][:, 0] += 3.0 * labels
    prompts = tuple(" ".join(rng.choice(WORDS, 4)) for _ in labels)
    return TextSet(texts, rng.normal(size=(count, 12)).astype(np.float32), "planted", prompts, activations), labels.astype(float)


@pytest.fixture(scope="session")
def tiny_encoder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with an untrained BERT of two layers and a tokenizer of whole words."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import BertConfig, BertModel, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("encoder") / "bert"
    vocabulary = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *WORDS, *SIGNAL[0], *SIGNAL[1]]
    core = Tokenizer(models.WordLevel({word: place for place, word in enumerate(vocabulary)}, unk_token="[UNK]"))
    core.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    core.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=[("[CLS]", 2), ("[SEP]", 3)]
    )
    marks = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    PreTrainedTokenizerFast(tokenizer_object=core, model_max_length=64, **marks).save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "intermediate_size": 64}
        BertModel(BertConfig(vocab_size=len(vocabulary), max_position_embeddings=64, pad_token_id=0, **shape)).save_pretrained(folder)
    return folder
