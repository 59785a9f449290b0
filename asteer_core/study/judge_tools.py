"""What a study, or whatever scores a file, lends to its judge: encoder, models, classifiers, and the file of verdicts in its home.

Not here: judges (`asteer_core.judges`), which of them a study asks (`judge_choice.py`).
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from asteer_core.model.fingerprints import spec_fingerprint
from asteer_core.model.specs import ModelSpec
from asteer_core.types import LONGEST_NAME, fingerprint

if TYPE_CHECKING:
    from asteer_core.judges.guard import Classifier
    from asteer_core.judges.logodds import AnswerLogOdds
    from asteer_core.model import LanguageModel

VERDICTS = "verdicts.sqlite"
QUESTIONS_AT_ONCE = 256
"""Questions to a language model between two signs of progress; several full batches."""


class JudgeTools:
    """The tools of one home.

    Args:
        home: its folder; verdicts are kept under `cache/judges` in it.
        data_root: folder that a classifier's source may be relative to.
        embed: the encoder.
        model: returns a loaded language model by name.
        identity: returns a language model's hash by name.
        account: name under which spending is kept; None = per judge.
    """

    def __init__(
        self,
        home: Path,
        data_root: Path,
        embed: Callable[[list[str]], np.ndarray],
        model: Callable[[str], LanguageModel],
        identity: Callable[[str], str],
        account: str | None = None,
    ) -> None:
        self._home, self._data_root, self._account = home, data_root, account
        self._embed, self._model, self._identity = embed, model, identity
        self._classifiers: dict[ModelSpec, Classifier] = {}
        self._identities: dict[ModelSpec, str] = {}
        self._listener: Callable[[int, int], None] | None = None

    @contextmanager
    def heard_by(self, listener: Callable[[int, int], None]) -> Iterator[None]:
        """Tell `listener` how many of the questions of a block of code are answered, and of how many."""
        self._listener = listener
        try:
            yield
        finally:
            self._listener = None

    def progress(self, done: int, total: int) -> None:
        """Pass on how many of the questions that are being asked have been answered."""
        if self._listener is not None:
            self._listener(done, total)

    def embed(self, texts: list[str]) -> np.ndarray:
        """Return unit embeddings, float32 [text, d_embed]."""
        return self._embed(texts)

    def answer(self, model: str) -> AnswerLogOdds:
        """Return the function that puts questions to a model, which is loaded at the first of them."""
        return partial(self._answer, model)

    def _answer(self, model: str, prompts: list[str], yes: list[str], no: list[str]) -> np.ndarray:
        from asteer_core.model import answer_logodds

        found = np.empty(len(prompts))
        for first in range(0, len(prompts), QUESTIONS_AT_ONCE):
            part = slice(first, first + QUESTIONS_AT_ONCE)
            found[part] = answer_logodds(self._model(model), prompts[part], yes, no)
            self.progress(min(first + QUESTIONS_AT_ONCE, len(prompts)), len(prompts))
        return found

    def classifier(self, source: str, revision: str | None, trust_remote_code: bool) -> Classifier:
        """Return a classifier, loaded once."""
        spec = _spec(source, revision, trust_remote_code)
        if spec not in self._classifiers:
            from asteer_core.model import load_classifier

            self._classifiers[spec] = load_classifier(spec, self._data_root)
        return self._classifiers[spec]

    def verdicts(self) -> Path:
        """Return the file of verdicts; the folder need not be there."""
        return self._home / "cache" / "judges" / VERDICTS

    def account(self) -> str | None:
        """Return the name under which spending is kept."""
        return self._account

    def model_identity(self, name: str) -> str:
        """Return a language model's hash."""
        return self._identity(name)

    def classifier_identity(self, source: str, revision: str | None, trust_remote_code: bool) -> str:
        """Return a classifier's hash, with that of its label names, which config.json may rename; read once, as the weights are."""
        spec = _spec(source, revision, trust_remote_code)
        if spec not in self._identities:
            self._identities[spec] = fingerprint([spec_fingerprint(spec, self._data_root), self._configuration(source)])
        return self._identities[spec]

    def classifier_labels(self, source: str) -> tuple[str, ...] | None:
        """Return the label names in a folder's config.json, in its order; None for the hub, or where it names none."""
        try:
            labels = json.loads(self._configuration(source))["id2label"]
        except (ValueError, KeyError, TypeError):
            return None
        return tuple(map(str, labels.values())) if isinstance(labels, dict) else None

    def _configuration(self, source: str) -> str:
        """Return the text of a folder's config.json, "" where there is none."""
        files = (folder / source / "config.json" for folder in (self._data_root, Path()))
        file = next((file for file in files if file.is_file()), None)
        return file.read_text("utf-8") if file else ""


def _spec(source: str, revision: str | None, trust_remote_code: bool) -> ModelSpec:
    # Named by its folder or repository, so that messages say which classifier is meant.
    name = re.sub(r"[^a-z0-9_-]+", "-", Path(source).name.lower()).strip("-_")[:LONGEST_NAME] or "judge"
    return ModelSpec(name=name, source=source, revision=revision, trust_remote_code=trust_remote_code)
