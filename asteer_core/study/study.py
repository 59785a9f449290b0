"""The study file: what is to be run, as one validated YAML. Nothing is computed here."""

import os
from collections.abc import Iterable
from pathlib import Path
from typing import Annotated, Any, TypeVar

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, ValidationError, WithJsonSchema, model_validator

from asteer_core.documents import read_yaml
from asteer_core.errors import ConfigError, did_you_mean, unknown_name
from asteer_core.metrics.measured import Embedding
from asteer_core.paths import data_root
from asteer_core.paths import home as default_home
from asteer_core.study.every_model import ALL, name_models
from asteer_core.study.grid import Combination, Dial, Grid, Part, Section, check_labels
from asteer_core.study.judge_choice import JudgeChoice
from asteer_core.study.kinds import KindChoice, Kinds
from asteer_core.types import Sampling, check_name

DEFAULT_STUDY = "quick"
Many = TypeVar("Many", list[Any], tuple[Any, ...])


def _once(values: Many) -> Many:
    repeated = [value for value in values if values.count(value) > 1]
    if repeated:
        raise ValueError(f"{repeated[0]!r} stands twice")
    return values


Names = Annotated[list[str], Field(min_length=1), AfterValidator(_once)]
_MODELS_SCHEMA = {"anyOf": [{"const": ALL}, {"type": "array", "items": {"type": "string"}, "minItems": 1, "uniqueItems": True}]}


class Controls(Section):
    """What runs beside the methods: random directions of the same size, and how many prompting templates (None = all)."""

    random: Dial | None = None
    templates: Annotated[int, Field(ge=1)] | None = None


class Size(Section):
    """How many generation prompts each corpus answers, and how often each."""

    prompts: Annotated[int, Field(ge=2)] = 128
    samples: Annotated[int, Field(ge=1)] = 1


class MetricOptions(Section):
    """Subsample size and count of the set metrics, the scale of the fluency penalty, and whose sentence embeddings diversity is made of.

    `alternatives`: further metrics by name (`asteer_core/metrics/`, or plug-ins), correlated with AUROC beside the others.
    `embedding`: `encoder`, or `static`, a table distilled from it (no context, no word order; values of the two are not comparable).
    """

    m: Annotated[int, Field(ge=2)] = 100
    subsamples: Annotated[int, Field(ge=1)] = 20
    tau: Annotated[float, Field(gt=0)] = 2.0
    alternatives: Annotated[tuple[str, ...], AfterValidator(_once)] = ()
    embedding: Embedding = "encoder"


class SelectionOptions(Section):
    """What makes a vector weak, and how blocks and strengths are searched where the study leaves them to `auto` or a KL target.

    `min_separation`: AUROC on held-out pairs below which a vector is flagged. `pilot_prompts`, `pilot_kl`: held-out prompts that are
    answered under a push at every block, and its size in nats per token. `tolerance`: how near a KL target must be met, as a share.
    """

    min_separation: Annotated[float, Field(ge=0.5, le=1)] = 0.7
    pilot_prompts: Annotated[int, Field(ge=4)] = 24
    pilot_kl: Annotated[float, Field(gt=0, le=2)] = 0.3
    tolerance: Annotated[float, Field(ge=0.001, le=0.5)] = 0.05


class DetectorOptions(Section):
    """Detector kinds (the first is the headline), training seeds, positives per arm, share of real positives replaced, resamples.

    `positives`: None = four fifths of the responses. `replace`: 1 trains on an arm's texts alone, .5 on as many real ones beside them.
    """

    kinds: Kinds = Field(default=("embedding", "tfidf"), validate_default=True)  # type: ignore[assignment]
    seeds: Annotated[int, Field(ge=1)] = 5
    positives: Annotated[int, Field(ge=8)] | None = None
    negatives_per_positive: Annotated[float, Field(gt=0)] = 1.0
    replace: Annotated[float, Field(gt=0, le=1)] = 1.0
    bootstrap: Annotated[int, Field(ge=50)] = 500

    @property
    def names(self) -> list[str]:
        """The names under which results stand, the headline first."""
        return [choice.name for choice in self.kinds]

    @property
    def headline(self) -> str:
        """The name of the detector that tables and charts show where they show one."""
        return self.kinds[0].name

    def seeds_of(self, choice: KindChoice) -> int:
        """Return the number of training seeds of a kind."""
        return choice.seeds or self.seeds


def _sampling(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    known = Sampling.__dataclass_fields__
    for key in value:
        if key not in known:
            raise ValueError(f"unknown key {key!r}." + (did_you_mean(key, known) or f" Known: {', '.join(known)}."))
    stop = value.get("stop", ())
    return {**value, "stop": tuple(stop) if isinstance(stop, list) else stop}


class Study(Section):
    """One study: concepts x models x grids, with its baselines, sizes and settings."""

    name: str
    description: str = ""
    concepts: Names
    models: Annotated[Names, WithJsonSchema(_MODELS_SCHEMA)]
    grid: Annotated[list[Grid], Field(min_length=1)]
    combinations: Annotated[list[Combination], Field(default_factory=list)]
    controls: Controls = Controls()
    sampling: Annotated[Sampling, BeforeValidator(_sampling)] = Sampling()
    size: Size = Size()
    selection: SelectionOptions = SelectionOptions()
    metrics: MetricOptions = MetricOptions()
    judge: JudgeChoice = JudgeChoice()
    detectors: DetectorOptions = DetectorOptions()
    seed: int = 0

    @model_validator(mode="after")
    def _consistent(self) -> "Study":
        for kind, names in (("study", [self.name]), ("concept", self.concepts), ("model", self.models)):
            for name in names:
                check_name(kind, name)
        check_labels(self.grid, self.combinations)
        dials: list[tuple[str, Dial | Part]] = [(f"method {grid.label!r}", grid) for grid in self.grid]
        dials += [(f"combination {found.name!r}", part) for found in self.combinations for part in found.parts]
        if self.controls.random:
            dials.append(("controls.random", self.controls.random))
        for owner, dial in dials:
            missing = sorted(set(self.models) - set(dial.layers)) if dial.differs_by_model else []
            if missing:
                raise ValueError(f"{owner} names no layers for model {missing[0]!r}; add `{missing[0]}: [...]` under its layers")
        random = self.controls.random
        if random and any(isinstance(random.layers_of(model), dict) for model in self.models):
            raise ValueError("controls.random: a random direction has no best block, so `auto` cannot choose one; name blocks or shares")
        if self.size.prompts * self.size.samples < self.metrics.m:
            raise ValueError(
                f"metrics.m = {self.metrics.m} texts are drawn from each corpus, but a corpus has only "
                f"{self.size.prompts * self.size.samples} responses; lower metrics.m or raise size.prompts"
            )
        return self


def load_study(name_or_path: str | Path | None = None, home: Path | None = None) -> Study:
    """Return the study of a preset's name or a YAML file; without an argument `$ASTEER_STUDY`, else `quick`.

    `models: all` stands for every model that ships or is registered in `home` (default `$ASTEER_HOME`) and is not retired.

    Raises:
        ConfigError: no such preset or file, not YAML, or a key or value is wrong; the message names the file and key.
    """
    wanted = str(name_or_path or os.environ.get("ASTEER_STUDY") or DEFAULT_STUDY)
    path = Path(wanted)
    if path.suffix not in (".yaml", ".yml"):
        if wanted not in list_presets():
            raise unknown_name("study", wanted, list_presets())
        path = data_root() / "presets" / f"{wanted}.yaml"
    return parse_study(read_yaml(path, ConfigError), str(path), home)


def parse_study(value: Any, where: str, home: Path | None = None) -> Study:
    """Return the study that the mapping `value` describes; `where` stands in errors, `models: all` is looked up in `home`.

    Raises:
        ConfigError: a key is unknown (the nearest is suggested) or a value is out of range.
    """
    if not isinstance(value, dict):
        what = "nothing" if value is None else f"a {type(value).__name__}"
        raise ConfigError(f"{where}: holds {what}; expected a mapping with name, concepts, models and grid (asteer study init writes one)")
    if value.get("models") == ALL:
        value = name_models(value, home or default_home(), where)
    try:
        return Study.model_validate(value)
    except ValidationError as error:
        faults = "; ".join(_explain(fault, value) for fault in error.errors())
        raise ConfigError(f"{where}: {faults}") from None
    except ConfigError as error:  # from the records inside, which do not know the file
        raise ConfigError(f"{where}: {error}") from None


def list_presets() -> list[str]:
    """Return the names of the presets that ship, sorted."""
    return sorted(path.stem for path in (data_root() / "presets").glob("*.yaml"))


def _explain(fault: Any, value: Any) -> str:
    place = ".".join(map(str, fault["loc"])) or "the file"
    if fault["type"] != "extra_forbidden":
        return f"{place}: {fault['msg'].removeprefix('Value error, ')}"
    known = _keys_beside(fault["loc"])
    return f"{place}: unknown key." + (did_you_mean(fault["loc"][-1], known) or f" Known: {', '.join(known)}.")


def _keys_beside(place: Iterable[Any]) -> list[str]:
    parts = {
        "grid": Grid, "combinations": Combination, "parts": Part, "random": Dial, "controls": Controls, "size": Size,
        "selection": SelectionOptions, "metrics": MetricOptions, "detectors": DetectorOptions,
    }  # fmt: skip
    model: type[BaseModel] = Study
    for step in list(place)[:-1]:
        model = parts.get(str(step), model)
    return list(model.model_fields)
