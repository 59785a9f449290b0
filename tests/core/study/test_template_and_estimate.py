"""A study file to start from, its JSON schema, and what a study is expected to take."""

from datetime import datetime
from pathlib import Path

import polars as pl
import pytest
import yaml

from asteer_core.concepts import load_concept
from asteer_core.errors import AsteerError, ConfigError
from asteer_core.paths import data_root
from asteer_core.study import Workspace, list_presets, load_study, parse_study, plan
from asteer_core.study.estimate import Estimate, estimate
from asteer_core.study.judging_costs import expected_judging
from asteer_core.study.study import Study
from asteer_core.study.template import json_schema, study_template, write_template


@pytest.mark.parametrize("preset", list_presets())
def test_a_template_says_what_its_preset_says_under_another_name(tmp_path: Path, preset: str) -> None:
    path = write_template(tmp_path / "mine.yaml", preset)
    study = load_study(path)
    other = {"name", "description"}
    assert study.name == "mine"
    assert study.model_dump(exclude=other) == load_study(preset).model_dump(exclude=other)


def test_every_key_of_a_study_stands_in_the_template_with_a_note() -> None:
    lines = study_template("quick", "mine").splitlines()
    for key in Study.model_fields:
        place = next(number for number, line in enumerate(lines) if line.startswith((f"{key}:", f"# {key}:")))
        assert lines[place - 1].startswith("# ")


def test_a_template_overwrites_nothing_and_takes_no_name_of_a_preset(tmp_path: Path) -> None:
    path = write_template(tmp_path / "mine.yaml", "quick")
    before = path.read_text()
    with pytest.raises(ConfigError, match="exists already"):
        write_template(path, "quick")
    assert path.read_text() == before
    with pytest.raises(ConfigError, match="name of a preset"):
        write_template(tmp_path / "quick.yaml", "quick")
    with pytest.raises(ConfigError, match="ends in .yaml"):
        write_template(tmp_path / "mine", "quick")


def test_the_schema_names_every_key_and_forbids_others() -> None:
    schema = json_schema()
    assert set(schema["properties"]) == set(Study.model_fields) and schema["additionalProperties"] is False
    assert set(yaml.safe_load(study_template("quick", "mine"))) <= set(schema["properties"])


def test_responses_are_counted_with_their_baselines(tmp_path: Path) -> None:
    study = load_study("quick")
    cost = estimate(study, plan(study), tmp_path, cores=2)
    # 2 concepts x (12 configurations + unsteered + 1 random direction + templates) x 80 prompts
    assert study.controls.templates == 4 and cost.responses == 2 * (12 + 1 + 1 + 4) * 80
    every = study.model_copy(update={"controls": study.controls.model_copy(update={"templates": None})})
    each = sum(len(load_concept(name).templates) for name in study.concepts)
    assert estimate(every, plan(every), tmp_path, cores=2).responses == (2 * (12 + 1 + 1) + each) * 80
    assert cost.seconds and cost.seconds > 0 and "2 CPU cores" in cost.basis


def test_time_goes_by_earlier_runs_where_there_are_any(tmp_path: Path) -> None:
    study = load_study("quick")
    folder = tmp_path / "studies" / "quick" / "runs"
    folder.mkdir(parents=True)
    common = {"study": "quick", "run_id": "r", "started_at": datetime(2026, 1, 1), "reused": 0, "complete": True}
    rows = [
        common | {"stage": "steered_corpora", "seconds": 30.0, "partitions": 2, "rows": 100},
        common | {"stage": "measurements", "seconds": 20.0, "partitions": 2, "rows": 100},
    ]
    pl.DataFrame(rows).write_parquet(folder / "a.parquet")
    cost = estimate(study, plan(study), tmp_path, cores=2)
    assert cost.seconds == pytest.approx(cost.responses * 0.5) and "earlier runs" in cost.basis


def test_a_model_that_is_not_on_this_disk_has_no_estimate_of_time(tmp_path: Path) -> None:
    (tmp_path / "models.yaml").write_text("- {name: big, source: owner/big, scorer: llama-3m}\n")
    study = load_study("quick").model_copy(update={"models": ["big"]})
    assert estimate(study, plan(study), tmp_path, cores=2).seconds is None


def test_a_study_of_static_embeddings_says_whether_they_are_there(tmp_path: Path, with_static_table) -> None:
    plain = load_study("quick")
    study = plain.model_copy(update={"metrics": plain.metrics.model_copy(update={"embedding": "static"})})
    before = estimate(study, plan(study), tmp_path, cores=2)
    assert before.distils and not estimate(plain, plan(plain), tmp_path, cores=2).distils
    after = estimate(study, plan(study), with_static_table(tmp_path), cores=2)
    assert not after.distils and before.seconds is not None and after.seconds is not None and before.seconds > after.seconds + 10


def test_slow_trainings_are_counted_and_priced(tmp_path: Path) -> None:
    study = load_study("quick")
    rest = study.model_dump(mode="json", exclude={"detectors"})

    def cost_with(epochs: int) -> Estimate:
        kinds = ["embedding", {"kind": "encoder", "name": "small", "seeds": 2, "epochs": epochs}]
        slow = parse_study({**rest, "detectors": {"kinds": kinds}}, "quick")
        return estimate(slow, plan(slow), tmp_path, cores=2)

    cheap, dear = estimate(study, plan(study), tmp_path, cores=2), cost_with(3)
    assert cheap.training == () and dear.seconds and cheap.seconds
    (cost,) = dear.training
    per_concept = dear.responses // (len(study.concepts) * 80)  # corpora of 80 responses, to which the real positives come
    assert (cost.detector, cost.seeds) == ("small", 2) and cost.fits == 2 * (2 * (per_concept + 1) + 1)
    assert dear.seconds == pytest.approx(sum(seconds for _, seconds in dear.stages) + cost.seconds)
    assert 1.5 < cost_with(6).training[0].seconds / cost.seconds < 2


def test_weights_that_are_nowhere_have_no_price_and_their_absence_stops_the_study_at_once(tmp_path: Path) -> None:
    study = load_study("quick").model_dump(mode="json", exclude={"detectors"})
    hub = parse_study({**study, "detectors": {"kinds": [{"kind": "encoder", "model": "owner/encoder"}]}}, "quick")
    cost = estimate(hub, plan(hub), tmp_path, cores=2)
    assert cost.training[0].seconds is None and cost.seconds is None and cost.training[0].fits > 0
    for kind, message in (
        ({"kind": "encoder", "model": "./none"}, "encoder './none': no such folder, and no hub id"),
        ({"kind": "activation_probe", "model": "lama-3m"}, "Did you mean 'llama-3m'"),
        ({"kind": "activation_probe", "layers": [99]}, "layer 99 of model 'llama-3m', which has blocks 0 to"),
    ):
        with pytest.raises(AsteerError, match=message):
            Workspace(parse_study({**study, "detectors": {"kinds": [kind]}}, "quick"), tmp_path)


def test_the_calls_of_a_judge_are_counted_with_the_rows_it_is_tried_on_and_priced(tmp_path):
    def planned(**judge):
        value = {"name": "s", "concepts": ["toxicity", "evasion"], "models": ["neox-2m"], "judge": judge,
                 "grid": [{"method": "caa", "layers": [1], "strengths": [0.4]}], "sampling": {"max_new_tokens": 24}}  # fmt: skip
        return expected_judging(parse_study(value, "s"), 1000, tmp_path)

    endpoint = {"kind": "openai", "base_url": "http://localhost:1/v1", "model": "m", "key_env": None}
    assert planned() is None
    free = planned(**endpoint)
    assert free.calls == 1000 + 2 * 100 and free.dollars is None
    paid = planned(**endpoint, labelled=0, input_price=2.0, output_price=4.0)
    assert paid.calls == 1000 and paid.dollars == pytest.approx((2 * paid.input_tokens + 4 * paid.output_tokens) / 1e6)
    assert planned(**endpoint, labelled=None).calls == 1000 + sum(
        len((data_root() / "concepts" / name / "judge.jsonl").read_text().splitlines()) for name in ("toxicity", "evasion")
    )
