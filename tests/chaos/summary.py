"""Runs every chaos test with the full budget and prints one table: tests, kills, cases, figures, and the faults these tests have found."""

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from xml.etree import ElementTree

from rich.console import Console
from rich.table import Table

HERE = Path(__file__).parent
FAULTS = HERE / "faults_found.txt"


def main() -> int:
    """Return pytest's exit code."""
    with tempfile.TemporaryDirectory() as folder:
        figures, results = Path(folder) / "figures.jsonl", Path(folder) / "results.xml"
        environment = {"ASTEER_CHAOS_BUDGET": "full", **os.environ, "ASTEER_CHAOS_FIGURES": str(figures), "OMP_NUM_THREADS": "1"}
        command = [sys.executable, "-m", "pytest", str(HERE), f"--junitxml={results}", *sys.argv[1:]]
        code = subprocess.run(command, env=environment).returncode
        Console(width=140).print(_table(figures, results))
    return code


def _table(figures: Path, results: Path) -> Table:
    table = Table("what", "value", "detail", title="Chaos", title_justify="left")
    if results.is_file():
        suite = ElementTree.parse(results).getroot()[0].attrib
        failed = int(suite["failures"]) + int(suite["errors"])
        table.add_row("tests", suite["tests"], f"{failed} failed, {float(suite['time']):,.0f} s")
    lines = figures.read_text(encoding="utf-8").splitlines() if figures.is_file() else []
    for line in map(json.loads, lines):
        table.add_row(line["what"], str(line["value"]), line["unit"])
    found = FAULTS.read_text(encoding="utf-8").splitlines()
    table.add_section()
    for number, fault in enumerate(found, start=1):
        table.add_row("found and fixed" if number == 1 else "", str(number), fault)
    return table


if __name__ == "__main__":
    sys.exit(main())
