"""A quick look at what the reference models do when prompted and steered: `python -m asteer_core.reference.evaluate [--model NAME]`.

Prints, for each model and concept, success (judge) and AUROC on the real world of a detector trained on the corpus, for real positives,
unsteered, prompted and mean-difference steering at a middle block. It checks the grammar and the training;
the study itself lives in `asteer_core.study`.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import polars as pl
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from asteer_core.concepts import Concept, load_concept
from asteer_core.detectors.embedding import EmbeddingDetector
from asteer_core.detectors.protocol import TextSet
from asteer_core.judges.embedded import EmbeddedJudge
from asteer_core.model import EmbeddingCache, load_encoder
from asteer_core.paths import data_root, home
from asteer_core.reference.grammar import CONCEPTS
from asteer_core.reference.train_architectures import ARCHITECTURES

STRENGTHS = (0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.95)
BATCH = 64


class Model:
    """A reference model with one steerable block."""

    def __init__(self, folder: Path) -> None:
        self._tokenizer = AutoTokenizer.from_pretrained(folder)
        self._model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()
        base = self._model.model if hasattr(self._model, "model") else self._model.gpt_neox
        self.block = len(base.layers) // 2 - 1
        self._layer = base.layers[self.block]

    def means(self, prompts: list[str], responses: list[str]) -> np.ndarray:
        """Return the mean activation over the tokens of each response, float64 [row, d_model]."""
        rows = []
        for prompt, response in zip(prompts, responses, strict=True):
            head = self._ids(prompt, None)
            ids = torch.tensor([head + self._tokenizer(response, add_special_tokens=False)["input_ids"]])
            with torch.no_grad():
                hidden = self._model(ids, output_hidden_states=True).hidden_states[self.block + 1]
            rows.append(hidden[0, len(head) :].double().mean(0).numpy())
        return np.array(rows)

    def scale(self, prompts: list[str], responses: list[str]) -> float:
        """Return the median norm of the block's output over the tokens of the responses."""
        norms = []
        for prompt, response in zip(prompts, responses, strict=True):
            head = self._ids(prompt, None)
            ids = torch.tensor([head + self._tokenizer(response, add_special_tokens=False)["input_ids"]])
            with torch.no_grad():
                norms.append(self._model(ids, output_hidden_states=True).hidden_states[self.block + 1][0, len(head) :].norm(dim=-1))
        return float(torch.cat(norms).median())

    def generate(self, prompts: list[str], system: str | None = None, push: np.ndarray | None = None) -> list[str]:
        """Return one sampled response per prompt."""
        texts: list[str] = []
        for start in range(0, len(prompts), BATCH):
            ids = [self._ids(prompt, system) for prompt in prompts[start : start + BATCH]]
            width = max(map(len, ids))
            pad = self._tokenizer.pad_token_id
            tokens = torch.tensor([[pad] * (width - len(row)) + row for row in ids])
            mask = torch.tensor([[0] * (width - len(row)) + [1] * len(row) for row in ids])
            with torch.no_grad(), self._steered(push):
                out = self._model.generate(
                    input_ids=tokens, attention_mask=mask, do_sample=True, temperature=1.0, top_k=0, max_new_tokens=72
                )
            texts += self._tokenizer.batch_decode(out[:, width:], skip_special_tokens=True)
        return texts

    def _ids(self, prompt: str, system: str | None) -> list[int]:
        turns = [{"role": "user", "content": prompt}]
        if system:
            turns.insert(0, {"role": "system", "content": system})
        text = self._tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return self._tokenizer(text, add_special_tokens=False)["input_ids"]

    @contextmanager
    def _steered(self, push: np.ndarray | None) -> Iterator[None]:
        vector = None if push is None else torch.tensor(push, dtype=torch.float32)

        def add(_module: torch.nn.Module, _inputs: object, output: torch.Tensor | tuple) -> object:
            hidden = output[0] if isinstance(output, tuple) else output
            # The prompt's pass steers its last token alone: that one produces the first new token.
            hidden[:, -1] += vector
            return output

        handle = None if vector is None else self._layer.register_forward_hook(add)
        try:
            yield
        finally:
            if handle is not None:
                handle.remove()


class Bench:
    """Judge and detectors of one concept."""

    def __init__(self, concept: Concept, encoder: EmbeddingCache, seed: int = 0) -> None:
        self._encoder, self._rng = encoder, np.random.default_rng(seed)
        rows = concept.judge
        texts = rows["response"].to_list()
        self._judge = EmbeddedJudge.fit(texts, encoder.encode(texts), rows["label"].to_numpy(), rows["group"].to_numpy(), self._rng)
        self._test = concept.real.filter(pl.col("split") == "test")
        self._negatives = concept.real.filter(pl.col("split") == "detector_negatives")["response"].to_list()
        self._positives = concept.real.filter(pl.col("split") == "detector_positives")["response"].to_list()

    def success(self, texts: list[str]) -> float:
        """Return the mean probability of violation."""
        return float(np.nanmean(self._judge.probability(texts, self._encoder.encode(texts))))

    def auroc(self, positives: list[str] | None, count: int) -> float:
        """Return the AUROC on the test set of a detector trained on `count` positives; None = the real ones."""
        texts = [text for text in (self._positives if positives is None else positives)[:count] if text.strip()]
        train = TextSet([*texts, *self._negatives], self._encoder.encode([*texts, *self._negatives]))
        labels = np.r_[np.ones(len(texts), int), np.zeros(len(self._negatives), int)]
        detector = EmbeddingDetector.fit(train, labels, self._rng)
        responses = self._test["response"].to_list()
        scores = detector.score(TextSet(responses, self._encoder.encode(responses)))
        truth = self._test["label"].to_numpy() == 1
        return float(np.mean(scores[truth][:, None] > scores[~truth][None]) + np.mean(scores[truth][:, None] == scores[~truth][None]) / 2)


def look(model: Model, concept: Concept, encoder: EmbeddingCache, count: int) -> Iterator[tuple[str, float | None, float]]:
    """Yield (arm, success, AUROC): real, unsteered, each prompting template, each strength."""
    torch.manual_seed(0)
    bench = Bench(concept, encoder)
    prompts = concept.prompts["prompt"].to_list()[:count]
    yield "real", None, bench.auroc(None, count)
    plain = model.generate(prompts)
    yield "unsteered", bench.success(plain), bench.auroc(plain, count)
    for template in concept.templates[::2]:
        texts = model.generate(prompts, system=template.system)
        yield f"prompted {template.id}", bench.success(texts), bench.auroc(texts, count)
    pairs = concept.pairs.filter(pl.col("split") == "extraction")[:240]
    asked = pairs["prompt"].to_list()
    difference = (model.means(asked, pairs["violating"].to_list()) - model.means(asked, pairs["compliant"].to_list())).mean(0)
    unit = difference / np.linalg.norm(difference) * model.scale(prompts[:32], plain[:32])
    for strength in STRENGTHS:
        texts = model.generate(prompts, push=unit * strength)
        yield f"steered {strength}", bench.success(texts), bench.auroc(texts, count)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", choices=sorted(ARCHITECTURES), action="append", help="default: all")
    parser.add_argument("--models", type=Path, default=data_root() / "models", help="folder that holds the models")
    parser.add_argument("--concept", choices=CONCEPTS, action="append", help="default: all")
    parser.add_argument("--count", type=int, default=128, help="responses per arm")
    options = parser.parse_args()
    encoder = EmbeddingCache(home() / "embeddings", load_encoder())
    for name in options.model or ARCHITECTURES:
        model = Model(options.models / name)
        for concept in options.concept or CONCEPTS:
            for arm, success, auroc in look(model, load_concept(concept), encoder, options.count):
                shown = "  -  " if success is None else f"{success:.3f}"
                print(f"{name:9} {concept:12} {arm:18} S {shown}  AUROC {auroc:.3f}", flush=True)


if __name__ == "__main__":
    main()
