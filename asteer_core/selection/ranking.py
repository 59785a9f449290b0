"""Ranking of blocks: where a direction separates held-out pairs, and a push of one size moves replies furthest towards violation."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Pilot:
    """What is known of one block before the choice.

    `separation`: AUROC of held-out projections. `strength`, `kl`: a push that moves the model by the pilot's KL (nats per token), the
    same at every block (without a strength: a method that has no dial). `effect`: how much further towards violation the replies under
    that push read, as a share of the distance between compliant and violating ones. `fluency`: how usual the unsteered model finds
    them, 0 to 1 (1: like its own). `problem`: why a number is None.
    """

    block: int
    separation: float | None = None
    strength: float | None = None
    kl: float | None = None
    effect: float | None = None
    fluency: float | None = None
    problem: str | None = None


@dataclass(frozen=True, slots=True)
class Ranked:
    """A block with its score, rank (1 = best; None where it cannot be chosen) and the reason in words."""

    pilot: Pilot
    score: float | None
    rank: int | None
    reason: str


def rank_blocks(pilots: Sequence[Pilot]) -> list[Ranked]:
    """Return the blocks in the given order, each with its rank and why.

    The score is (2 AUROC - 1) x the harmonic mean of effect and fluency: what the push achieves while the replies hold together,
    weighted by how far its direction is known to be the concept's (0 at chance, 1 at perfect separation). Late blocks move replies
    furthest for the same KL, into broken text; that is why the effect alone does not decide. A block at which a number is missing or
    the score is not above 0 cannot be chosen. Equal scores: the earlier block first.
    """
    scores = {pilot.block: _score(pilot) for pilot in pilots}
    eligible = sorted(
        (block for block, score in scores.items() if score is not None and score > 0), key=lambda block: (-(scores[block] or 0), block)
    )
    ranks = {block: number for number, block in enumerate(eligible, start=1)}
    return [Ranked(pilot, scores[pilot.block], ranks.get(pilot.block), _reason(pilot, ranks, scores)) for pilot in pilots]


def _score(pilot: Pilot) -> float | None:
    if pilot.separation is None or pilot.effect is None or pilot.fluency is None:
        return None
    gained, held = max(0.0, pilot.effect), pilot.fluency
    # Below chance counts as chance: a reversed direction is not the concept's, whatever its push does.
    return max(0.0, 2 * pilot.separation - 1) * (2 * gained * held / (gained + held) if gained + held > 0 else 0.0)


def _reason(pilot: Pilot, ranks: dict[int, int], scores: dict[int, float | None]) -> str:
    if pilot.separation is None or pilot.effect is None or pilot.fluency is None:
        return pilot.problem or "not tried, because the study names its blocks"
    dial = "" if pilot.strength is None else f", strength {pilot.strength:.3g}"
    facts = (
        f"held-out AUROC {pilot.separation:.3f}; under a push of {pilot.kl:.2g} nats per token{dial} the pilot's replies read "
        f"{pilot.effect:+.0%} of the way from compliant to violating further than unsteered ones, at fluency {pilot.fluency:.2f}"
    )
    if pilot.block not in ranks:
        return f"{facts}; that is not towards the concept by a direction better than chance, so it cannot be chosen"
    better = [block for block, rank in ranks.items() if rank == ranks[pilot.block] + 1]
    ahead = f", ahead of block {better[0]} ({scores[better[0]]:.3g})" if better else ""
    return f"{facts}; score {scores[pilot.block]:.3g}{ahead}"
