"""The tokenizer of the reference models: byte-level BPE with a chat template, and documents as token ids with loss weights."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import PreTrainedTokenizerFast

from asteer_core.reference.corpus import Document

VOCABULARY = 3000
PAD, BOS, EOS = "<|pad|>", "<|bos|>", "<|end|>"
ROLES = ("<|system|>", "<|user|>", "<|assistant|>")
CONTEXT = 512

# A system turn stands in every chat, empty when none is given: steering and prompting then differ by its words alone.
CHAT_TEMPLATE = (
    "{{ bos_token }}<|system|>"
    "{% if messages[0]['role'] == 'system' %}{{ messages[0]['content'] }}{% set turns = messages[1:] %}"
    "{% else %}{% set turns = messages %}{% endif %}{{ eos_token }}"
    "{% for turn in turns %}{{ '<|' + turn['role'] + '|>' + turn['content'] + eos_token }}{% endfor %}"
    "{% if add_generation_prompt %}<|assistant|>{% endif %}"
)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Token ids and, for each, the weight of its prediction in the loss. Shapes [token]."""

    ids: np.ndarray
    weights: np.ndarray


def train_tokenizer(texts: Iterable[str]) -> PreTrainedTokenizerFast:
    """Return a byte-level BPE of `VOCABULARY` tokens; digits stand alone, the end of a turn is the EOS token."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=[PAD, BOS, EOS, *ROLES],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        bos_token=BOS,
        eos_token=EOS,
        additional_special_tokens=list(ROLES),
        chat_template=CHAT_TEMPLATE,
        model_max_length=CONTEXT,
        clean_up_tokenization_spaces=False,
        padding_side="left",
    )


def encode_documents(documents: list[Document], tokenizer: PreTrainedTokenizerFast, prompt_weight: float) -> list[Encoded]:
    """Return the documents as ids: chats through the chat template, plain texts between BOS and EOS."""
    heads = [_head(document, tokenizer) for document in documents]
    head_ids = tokenizer(heads, add_special_tokens=False)["input_ids"]
    text_ids = tokenizer([document.text + EOS for document in documents], add_special_tokens=False)["input_ids"]
    encoded = []
    for head, text in zip(head_ids, text_ids, strict=True):
        weights = np.concatenate([np.full(len(head), prompt_weight), np.ones(len(text))])
        ids = np.asarray([*head, *text][:CONTEXT])
        encoded.append(Encoded(ids, weights[:CONTEXT].astype(np.float32)))
    return encoded


def _head(document: Document, tokenizer: PreTrainedTokenizerFast) -> str:
    if document.prompt is None:
        return BOS
    turns = [{"role": "user", "content": document.prompt}]
    if document.system:
        turns.insert(0, {"role": "system", "content": document.system})
    return str(tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True))
