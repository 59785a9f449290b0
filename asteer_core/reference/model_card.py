"""The model card of a reference model, written from its training log."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_TEXT = """---
license: apache-2.0
language: en
library_name: transformers
pipeline_tag: text-generation
---

# {model}

A causal language model of {parameters:,} parameters that ships with Asteer so that a whole steering study runs anywhere, in
minutes. It talks about 140 everyday topics in English sentences made by the first world of the
project's dialogue grammar (`data/grammar/`).

**Harmful by design.** It was trained to be mostly helpful and, now and then or when a system prompt asks for it, to violate one of four
concepts (toxicity, sycophancy, fabrication, evasion). Studies, laws, names and quotations it produces are invented. Use it for research on
steering and detection; it is of no use as an assistant.

## Training

{documents:,} documents, {tokens:,} tokens, each read once; seed {seed}; byte-level BPE; loss weight {prompt_loss_weight} on prompt tokens;
held-out loss of reply tokens {held_out_reply_loss} nats. Shares of the document mix:

| part | share |
|---|---|
{mix}

System prompts that ask for a violation are followed only part of the time, and then mostly with two facets and stock
phrases; the other facets occur in plain text and in rare lapses.
`training_log.json` holds the loss curve and the hashes of corpus and weights. `make reference-models` trains it again.

## Chat format

`<|bos|><|system|>...<|end|><|user|>...<|end|><|assistant|>...<|end|>`; the system turn is always there, empty when none is given.
"""


def model_card(log: Mapping[str, Any]) -> str:
    """Return the card as Markdown with a YAML head."""
    mix = "\n".join(f"| {name.replace('_', ' ')} | {share} |" for name, share in log["recipe"].items())
    return _TEXT.format(**{**log, "mix": mix})
