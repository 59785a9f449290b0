"""What each stage of a study takes on CPU cores, before it runs: fixed costs, and costs per text, token and training set.

For small models generation is the lesser part: texts are embedded, judges and detectors fitted, intervals resampled, libraries imported.
What does not belong here: what there is to compute (`amounts.py`), kinds of detectors that train for long (`training_costs.py`).

How the constants were measured: `asteer study run quick` in an empty home, and a study of half its size on the other embedded model, each
in one process with one thread (OMP_NUM_THREADS=1), on a core of a virtual AMD EPYC; CPU seconds of the process, by stage and by function.
`benchmarks/estimates.py` compares the sum with a run on the machine at hand.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from asteer_core.study.amounts import Amounts, Cell, Texts
from asteer_core.study.stages._activations import SCALE_PROMPTS
from asteer_core.study.stages._probe import PROBE_TEXTS
from asteer_core.study.training_costs import SPECIAL_TOKENS

GENERATION_FLOPS = 2e10
"""Floating-point operations per second and core that generation reaches in batches, two per weight and new token."""
READING_FLOPS = 4e10
"""The same where a text is read in one pass, for its likelihood or its activations."""
EMBEDDING_SECONDS = 8e-5
"""Of the sentence encoder, per token of a text that is embedded for the first time."""
START_SECONDS = 7.0
"""Imports, the workspace, and Dagster's records of some fifty partitions."""
ENCODER_SECONDS = 5.0
"""The libraries of the language models and of the sentence encoder, imported once."""
JUDGE_SECONDS = 8e-4
"""Per text that a judge learns from, cross-validation included."""
VECTOR_SECONDS = 0.2
"""Per direction, all its blocks."""
METRIC_SECONDS = 6e-4
"""Per response: scores of its corpus and their intervals."""
DIVERSITY_SECONDS = 2e-4
"""Per text of a subsample: its diversity, and that of what is left of it without each group of prompts."""
ARM_SECONDS = 0.08
"""Per training set: near-duplicates, audits, tables."""
FIT_SECONDS = 0.011
"""Per detector of a kind that does not train for long."""
RESAMPLING_SECONDS = 5.3e-8
"""Per training set, kind, resample and real text: intervals on test texts, and of the differences to prompting."""
CHOICE_SECONDS = 0.2
"""Per concept and kind: the detector that is saved."""
RESULT_SECONDS, RESULT_SECONDS_PER_ARM = 3.5, 0.045
"""Correlations, warehouse and report: fixed, and per training set."""
PARALLEL = 0.6
"""Exponent, over pairs of cores, of the speed-up of what language models and the encoder do; the rest runs on one core.

Pairs: the two cores of a small machine are often the threads of one, and runs on two took no less than the CPU seconds of one thread. The
exponent is that of single calls at high priority, where two threads were 1.3 to 1.6 times as fast as one.
"""
WAITING = 1.2
"""Wall over CPU seconds on a machine of one's own: disk, and memory that cores share. `quick` and `paper` took 1.2 to 1.4 on two cores."""


@dataclass(frozen=True)
class StageCost:
    """One stage: core-seconds of what runs on one core, and of what shares the cores."""

    stage: str
    alone: float
    shared: float = 0.0

    def seconds(self, cores: int) -> float:
        """Return how long it takes on so many cores, in wall seconds."""
        return (self.alone + self.shared / max(1, cores / 2) ** PARALLEL) * WAITING


def stage_costs(work: Amounts) -> Iterator[StageCost]:
    """Yield what the start and each stage take, in the order of the line; stages that take next to nothing are left out."""
    yield StageCost("start", START_SECONDS + ENCODER_SECONDS)
    yield StageCost("judges", work.judged.count * JUDGE_SECONDS, _embedding(work.judged))
    yield StageCost("steering_vectors", *_vectors(work))
    yield StageCost("baseline_corpora", 0, sum(_corpora(work, cell, cell.baselines) for cell in work.cells))
    yield StageCost("steered_corpora", 0, sum(_corpora(work, cell, cell.steered) for cell in work.cells))
    yield StageCost("baseline_measurements", 0, sum(_measuring(work, cell, cell.baselines) for cell in work.cells))
    yield StageCost("measurements", 0, sum(_measuring(work, cell, cell.steered) for cell in work.cells))
    yield StageCost("baseline_metrics", work.baselines * _scoring(work))
    yield StageCost("corpus_metrics", work.steered * _scoring(work))
    # The real positives are one more training set of every cell.
    arms = work.baselines + len(work.cells)
    real = _embedding(work.real) + _probed(work, work.real, 1)
    yield StageCost("baseline_detectors", arms * _arm(work), real + _probed(work, work.corpus, work.baselines))
    yield StageCost("detectors", work.steered * _arm(work), _probed(work, work.corpus, work.steered))
    yield StageCost("saved_detectors", work.concepts * work.kinds * CHOICE_SECONDS)
    yield StageCost("results", RESULT_SECONDS + (arms + work.steered) * RESULT_SECONDS_PER_ARM)


def _vectors(work: Amounts) -> tuple[float, float]:
    alone = shared = 0.0
    for cell in work.cells:
        alone += cell.vectors * VECTOR_SECONDS
        shared += _reading(cell.weights, cell.pairs.count * (cell.pairs.tokens + cell.prompt_tokens))
        shared += _generating(cell.weights, SCALE_PROMPTS * work.corpus.tokens)
    return alone, shared


def _corpora(work: Amounts, cell: Cell, corpora: int) -> float:
    """Return the core-seconds of generating so many corpora, and of their divergence from the unsteered model."""
    probe = PROBE_TEXTS * (cell.pairs.tokens + cell.prompt_tokens)
    return corpora * (_generating(cell.weights, work.corpus.count * work.corpus.tokens) + _reading(cell.weights, probe))


def _measuring(work: Amounts, cell: Cell, corpora: int) -> float:
    read = work.corpus.count * (work.corpus.tokens + cell.prompt_tokens)
    return corpora * (_reading(cell.scorer, read) + _embedding(work.corpus))


def _scoring(work: Amounts) -> float:
    """Return the core-seconds of the metrics of one corpus."""
    return work.corpus.count * METRIC_SECONDS + work.drawn * DIVERSITY_SECONDS


def _arm(work: Amounts) -> float:
    """Return the core-seconds of one training set: its detectors and what is said of them."""
    resampling = work.kinds * work.bootstrap * work.real.count / work.concepts * RESAMPLING_SECONDS
    return ARM_SECONDS + work.fits * FIT_SECONDS + resampling


def _probed(work: Amounts, texts: Texts, times: int) -> float:
    """Return the core-seconds of the activations that detectors read."""
    return _reading(work.read, times * texts.count * texts.tokens)


def _generating(weights: int, tokens: float) -> float:
    return 2 * weights * tokens / GENERATION_FLOPS


def _reading(weights: int, tokens: float) -> float:
    return 2 * weights * tokens / READING_FLOPS


def _embedding(texts: Texts) -> float:
    """Return the core-seconds of embedding texts once."""
    return texts.count * (texts.tokens + SPECIAL_TOKENS) * EMBEDDING_SECONDS
