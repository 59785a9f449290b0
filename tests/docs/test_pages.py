"""What stands in README and docs is true: blocks run, fragments validate, every page is in the navigation and links lead somewhere.

A fenced block is run or validated by its language; what cannot run here stands in a `console` block and in NOT_RUN with the reason.
"""

import json
import os
import re
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from markdown_it import MarkdownIt

from asteer_core.datasets import resolve
from asteer_core.model.specs import parse_entry
from asteer_core.study import Study, parse_study
from asteer_core.warehouse import upgrade

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = [ROOT / "README.md", *sorted(path for path in DOCS.rglob("*.md") if ".site" not in path.parts)]
COMMAND = re.compile(r"^\s*(\S+=\S+ )?(\.venv/bin/)?(asteer|make|pip|python3?|dagster|llama-cli|duckdb) \S", re.MULTILINE)
EXIT = re.compile(r"<!-- exit (\d+) -->")

SERVER = "starts a server that does not end"
MINUTES = "takes minutes; the same command runs on a small study in tests/pipeline"
ENDPOINT = "asks an endpoint of the reader's; tests/pipeline/test_cli_judges.py has one"
# Page -> first command of a block, without its comment -> why it is not run here.
NOT_RUN = {
    "README.md": {
        "make demo": "sets up an environment of its own; .ci/package.sh runs the demo",
        "make ui": SERVER,
        "asteer preview toxicity --model llama-3m --n 4": MINUTES,
        "asteer models add qwen3-06b Qwen/Qwen3-0.6B --revision <commit> --scorer llama-3m": "the commit is the reader's choice",
        "asteer score responses.jsonl --concept toxicity --reference baseline.jsonl": "names files of the reader",
    },
    "docs/tutorial.md": {"asteer ui quick": SERVER},
    "docs/how-to/contrastive-pairs.md": {"asteer concepts pairs toxicity --model llama-3m --limit 200 --as toxicity-own": MINUTES},
    "docs/how-to/real-data.md": {"asteer data check diasafety --path ~/data/DiaSafety": "needs a data set that must be downloaded"},
    "docs/how-to/choose-a-judge.md": {
        "asteer judge check toxicity --judge judge.yaml --dry-run": ENDPOINT,
        "asteer score responses.jsonl --concept toxicity --judge judge.yaml --dry-run": ENDPOINT,
    },
    "docs/how-to/choose-layer-and-strength.md": {
        'asteer sql -c "SELECT layer, round(separation, 3) AS separation, round(pilot_effect, 3) AS pilot_effect,': (
            "shows the study `auto`, which takes minutes"
        ),
    },
    "docs/how-to/sql.md": {"asteer sql": "asks for input"},
    "docs/how-to/exchange-vectors.md": {
        "asteer vectors export rude rude.gguf --block 1 --block 2": "needs llama.cpp and a model in its format"
    },
    "docs/how-to/get-a-training-set.md": {
        "asteer optimise toxicity --model llama-3m --budget 2000 --objective success": MINUTES,
        "asteer export training-set toxicity --model llama-3m --out toxicity-set --format parquet --format jsonl": MINUTES,
        "asteer export detector toxicity --model llama-3m --out toxicity-detector": "follows the search above, which takes minutes",
        "asteer export training-set toxicity --model llama-3m --out toxicity-set --push me/toxicity-set": "needs the hub and an account",
        'asteer sql -c "SELECT recipe, detector, n, success, auroc, auroc_lo, auroc_hi FROM training_set_steps"': (
            "its tables exist after `asteer optimise`, which takes minutes"
        ),
    },
    "docs/how-to/operate.md": {"asteer ui my-study.yaml --home /srv/asteer": SERVER},
    "docs/how-to/scale-out.md": {
        "pip install 'asteer[s3]'": "needs a bucket; tests/integration/test_store_in_a_bucket.py has one",
        "pip install 'asteer[postgres]'": "needs a server; tests/integration/test_postgres.py has one",
    },
    "docs/explanation/reliability.md": {"pip install atheris": "fuzzes for minutes, with a package that the tests do not need"},
    "docs/how-to/new-models.md": {"ASTEER_AUTOMATION=on asteer ui my-study.yaml": SERVER},
}
LISTED = {(page, command) for page, commands in NOT_RUN.items() for command in commands}


@dataclass(frozen=True)
class Block:
    """A code block: its language ("" where it is indented), text, first line in the page, and the exit code it announces."""

    page: Path
    language: str
    text: str
    line: int
    exit_code: int

    @property
    def key(self) -> tuple[str, str]:
        first = self.text.strip().splitlines()[0]
        return self.page.relative_to(ROOT).as_posix(), first.partition("  ")[0].strip()


def blocks(page: Path) -> Iterator[Block]:
    """Yield the code blocks of a page in order."""
    announced = 0
    for token in MarkdownIt().parse(page.read_text(encoding="utf-8")):
        if token.type == "html_block" and (found := EXIT.search(token.content)):
            announced = int(found[1])
        elif token.type in ("fence", "code_block"):
            yield Block(page, token.info.strip(), token.content, token.map[0] + 1, announced)
            announced = 0


BLOCKS = [block for page in PAGES for block in blocks(page)]


def of(*languages: str) -> list[Any]:
    return [pytest.param(block, id=f"{block.key[0]}:{block.line}") for block in BLOCKS if block.language in languages]


# Their Python may need what their commands made.
WITH_COMMANDS = {block.page for block in BLOCKS if block.language == "sh"}


def test_every_block_is_run_validated_or_listed_with_a_reason():
    known = {"sh", "sql", "python", "yaml", "toml", "json", "text", "console", ""}
    strange = [(*block.key, block.language) for block in BLOCKS if block.language not in known]
    assert strange == [], "say in the fence what it is: sh is run, console is not and must be listed"
    unlisted = [
        block.key for block in BLOCKS
        if block.key not in LISTED and (block.language == "console" or (block.language in ("", "text") and COMMAND.search(block.text)))
    ]  # fmt: skip
    assert unlisted == [], "commands that nobody runs: make it an `sh` block, or list it in NOT_RUN with the reason"


def test_no_exception_outlives_its_block():
    assert LISTED - {block.key for block in BLOCKS} == set()


@pytest.mark.parametrize("block", of("yaml"))
def test_a_yaml_block_is_what_asteer_reads(block):
    value = yaml.safe_load(block.text)
    if isinstance(value, list):
        assert all(parse_entry(entry, str(block.key)).name for entry in value)
    elif set(value) <= set(Study.model_fields):
        grid = [{"method": "caa", "layers": [1], "strengths": [0.3]}]
        base = {"name": "page", "concepts": ["toxicity"], "models": ["llama-3m"], "grid": grid}
        assert parse_study(base | value, str(block.key)).grid
    else:
        entries = value["real"] if set(value) == {"real"} else [value]
        assert all(resolve(entry, str(block.key)).name for entry in entries)


@pytest.mark.parametrize("block", of("toml", "json"))
def test_a_toml_or_json_block_parses(block):
    if block.language == "toml":
        assert tomllib.loads(block.text)
    else:
        assert json.loads(block.text)


@pytest.mark.parametrize("block", [given for given in of("python") if given.values[0].page not in WITH_COMMANDS])
def test_a_python_block_runs(block, tmp_path):
    done = subprocess.run(
        [sys.executable, "-c", block.text], cwd=tmp_path, env={**os.environ, "PYTHONPATH": str(ROOT)}, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture
def reader(finished_home, tmp_path):
    """A function that runs a shell block as a reader would: in a folder of the page, with a copy of the home of their own."""
    home, folder, programs = tmp_path / "home", tmp_path / "folder", tmp_path / "bin"
    shutil.copytree(finished_home, home)
    # The views of a copied warehouse would read the files of the first home, and are refused.
    upgrade(home)
    folder.mkdir()
    programs.mkdir()
    (folder / "data").symlink_to(ROOT / "data")
    launcher = programs / "asteer"
    program = "import sys; from asteer_pipeline.cli import main; sys.exit(main())"
    launcher.write_text(f"#!/bin/sh\nexec '{sys.executable}' -c '{program}' \"$@\"\n")
    launcher.chmod(0o755)
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "ASTEER_HOME": str(home), "PATH": f"{programs}:{os.environ['PATH']}"}

    def run(text: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(["bash", "-eo", "pipefail", "-c", text], cwd=folder, env=environment, capture_output=True, text=True)

    return run


@pytest.mark.slow
@pytest.mark.parametrize("page", sorted({block.page for block in BLOCKS if block.language in ("sh", "sql")}), ids=lambda path: path.name)
def test_the_commands_and_queries_of_a_page_run_in_their_order(page, reader):
    for block in blocks(page):
        if block.language == "sh":
            done = reader(block.text)
            assert done.returncode == block.exit_code, f"{block.key}: exit code {done.returncode}\n{done.stdout}\n{done.stderr}"
        elif block.language == "python" and page in WITH_COMMANDS:
            done = reader(f"'{sys.executable}' - <<'PROGRAM'\n{block.text}\nPROGRAM")
            assert done.returncode == 0, f"{block.key}: {done.stderr}"
        elif block.language == "sql":
            done = reader(f"asteer sql - <<'QUERY'\n{block.text}\nQUERY")
            assert done.returncode == 0, f"{block.key}: {done.stderr}"
            assert done.stdout.strip(), f"{block.key} prints nothing"


def _navigation(entries: Any) -> Iterator[str]:
    for entry in entries:
        for target in [entry] if isinstance(entry, str) else entry.values():
            yield from [target] if isinstance(target, str) else _navigation(target)


def test_every_page_is_in_the_navigation_once_and_everything_there_exists():
    shown = list(_navigation(tomllib.loads((DOCS / "zensical.toml").read_text(encoding="utf-8"))["project"]["nav"]))
    assert sorted(shown) == sorted(page.relative_to(DOCS).as_posix() for page in PAGES if page.is_relative_to(DOCS))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_inside_leads_to_a_file(page):
    broken = []
    for token in MarkdownIt().enable("table").parse(page.read_text(encoding="utf-8")):
        for child in token.children or []:
            target = child.attrs.get("href") or child.attrs.get("src") or ""
            path = target.partition("#")[0]
            if path and "://" not in path and not path.startswith("mailto:") and not (page.parent / path).exists():
                broken.append(target)
    assert broken == []
