"""The walls of the house: what may import what, and what an import must not load."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
SOURCES = sorted(path for package in ("asteer_core", "asteer_pipeline") for path in (ROOT / package).rglob("*.py"))
HEAVY = ("torch", "transformers", "sentence_transformers")


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


DOORS = [dotted(path) for path in SOURCES if path.name == "__init__.py"]
DEFINITIONS = [dotted(path) for path in SOURCES if dotted(path) == "asteer_pipeline.definitions"]


def loaded_by(modules: list[str]) -> list[str]:
    """Return the heavy packages that importing `modules` loads in a new interpreter."""
    code = f"import sys, importlib; [importlib.import_module(m) for m in {modules!r}]; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return [name for name in HEAVY if f"'{name}'" in done.stdout]


def test_the_look_for_heavy_packages_sees_one():
    assert loaded_by(["torch"]) == ["torch"]


def test_the_doors_of_all_rooms_load_no_heavy_package():
    assert "asteer_core" in DOORS
    assert loaded_by(DOORS) == []


def test_the_dagster_definitions_load_no_heavy_package():
    assert loaded_by(DEFINITIONS) == []


def test_the_import_contracts_hold():
    done = subprocess.run(
        [sys.executable, "-c", "from importlinter.cli import lint_imports_command; lint_imports_command()", "--no-cache"],
        cwd=ROOT, capture_output=True, text=True,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


FORBIDDEN = {
    "pickle": re.compile(r"^\s*(import|from)\s+(pickle|dill|cloudpickle|shelve)\b|\b(joblib|torch)\.(load|dump|save)\(|allow_pickle=True"),
    "assert": re.compile(r"^\s*assert\b"),
}


@pytest.mark.parametrize(
    ("rule", "line"),
    [
        ("pickle", "import pickle"), ("pickle", "    from pickle import load"), ("pickle", "judge = joblib.load(path)"),
        ("pickle", "state = torch.load(path)"), ("pickle", "np.load(path, allow_pickle=True)"), ("assert", "    assert rows > 0"),
    ],
)  # fmt: skip
def test_the_rules_see_what_they_forbid(rule, line):
    assert FORBIDDEN[rule].search(line)


@pytest.mark.parametrize("rule", FORBIDDEN)
def test_no_source_file_breaks_the_rule(rule):
    lines = ((path, number, line) for path in SOURCES for number, line in enumerate(path.read_text("utf-8").splitlines(), 1))
    broken = [f"{path.relative_to(ROOT)}:{number}: {line.strip()}" for path, number, line in lines if FORBIDDEN[rule].search(line)]
    assert broken == []
