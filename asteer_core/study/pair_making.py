"""Contrastive pairs that the model writes itself: under opposing system prompts, kept where the judge agrees and the text is coherent.

A pair holds the prompt and the two replies, without the system prompts: what differs between the sides is what the model said.
Source of the idea: Chen et al. 2025 (persona vectors), https://arxiv.org/abs/2507.21509.
"""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import yaml

from asteer_core import paths
from asteer_core.concepts.card import Card, read_card
from asteer_core.concepts.concept import find_concept
from asteer_core.concepts.pairs import split_groups
from asteer_core.concepts.rows import JUDGE, PAIRS, parse_row, read_objects, read_rows, refuse_repeats
from asteer_core.documents import read_yaml
from asteer_core.errors import ConfigError, DataError
from asteer_core.judges import EmbeddedJudge
from asteer_core.model.available import available_models
from asteer_core.model.specs import ModelSpec
from asteer_core.study.instruments import Instruments
from asteer_core.study.scoring import score_configurations
from asteer_core.types import GenerationRequest, Intervention, Sampling, check_name, fingerprint, row_stream
from asteer_core.warehouse.files import replace_file

VERSION = 1
SIDES = ("violating", "compliant")
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Making:
    """How pairs are made.

    Attributes:
        violating_systems: system prompts of the violating side, in turn; default the concept's strong templates.
        compliant_systems: those of the other side, in turn; default none, the model as it is.
        samples: replies per prompt and side, of which the best is taken.
        limit: so many prompts, a fifth of them held out; default all.
        trait: the judge's probability of violation that a violating reply must reach; a compliant one must stay below 1 - trait.
        coherence: coherence that both replies must reach, 0 to 1.
    """

    violating_systems: tuple[str, ...] = ()
    compliant_systems: tuple[str, ...] = ()
    samples: int = 2
    limit: int | None = None
    trait: float = 0.5
    coherence: float = 0.3
    sampling: Sampling = field(default_factory=lambda: Sampling(max_new_tokens=96, min_new_tokens=4, temperature=0.9, top_p=0.95))
    seed: int = 0

    def __post_init__(self) -> None:
        problems = {
            "samples": self.samples < 1,
            "limit": self.limit is not None and self.limit < 2,
            "trait": not 0.5 <= self.trait < 1,
            "coherence": not 0 <= self.coherence < 1,
        }
        for name, wrong in problems.items():
            if wrong:
                allowed = "samples at least 1, limit 2, trait from 0.5, coherence from 0, both below 1"
                raise ConfigError(f"pairs: {name}={getattr(self, name)!r} is out of range; allowed are {allowed}")


@dataclass(frozen=True)
class MadePairs:
    """What was made.

    Attributes:
        pairs: frame with the columns of `PAIRS`.
        asked: number of prompts. dropped: reason -> prompts.
        candidates: file of every reply with its scores. reused: it was there already.
    """

    concept: str
    model: str
    pairs: pl.DataFrame
    asked: int
    dropped: dict[str, int]
    candidates: Path
    reused: bool


def make_pairs(
    concept: str, model: str, making: Making, *, prompts: Path | None = None, home: Path | None = None, data_root: Path | None = None,
    progress: Progress | None = None,
) -> MadePairs:  # fmt: skip
    """Return pairs that `model` wrote for a concept; the replies and scores are kept under the home and reused while nothing changed.

    Args:
        concept: name or folder; needs concept.yaml and judge.jsonl, and pairs.jsonl unless `prompts` are given.
        model: the model that writes; the same one is to be steered.
        making: see `Making`.
        prompts: JSON lines with `prompt`, and id, group and split where known; default the prompts of the concept's own pairs.
        home, data_root: folders; defaults as everywhere.
        progress: called with replies done and replies in all.

    Raises:
        AsteerError: an unknown concept or model, a file that cannot be read, or a split of which no pair is left (the message says why).
    """
    home, data_root = paths.home(home), data_root or paths.data_root()
    folder = find_concept(concept, paths.concept_roots(home, data_root))
    card, judge_rows = read_card(folder / "concept.yaml"), read_rows(folder / JUDGE.name, JUDGE)
    asked = _cut(_prompts(prompts or folder / PAIRS.name), making.limit)
    available = available_models(home, data_root)
    spec = available.get(model)
    scorer = spec.scorer or next((name for name in available.specs if name != model), None)
    if scorer is None:
        raise ConfigError(f"model {model!r} has no scorer for coherence; name another model under `scorer:` in {home / 'models.yaml'}")
    path = _candidates_path(home, data_root, card, spec, scorer, asked, judge_rows, making)
    reused = path.is_file()
    if not reused:
        replies = _write(spec, data_root, asked, _systems(card, making), making, progress)
        scored = _score(replies, card, judge_rows, scorer, home)
        replace_file(path, scored.write_parquet)
    pairs, dropped = choose_pairs(pl.read_parquet(path), making.trait, making.coherence)
    made = MadePairs(card.name, model, pairs, asked.height, dict(dropped), path, reused)
    _refuse_empty(made, asked)
    return made


def choose_pairs(candidates: pl.DataFrame, trait: float, coherence: float) -> tuple[pl.DataFrame, Counter[str]]:
    """Return the pairs that pass, one per prompt at most, and why the other prompts were dropped.

    Args:
        candidates: id, group, split, prompt, side, text, probability and coherence per reply; undefined scores are null.
        trait, coherence: see `Making`.
    """
    kept: list[dict[str, Any]] = []
    dropped: Counter[str] = Counter()
    for (name,), rows in candidates.group_by("id", maintain_order=True):
        chosen: dict[str, str] = {}
        for side in SIDES:
            text, reason = _best(rows.filter(pl.col("side") == side), side, trait, coherence)
            if text is None:
                dropped[reason] += 1
                break
            chosen[side] = text
        if len(chosen) == len(SIDES):
            kept.append({"id": name, **rows.select("group", "split", "prompt").row(0, named=True), **chosen})
    return pl.DataFrame(kept, schema=PAIRS.columns), dropped


def write_pairs(made: MadePairs, path: Path) -> None:
    """Write pairs as a `pairs.jsonl`."""
    lines = [json.dumps({name: value for name, value in row.items() if value is not None}) for row in made.pairs.rows(named=True)]
    replace_file(path, lambda temporary: temporary.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8"))


def write_concept(made: MadePairs, source: str, name: str, *, home: Path | None = None, data_root: Path | None = None) -> Path:
    """Return the folder of a new concept under the home: that of `source` with the made pairs in place of its own.

    Raises:
        ConfigError: a concept of that name is there already.
    """
    home, data_root = paths.home(home), data_root or paths.data_root()
    roots = paths.concept_roots(home, data_root)
    folder, target = find_concept(source, roots), home / "concepts" / check_name("concept", name)
    taken = [root / name for root in roots if (root / name).exists()]
    if taken:
        raise ConfigError(f"{taken[0]}: a concept of this name is there already; choose another name")
    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(PAIRS.name))
    card = read_yaml(folder / "concept.yaml", DataError)
    write_pairs(made, target / PAIRS.name)
    (target / "concept.yaml").write_text(yaml.safe_dump({**card, "name": name}, sort_keys=False, allow_unicode=True), encoding="utf-8")
    return target


def _best(rows: pl.DataFrame, side: str, trait: float, coherence: float) -> tuple[str | None, str]:
    """Return the reply of a side that the judge is surest of, or None and why there is none."""
    coherent = rows.filter(pl.col("coherence").fill_null(-1.0) >= coherence)
    if coherent.is_empty():
        return None, f"no coherent {side} reply"
    if side == "violating":
        agreed = coherent.filter(pl.col("probability").fill_null(-1.0) >= trait).sort("probability", descending=True, maintain_order=True)
        reason = "the judge saw no violation in the violating reply"
    else:
        agreed = coherent.filter(pl.col("probability").fill_null(2.0) <= 1 - trait).sort("probability", maintain_order=True)
        reason = "the judge saw a violation in the compliant reply"
    return (None, reason) if agreed.is_empty() else (agreed["text"][0], "")


def _prompts(path: Path) -> pl.DataFrame:
    """Return id, group, split and prompt of the rows of a file; what is missing is filled in."""
    found = list(read_objects(path, PAIRS))
    groups = [str(row.get("group") or row.get("id") or row.get("prompt")) for _, row in found]
    splits = split_groups(groups)
    rows = []
    for number, ((where, row), group) in enumerate(zip(found, groups, strict=True), 1):
        defaults = {"id": f"prompt-{number:04d}", "group": group, "split": splits[group]}
        # Replies that are there already are not wanted, and a row of prompts alone has none.
        parsed = parse_row(where, {**defaults, **row, "violating": "-", "compliant": "-"}, PAIRS)
        rows.append({name: parsed[name] for name in ("id", "group", "split", "prompt")})
    refuse_repeats(path, rows)
    return pl.DataFrame(rows)


def _cut(prompts: pl.DataFrame, limit: int | None) -> pl.DataFrame:
    if limit is None:
        return prompts
    held = max(1, limit // 5)
    parts = [prompts.filter(pl.col("split") == split).head(n) for split, n in zip(PAIRS.splits, (limit - held, held), strict=True)]
    return pl.concat(parts)


def _systems(card: Card, making: Making) -> dict[str, Sequence[str | None]]:
    strong = tuple(template.system for template in card.templates if template.level == "strong")
    violating = making.violating_systems or strong or tuple(template.system for template in card.templates)
    return {"violating": violating, "compliant": making.compliant_systems or (None,)}


def _candidates_path(
    home: Path, data_root: Path, card: Card, spec: ModelSpec, scorer: str, asked: pl.DataFrame, judge_rows: pl.DataFrame, making: Making
) -> Path:
    from asteer_core.model.fingerprints import spec_fingerprint

    models = available_models(home, data_root)
    what = [
        VERSION, card.name, spec_fingerprint(spec, data_root), spec_fingerprint(models.get(scorer), data_root), asked.rows(),
        judge_rows.rows(), _systems(card, making), asdict(making.sampling), making.samples, making.seed,
    ]  # fmt: skip
    return home / "cache" / "pairs" / f"{card.name}-{spec.name}-{fingerprint(what)}.parquet"


def _write(
    spec: ModelSpec,
    data_root: Path,
    asked: pl.DataFrame,
    systems: dict[str, Sequence[str | None]],
    making: Making,
    progress: Progress | None,
) -> pl.DataFrame:
    """Return one row per prompt, side and sample with the model's reply."""
    from asteer_core.model import generate, load_model

    rows: list[dict[str, Any]] = []
    requests: list[GenerationRequest] = []
    for row, side, sample, system in _each(asked, systems, making.samples):
        name = f"{row['id']}/{side}/{sample}"
        stream = row_stream(f"pairs/{side}", row["id"], sample, making.seed)
        requests.append(GenerationRequest(name, row["prompt"], "plain", stream, system))
        rows.append({**row, "side": side, "sample": sample})
    model = load_model(spec, data_root)
    report = (lambda done, total, _: progress(done, total)) if progress else None
    made = generate(model, requests, {"plain": Intervention()}, making.sampling, on_progress=report)
    return pl.DataFrame(rows).with_columns(pl.Series("text", [row.text.strip() for row in made]))


def _each(
    asked: pl.DataFrame, systems: dict[str, Sequence[str | None]], samples: int
) -> Iterator[tuple[dict[str, Any], str, int, str | None]]:
    for number, row in enumerate(asked.rows(named=True)):
        for side in SIDES:
            for sample in range(samples):
                yield row, side, sample, systems[side][(number + sample) % len(systems[side])]


def _score(replies: pl.DataFrame, card: Card, judge_rows: pl.DataFrame, scorer: str, home: Path) -> pl.DataFrame:
    """Return the replies with `probability` (of violation) and `coherence`, null where undefined."""
    tools = Instruments(home, scorer)
    texts = judge_rows["response"].to_list()
    rng = np.random.default_rng(int(fingerprint(["pair judge", VERSION, card.name]), 16))
    judge = EmbeddedJudge.fit(texts, tools.embed(texts), judge_rows["label"].to_numpy(), judge_rows["group"].to_numpy(), rng)
    probability = judge.probability(replies["text"].to_list(), tools.embed(replies["text"].to_list()))
    corpus = replies.select("prompt", response="text", configuration="side")
    reference = corpus.filter(pl.col("configuration") == "compliant")
    try:
        scored = score_configurations(corpus, reference=reference, model_scorer=scorer, home=home, m=2)
    except DataError as error:
        raise DataError(
            f"concept {card.name!r}: coherence is relative to the {reference.height} compliant replies, and they are no usable reference "
            f"({error}); give more prompts, on different matters"
        ) from None
    coherence = np.empty(replies.height)
    for one in scored:
        coherence[(replies["side"] == one.configuration).to_numpy()] = one.responses["coherence"]
    scores = (pl.Series(name, values).fill_nan(None) for name, values in (("probability", probability), ("coherence", coherence)))
    return replies.with_columns(*scores)


def _refuse_empty(made: MadePairs, asked: pl.DataFrame) -> None:
    for split in PAIRS.splits:
        if made.pairs.filter(pl.col("split") == split).is_empty():
            wanted = asked.filter(pl.col("split") == split).height
            why = "; ".join(f"{reason}: {count}" for reason, count in made.dropped.items()) or "there are no prompts in it"
            raise DataError(
                f"concept {made.concept!r}, model {made.model!r}: of {wanted} prompts of split {split!r} no pair is left ({why}); "
                "give more prompts or samples, other --violating-system texts, or lower --trait and --coherence"
            )
