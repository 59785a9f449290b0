"""Intervals of a corpus's scores: they cover planted truth as often as they say, which a plain bootstrap of diversity does not."""

import dataclasses

import numpy as np
import pytest
from scipy import stats

from asteer_core.metrics import (
    Measured,
    MetricSettings,
    Reference,
    Spread,
    corpus_intervals,
    corpus_spread,
    difference_intervals,
    score_corpus,
)
from asteer_core.metrics.combination import harmonic
from asteer_core.metrics.intervals import (
    JACKKNIFED,
    RESPONSE_MEANS,
    difference_jackknife,
    logit_jackknife,
    mean_draws,
    percentiles,
    within_axes,
)

REFERENCE = Reference(nll_location=2.0, nll_scale=0.4, random_cosine=0.1, matched_cosine=0.5)
N, M = 48, 32
SETTINGS = MetricSettings(subsample_size=M, subsamples=10)
WORLD = np.random.default_rng(99)
CENTRES = WORLD.normal(size=(20, 32))
WORDS = [[f"w{i}" for i in WORLD.choice(300, 25, replace=False)] for _ in CENTRES]
TEMPLATES = [[f"w{i}" for i in WORLD.choice(300, 12)] for _ in range(5)]
SHARES = WORLD.dirichlet(np.full(len(CENTRES), 0.5))


def corpus(rng: np.random.Generator, n: int = N, templated: float = 0.3) -> Measured:
    """Return n independent replies: some word for word from a template, the others about one of 20 topics."""
    texts, rows = [], []
    for _ in range(n):
        topic = rng.choice(len(CENTRES), p=SHARES)
        if rng.random() < templated:
            number = rng.integers(len(TEMPLATES))
            texts.append(" ".join(TEMPLATES[number]))
            rows.append(CENTRES[number])
        else:
            texts.append(" ".join(rng.choice(WORDS[topic], size=rng.integers(8, 25))))
            rows.append(CENTRES[topic] + 0.8 * rng.normal(size=32))
    nll = 2 + 0.5 * rng.normal(size=n) + (rng.random(n) < 0.3)
    cosine = np.clip(0.35 + 0.15 * rng.normal(size=n), 0, 1)
    return Measured(texts, [f"p{i}" for i in range(n)], rng.beta(1, 2, size=n), nll, cosine, np.array(rows))


def scored(measured: Measured, seed: int = 0):
    return score_corpus(measured, REFERENCE, SETTINGS, np.random.default_rng(seed))


@pytest.mark.slow
@pytest.mark.parametrize(("n", "repeats"), [(N, 800), (5 * M, 400)])
def test_intervals_cover_the_truth_as_often_as_they_say(n, repeats):
    corpora = [corpus(np.random.default_rng(seed), n) for seed in range(repeats)]
    scores = [scored(measured) for measured in corpora]
    intervals = [corpus_intervals(*pair, SETTINGS, np.random.default_rng(0)) for pair in zip(corpora, scores, strict=True)]
    for name in ("success", "coherence", "sample_diversity", "set_diversity", "diversity", "hm", "hm_sc"):
        truth = np.mean([found.corpus[name] for found in scores])
        coverage = np.mean([low <= truth <= high for low, high in (found[name] for found in intervals)])
        assert 0.92 <= coverage <= 0.98, (name, coverage)


def answered_alike(one: Measured, rng: np.random.Generator, alike: float = 0.5) -> Measured:
    """Return another corpus over the same prompts, less templated, half of whose replies are those of the first."""
    other = corpus(rng, len(one.texts), templated=0.15)
    same = rng.random(len(one.texts)) < alike
    texts = [mine if kept else new for mine, new, kept in zip(one.texts, other.texts, same, strict=True)]
    columns = ((one.judge_probability, other.judge_probability), (one.nll, other.nll), (one.relevance_cosine, other.relevance_cosine))
    chosen = [np.where(same, mine, new) for mine, new in columns]
    return Measured(texts, one.prompt_ids, *chosen, np.where(same[:, None], one.embeddings, other.embeddings))


def spread_of(measured: Measured, seed: int = 0) -> tuple[dict, Spread]:
    scores = scored(measured)
    values = scores.corpus | {"hm_cd": harmonic(scores.corpus["coherence"], scores.corpus["diversity"])}
    return values, corpus_spread(measured, scores, SETTINGS, np.random.default_rng(seed))


def compared(a: tuple[dict, Spread], b: tuple[dict, Spread], *, paired: bool) -> tuple[dict[str, float], dict]:
    """Return the differences and their intervals."""
    intervals = difference_intervals(a[0], b[0], a[1].left_out, b[1].left_out, paired=paired)
    return {name: b[0][name] - a[0][name] for name in JACKKNIFED}, intervals


@pytest.mark.slow
@pytest.mark.parametrize("paired", [True, False])
def test_intervals_of_differences_cover_the_truth_as_often_as_they_say(paired):
    found = []
    for seed in range(600):
        rng = np.random.default_rng(seed)
        first = corpus(rng)
        second = answered_alike(first, rng) if paired else corpus(rng, 60, templated=0.15)
        found.append(compared(spread_of(first, 0), spread_of(second, 0 if paired else 1), paired=paired))
    for name in JACKKNIFED:
        truth = np.mean([differences[name] for differences, _ in found])
        coverage = np.mean([low <= truth <= high for low, high in (intervals[name] for _, intervals in found)])
        assert 0.92 <= coverage <= 0.98, (name, coverage)


def test_what_two_corpora_share_cancels_in_the_interval_of_their_difference():
    widths = {True: [], False: []}
    for seed in range(6):
        rng = np.random.default_rng(seed)
        first = corpus(rng)
        pair = spread_of(first), spread_of(answered_alike(first, rng, alike=0.8))
        for paired in widths:
            _, intervals = compared(*pair, paired=paired)
            widths[paired].append([intervals[name][1] - intervals[name][0] for name in JACKKNIFED])
    # Replies that both have in common are 8 of 10, so the others alone vary.
    assert (np.mean(widths[True], axis=0) < 0.7 * np.mean(widths[False], axis=0)).all()


def test_the_interval_of_a_paired_difference_is_as_wide_as_the_difference_varies():
    differences, halves = [], []
    for seed in range(40):
        rng = np.random.default_rng(seed)
        first = corpus(rng)
        found, intervals = compared(spread_of(first), spread_of(answered_alike(first, rng)), paired=True)
        differences.append([found[name] for name in JACKKNIFED])
        halves.append([(intervals[name][1] - intervals[name][0]) / 2 for name in JACKKNIFED])
    ratio = np.median(halves, axis=0) / np.std(differences, axis=0)
    assert (ratio > 1.4).all() and (ratio < 3.2).all(), ratio


def test_a_corpus_differs_from_itself_by_nothing_for_certain():
    one = spread_of(corpus(np.random.default_rng(0)))
    _, intervals = compared(one, one, paired=True)
    assert set(intervals.values()) == {(0.0, 0.0)} and set(intervals) == set(JACKKNIFED)


def test_the_jackknife_of_a_difference_of_means_is_its_textbook_interval(rng):
    a, b = rng.uniform(0.45, 0.55, size=25), rng.uniform(0.45, 0.55, size=20)
    alike = a + 0.02 + rng.uniform(-0.01, 0.01, size=25)  # mostly the same as a

    def without(values):
        return [float((values.sum() - one) / (len(values) - 1)) for one in values]

    low, high = difference_jackknife(a.mean(), b.mean(), without(a), without(b), paired=False)
    textbook = stats.ttest_ind(b, a, equal_var=False).confidence_interval()
    assert (low, high) == pytest.approx((textbook.low, textbook.high), abs=0.0004)  # Welch; the logit is straight near .5
    low, high = difference_jackknife(a.mean(), alike.mean(), without(a), without(alike), paired=True)
    textbook = stats.ttest_rel(alike, a).confidence_interval()
    assert (low, high) == pytest.approx((textbook.low, textbook.high), abs=0.0004)


def test_a_difference_has_no_interval_where_one_of_the_two_has_none():
    whole, few = spread_of(corpus(np.random.default_rng(0))), spread_of(corpus(np.random.default_rng(1), 6))
    small = spread_of(corpus(np.random.default_rng(1), M - 1))  # no diversity, but success and coherence
    for other, known in ((few, set()), (small, {"hm_sc"})):
        for pair in ((whole, other), (other, whole)):
            found = difference_intervals(pair[0][0], pair[1][0], pair[0][1].left_out, pair[1][1].left_out, paired=False)
            assert {name for name, interval in found.items() if interval != (None, None)} == known
    far = difference_jackknife(0.05, 0.95, [0.01, 0.2, 0.05], [0.99, 0.8, 0.95], paired=False)
    assert far[0] > -1 and far[1] == 1.0  # no difference of values in 0 to 1 is beyond


@pytest.mark.parametrize("n", [N, 5 * M])  # many more texts than a subsample has, too
def test_an_interval_of_diversity_is_as_wide_as_diversity_varies(n):
    values = [scored(corpus(np.random.default_rng(seed), n)).corpus for seed in range(60)]
    corpora = [corpus(np.random.default_rng(seed), n) for seed in range(12)]
    found = [corpus_intervals(one, scored(one), SETTINGS, np.random.default_rng(0)) for one in corpora]
    for name in ("set_diversity", "diversity", "hm"):
        half = np.median([high - low for low, high in (intervals[name] for intervals in found)]) / 2
        assert 1.5 < half / np.std([value[name] for value in values]) < 3.2, name


def test_the_order_of_the_rows_moves_no_interval(rng):
    one = corpus(rng, 2 * M)
    other = rng.permutation(2 * M)
    columns = (np.asarray(values)[other] for values in (one.judge_probability, one.nll, one.relevance_cosine, one.embeddings))
    moved = Measured([one.texts[i] for i in other], [one.prompt_ids[i] for i in other], *columns)
    found = [corpus_intervals(each, scored(each), SETTINGS, np.random.default_rng(0)) for each in (one, moved)]
    for name in (*RESPONSE_MEANS, *JACKKNIFED):
        assert found[0][name] == pytest.approx(found[1][name]), name


def test_a_subsample_that_would_keep_one_text_gives_diversity_no_interval(rng):
    pair = dataclasses.replace(SETTINGS, subsample_size=2)
    one = corpus(rng, 9)
    scores = score_corpus(one, REFERENCE, pair, np.random.default_rng(0))
    found = corpus_intervals(one, scores, pair, np.random.default_rng(0))
    assert scores.corpus["diversity"] is not None and found["set_diversity"] == found["diversity"] == found["hm"] == (None, None)
    assert found["hm_sc"][0] is not None


def test_resampling_with_replacement_would_call_every_corpus_less_diverse_than_it_is():
    measured = corpus(np.random.default_rng(0), templated=0.0)
    value = scored(measured).corpus["set_diversity"]
    rng = np.random.default_rng(1)
    draws = []
    for _ in range(30):
        rows = rng.integers(N, size=N)
        part = Measured([measured.texts[i] for i in rows], [f"p{i}" for i in range(N)], embeddings=np.asarray(measured.embeddings)[rows])
        draws.append(scored(part).corpus["set_diversity"])
    assert value > max(draws)  # the whole bootstrap distribution lies below the value it is to surround
    low, high = corpus_intervals(measured, scored(measured), SETTINGS, np.random.default_rng(0))["set_diversity"]
    assert low < value < high


def test_replies_to_one_prompt_are_left_out_and_drawn_together(rng):
    one = corpus(rng, 24)
    twice = Measured(
        [*one.texts, *one.texts], [*one.prompt_ids, *one.prompt_ids],
        *(np.concatenate([values, values]) for values in (one.judge_probability, one.nll, one.relevance_cosine, one.embeddings)),
    )  # fmt: skip
    apart = Measured(
        twice.texts, [f"p{i}" for i in range(48)], twice.judge_probability, twice.nll, twice.relevance_cosine, twice.embeddings
    )
    settings = MetricSettings(subsample_size=20, subsamples=4)
    width = {}
    for name, measured in {"once": one, "together": twice, "apart": apart}.items():
        scores = score_corpus(measured, REFERENCE, settings, np.random.default_rng(0))
        found = corpus_intervals(measured, scores, settings, np.random.default_rng(0))
        width[name] = {key: found[key][1] - found[key][0] for key in ("success", "hm_sc")}
    for key in ("success", "hm_sc"):
        # A second copy of every reply is no evidence: the interval stays, where independent rows would narrow it by a factor of 1.4.
        assert width["together"][key] == pytest.approx(width["once"][key], rel=0.1)
        assert width["apart"][key] < 0.85 * width["together"][key]


def test_what_has_no_value_or_no_spread_has_no_interval():
    few = corpus(np.random.default_rng(0), 6)
    found = corpus_intervals(few, score_corpus(few, REFERENCE, SETTINGS, np.random.default_rng(0)), SETTINGS, np.random.default_rng(0))
    assert set(found) == {*RESPONSE_MEANS, *JACKKNIFED}
    assert all(found[name] == (None, None) for name in JACKKNIFED) and found["success"][0] is not None
    small = corpus(np.random.default_rng(0), M - 1)
    found = corpus_intervals(small, scored(small), SETTINGS, np.random.default_rng(0))
    assert found["diversity"] == found["hm"] == (None, None) and found["hm_sc"][0] is not None
    unjudged = Measured(small.texts, small.prompt_ids, None, small.nll, small.relevance_cosine, small.embeddings)
    found = corpus_intervals(unjudged, scored(unjudged), SETTINGS, np.random.default_rng(0))
    assert found["success"] == found["hm_sc"] == (None, None) and found["hm_cd"] == (None, None) and found["coherence"][0] is not None


def test_resampled_means_of_few_prompts_vary_as_a_mean_does_and_reach_as_far_as_student(rng):
    values = rng.normal(size=6)
    draws = mean_draws(dict.fromkeys(RESPONSE_MEANS, values), [f"p{i}" for i in range(6)], rng)["success"]
    assert draws.var() == pytest.approx(values.var(ddof=1) / 6, rel=0.1)  # drawing all six would give 5/6 of it
    low, high = percentiles(rng.normal(size=400_000), n_prompts=6)
    assert (low, high) == pytest.approx((-2.571, 2.571), abs=0.03)  # Student's t of 5 degrees of freedom


def test_what_is_beyond_the_token_limit_moves_no_interval():
    plain = corpus(np.random.default_rng(0))
    cut = dataclasses.replace(plain, texts=[" ".join(text.split()[:6]) for text in plain.texts])
    settings = dataclasses.replace(SETTINGS, max_tokens=6)
    found = [
        corpus_intervals(one, score_corpus(one, REFERENCE, settings, np.random.default_rng(0)), settings, np.random.default_rng(0))
        for one in (plain, cut)
    ]
    assert found[0] == found[1]


def test_the_jackknife_of_a_mean_is_its_textbook_interval():
    values = np.random.default_rng(0).uniform(0.45, 0.55, size=25)
    parts = [(values.sum() - one) / 24 for one in values]
    low, high = logit_jackknife(float(values.mean()), parts)
    error = values.std(ddof=1) / np.sqrt(25)
    assert (high - low) / 2 == pytest.approx(2.064 * error, rel=0.01)  # t of 24 degrees of freedom; the logit is straight near .5
    assert logit_jackknife(0.5, [0.5, None]) == logit_jackknife(0.0, [0.1, 0.2]) == logit_jackknife(None, [0.1, 0.2]) == (None, None)


def test_the_interval_of_a_mean_does_not_leave_what_its_axes_allow(rng):
    base = corpus(rng)
    # One prompt alone has a fluent, relevant answer; without it coherence is nearly 0, so that the jackknife alone reaches from 0 to 1.
    nll, relevance = np.full(N, 12.0), np.full(N, 0.2)
    nll[0], relevance[0] = base.nll[0], 1.0
    lone = Measured(base.texts, base.prompt_ids, base.judge_probability, nll, relevance, base.embeddings)
    scores = scored(lone)
    found = corpus_intervals(lone, scores, SETTINGS, np.random.default_rng(0))
    assert scores.corpus["coherence"] < 0.05 and found["coherence"][1] < 0.2
    for name, axes in {"hm": ("success", "coherence", "diversity"), "hm_sc": ("success", "coherence")}.items():
        assert found[name][1] <= harmonic(*(found[axis][1] for axis in axes)) < 0.5
        assert found[name][0] <= scores.corpus[name] <= found[name][1]
    assert within_axes((0.2, 0.3), [(0.1, 0.5), (None, None)]) == (0.2, 0.3)
    assert within_axes((0.2, 0.3), [(0.1, 0.5), (0.1, 0.6)]) == (0.2, 0.3)
