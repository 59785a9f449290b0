"""Judges that are asked: calibrated on labelled rows, reported on out of fold, and known by all that their verdicts depend on."""

from pathlib import Path

import numpy as np
import pytest
from scipy.special import expit
from sklearn.metrics import roc_auc_score

from asteer_core.errors import ConfigError, DataError, StoreError
from asteer_core.judges import Labelled, choose_judge
from asteer_core.judges.guard import GuardKind
from asteer_core.judges.logodds import LogOddsKind
from asteer_core.judges.openai import OpenAIKind


class Lent:
    """Tools whose model answers with the number that a reply holds, NaN where it says `nan`."""

    def __init__(self, folder: Path, weights: str = "w") -> None:
        self.folder, self.weights, self.asked = folder, weights, []

    def answer(self, model):
        def answer(prompts, yes, no):
            self.asked += prompts
            return np.array([float(prompt.split("<<<reply ")[1].split("\n")[1]) for prompt in prompts])

        return answer

    def model_identity(self, name):
        return f"{self.weights}-{name}"

    def classifier_identity(self, source, revision, trust_remote_code):
        return f"{self.weights}-{source}-{revision}"

    def verdicts(self):
        return self.folder / "verdicts.sqlite"

    def account(self):
        return None

    def progress(self, done, total):
        pass


def labelled(odds, labels, groups=None, kinds=None) -> Labelled:
    n = len(odds)
    groups = np.array([f"g{row // 2}" for row in range(n)]) if groups is None else groups
    return Labelled([str(one) for one in odds], ["p"] * n, np.asarray(labels), groups, kinds or ["k"] * n)


def planted(rng, n=600):
    odds = rng.normal(2.0, 3.0, n).round(6)
    return odds, (rng.random(n) < expit(0.5 * odds - 1.0)).astype(int)


@pytest.fixture
def lent(tmp_path):
    return Lent(tmp_path)


def test_platt_finds_the_planted_curve_and_brings_the_mean_to_the_share_of_violations(lent, rubric, rng):
    odds, labels = planted(rng, 4000)
    judge = LogOddsKind(model="m").fit(rubric, labelled(odds, labels), lent, rng)
    assert judge.scale.slope == pytest.approx(0.5, abs=0.06) and judge.scale.offset == pytest.approx(-1.0, abs=0.2)
    found = judge.judge([str(one) for one in odds]).success
    assert found.mean() == pytest.approx(labels.mean(), abs=0.01)
    assert judge.report["auroc"] == pytest.approx(roc_auc_score(labels, odds)) and judge.report["ece"] < 0.05


def test_isotonic_follows_a_step_that_platt_cannot_and_both_leave_null_alone(lent, rubric, rng):
    odds = rng.uniform(-4, 4, 2000).round(6)
    labels = (rng.random(2000) < np.where(np.abs(odds) < 2, 0.5, np.where(odds > 0, 0.98, 0.02))).astype(int)
    errors = {}
    for method in ("platt", "isotonic"):
        judge = LogOddsKind(model="m", calibration=method).fit(rubric, labelled(odds, labels), lent, rng)
        errors[method] = judge.report["brier"]
        verdicts = judge.judge(["1", "nan"])
        assert (
            0 < verdicts.success[0] < 1
            and np.isnan(verdicts.success[1])
            and verdicts.null_counts == {"does not fit the judge model's context": 1}
        )
    assert errors["isotonic"] < errors["platt"]


def test_the_report_is_out_of_fold_and_keeps_groups_together(lent, rubric, rng):
    # Verdicts are nearly noise but alike in a group, as are its labels: who sees the group knows the answer.
    group = np.repeat(np.arange(120), 5)
    labels = np.repeat(rng.permutation(np.arange(120) % 2), 5)
    odds = (np.repeat(rng.normal(0, 1, 120), 5) + 0.3 * labels).round(6)
    judge = LogOddsKind(model="m", calibration="isotonic").fit(rubric, labelled(odds, labels, group), lent, rng)
    seen = ((judge.judge([str(one) for one in odds]).success - labels) ** 2).mean()
    assert judge.report["brier"] > seen + 0.01


def test_rows_without_a_verdict_are_counted_and_have_no_part(lent, rubric, rng):
    odds, labels = planted(rng)
    whole = LogOddsKind(model="m").fit(rubric, labelled(odds, labels), lent, np.random.default_rng(1))
    mixed = [*odds, *["nan"] * 50]
    groups = np.array([f"g{row // 2}" for row in range(650)])
    part = LogOddsKind(model="m").fit(rubric, labelled(mixed, [*labels, *[1] * 50], groups), lent, np.random.default_rng(1))
    assert part.report["n_null"] == 50 and part.report["n"] == 600 and part.report["n_positive"] == labels.sum()
    assert part.scale.slope == pytest.approx(whole.scale.slope)


def test_so_many_labelled_rows_are_asked_about_half_of_them_violating(lent, rubric, rng):
    odds, labels = planted(rng)
    judge = LogOddsKind(model="m", labelled=101).fit(rubric, labelled(odds, labels), lent, rng)
    assert len(lent.asked) == 101 and judge.report["n"] == 101 and judge.report["n_positive"] in (50, 51)
    # Where one side has too few, the other fills up.
    few = LogOddsKind(model="m", labelled=100, calibration="none").fit(rubric, labelled(odds, [0] * 590 + [1] * 10), lent, rng)
    assert few.report["n_positive"] == 10 and few.report["n"] == 100


def test_no_labelled_rows_means_no_figures_and_no_calibration(lent, rubric, rng):
    odds, labels = planted(rng, 100)
    judge = LogOddsKind(model="m", labelled=0, calibration="none").fit(rubric, labelled(odds, labels), lent, rng)
    assert lent.asked == [] and judge.report == {"n": 0, "n_null": 0, "n_positive": 0, "judge_model": "m"}
    assert judge.judge(["0.7"]).success.tolist() == [pytest.approx(expit(0.7))]


def test_a_model_that_does_not_tell_the_rows_apart_is_refused_with_what_to_do(lent, rubric, rng):
    odds, labels = planted(rng)
    with pytest.raises(DataError, match=r"'Toxicity'.*AUROC 0\.\d\d.*choose a larger model"):
        LogOddsKind(model="m").fit(rubric, labelled(-odds, labels), lent, rng)
    with pytest.raises(DataError, match="0 verdicts on compliant and 600 on violating rows.*needs 5 of each"):
        LogOddsKind(model="m").fit(rubric, labelled(odds, [1] * 600), lent, rng)
    assert LogOddsKind(model="m", calibration="none").fit(rubric, labelled(-odds, labels), lent, rng).report["auroc"] < 0.5


def test_a_saved_judge_comes_back_with_curve_and_report(lent, rubric, rng, tmp_path):
    odds, labels = planted(rng)
    for method in ("none", "platt", "isotonic"):
        kind = LogOddsKind(model="m", calibration=method)
        judge = kind.fit(rubric, labelled(odds, labels), lent, rng)
        judge.save(tmp_path / f"{method}.safetensors")
        again = kind.load(tmp_path / f"{method}.safetensors", rubric, lent)
        texts = [str(one) for one in odds[:50]]
        assert again.judge(texts).success.tolist() == judge.judge(texts).success.tolist() and again.report == judge.report
    path = tmp_path / "platt.safetensors"
    path.write_bytes(path.read_bytes()[:40])
    with pytest.raises(StoreError, match=r"platt\.safetensors"):
        LogOddsKind(model="m").load(path, rubric, lent)


OPENAI = {"base_url": "http://localhost:1/v1", "model": "m", "key_env": None}


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        (LogOddsKind(model="m"), [{"model": "n"}, {"calibration": "isotonic"}, {"labelled": 50}]),
        (
            GuardKind(source="s", violating=("a",)),
            [{"source": "t"}, {"violating": ("b",)}, {"reads": "pair"}, {"revision": "r"}, {"trust_remote_code": True}],
        ),
        (OpenAIKind(**OPENAI), [{"model": "n"}, {"parameters": {"seed": 1}}, {"reply_format": "text"}, {"calibration": "isotonic"}]),
    ],
    ids=["logodds", "guard", "openai"],
)
def test_what_changes_a_verdict_changes_the_identity(kind, changes, rubric, lent, tmp_path):
    own = kind.identity(rubric, lent)
    assert own == kind.identity(rubric, lent)
    for change in changes:
        assert kind.model_copy(update=change).identity(rubric, lent) != own, change
    other = type(rubric)("Toxicity", "Another definition.", rubric.rubric)
    assert isinstance(kind, GuardKind) or kind.identity(other, lent) != own
    assert isinstance(kind, OpenAIKind) or kind.identity(rubric, Lent(tmp_path, "other weights")) != own


def test_how_an_endpoint_is_asked_is_no_part_of_its_identity(rubric, lent):
    kind = OpenAIKind(**OPENAI)
    for change in ({"base_url": "http://localhost:2/v1"}, {"key_env": "K"}, {"budget": 1.0, "input_price": 1.0, "output_price": 1.0},
                   {"concurrency": 9}, {"retries": 1}, {"timeout": 1.0}):  # fmt: skip
        assert kind.model_copy(update=change).identity(rubric, lent) == kind.identity(rubric, lent), change


@pytest.mark.parametrize(
    ("name", "options", "says"),
    [
        ("logods", {}, "Did you mean 'logodds'"),
        ("logodds", {}, "option 'model' is missing"),
        ("logodds", {"model": "m", "calibraton": "none"}, "Did you mean 'calibration'"),
        ("logodds", {"model": "m", "labelled": 10}, "calibration needs 20 labelled rows"),
        ("openai", {**OPENAI, "calibration": "platt"}, "'none' or 'isotonic'"),
        ("openai", {**OPENAI, "parameters": {"messages": []}}, "messages cannot be set here"),
        ("guard", {"source": "s", "violating": []}, "option 'violating'"),
    ],
)
def test_a_wrong_choice_is_named_and_no_value_is_quoted(name, options, says):
    with pytest.raises(ConfigError, match=says) as caught:
        choose_judge(name, {**options})
    assert "localhost" not in str(caught.value)
