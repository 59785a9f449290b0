"""What a study found, read from the warehouse and shown as tables: configurations, correlations, and where to look further."""

import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from asteer_core.study import Study
from asteer_core.study.stages.report import report_path
from asteer_core.types import key_of
from asteer_core.warehouse import query, warehouse_path
from asteer_pipeline.cli.terminal import UNDEFINED, interval, number

CORRELATED = ("hm", "hm_sc", "success", "coherence", "diversity", "strength", "mean_length")
"""Metrics whose correlation is shown, before those that the study adds."""

WIDE = 130
"""Columns of a terminal from which S, C, D and HM are shown with their intervals."""

CONFIGURATIONS = """
SELECT * FROM leaderboard WHERE study = $1 AND detector = $2
ORDER BY concept, arm <> 'steered', auroc DESC NULLS LAST, configuration_id
"""
CORRELATIONS = "SELECT * FROM metric_auroc_correlation WHERE study = $1 AND detector = $2 ORDER BY concept = 'pooled', concept"
VERDICTS = """
SELECT judge, count(*) AS n, count(*) - count(probability) AS nulls, mode(reason) AS reason
FROM judge_labels WHERE study = $1 GROUP BY judge HAVING nulls > 0
"""
BEATS = "SELECT * FROM beats_prompting WHERE study = $1 AND detector = $2 AND concept = 'pooled'"


def show_results(console: Console, study: Study, home: Path, rows: int, command: str) -> None:
    """Print the tables of one study; `rows` configurations per concept, 0 = all; `command` shows its graph.

    Raises:
        StoreError: there is no warehouse.
    """
    path, chosen = warehouse_path(home), [study.name, study.detectors.headline]
    found = query(CONFIGURATIONS, path, chosen).rows(named=True)
    for concept in dict.fromkeys(row["concept"] for row in found):
        _show_concept(console, concept, [row for row in found if row["concept"] == concept], rows, chosen[1])
    for row in query(VERDICTS, path, [study.name]).rows(named=True):
        told = f"{row['nulls']:,} of {row['n']:,} responses have no verdict of the judge {row['judge']} (mostly: {row['reason']})"
        console.print(f"{told}: S leaves them out, and corpus_metrics says how much they could change", markup=False, highlight=False)
    # Titles are printed apart: as titles of tables they would be folded to the width of the table.
    console.print(f"[bold]Spearman correlation of metric and AUROC over configurations[/] ({chosen[1]} detector)", highlight=False)
    metrics = (*CORRELATED, *study.metrics.alternatives)
    console.print(_correlations(query(CORRELATIONS, path, chosen).rows(named=True), metrics))
    for row in query(BEATS, path, chosen).rows(named=True):
        shares = interval(row["share_wins"], row["share_wins_lo"], row["share_wins_hi"])
        best = interval(row["share_wins_best"], row["share_wins_best_lo"], row["share_wins_best_hi"])
        console.print(f"Share of configurations above prompting:       {shares}", markup=False, highlight=False)
        console.print(f"Share of configurations above the best prompt: {best}", markup=False, highlight=False)
    console.print(f"\nWarehouse: {path}", markup=False, highlight=False, soft_wrap=True)
    report = report_path(home, study.name)
    if report.is_file():
        console.print(f"Report:    {report}  (open it in a browser)", markup=False, highlight=False, soft_wrap=True)
    console.print('Query it:  asteer sql -c "FROM leaderboard LIMIT 5"', markup=False, highlight=False)
    console.print(f"See the graph of {study.name}: {command}", markup=False, highlight=False, soft_wrap=True)


def _show_concept(console: Console, concept: str, found: list[dict[str, Any]], rows: int, detector: str) -> None:
    steered = [row for row in found if row["arm"] == "steered"]
    others = [row for row in found if row["arm"] != "steered"]
    shown = steered[: rows or None]
    hidden = f"; {len(steered) - len(shown)} more in the warehouse" if len(shown) < len(steered) else ""
    what = f"{len(steered)} steered configurations by AUROC on real test data ({detector} detector){hidden}"
    console.print(f"\n[bold]{escape(concept)}[/]: {escape(what)}", highlight=False, soft_wrap=True)
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("configuration", overflow="fold")
    wide = console.width >= WIDE
    for name in ("S", "C", "D", "HM"):
        table.add_column(f"{name} [95 %]" if wide else name, justify="right", no_wrap=True)
    for name in ("AUROC [95 %]", "to prompting"):
        table.add_column(name, no_wrap=True)
    for row in shown:
        table.add_row(*_cells(row, wide=wide))
    table.add_section()
    for row in others:
        table.add_row(*_cells(row, wide=wide), style="dim")
    console.print(table)
    if flagged := Counter(flag for row in (*shown, *others) for flag in (row["flags"] or "").split(",") if flag):
        counts = ", ".join(f"{flag} {count}" for flag, count in flagged.most_common())
        console.print(
            f"* audits above their gate ({counts} of {len(shown) + len(others)}): see flags in leaderboard", markup=False, highlight=False
        )


def _cells(row: dict[str, Any], *, wide: bool) -> list[str]:
    axes = ("success", "coherence", "diversity", "hm")
    metrics = [interval(row[name], row[f"{name}_lo"], row[f"{name}_hi"]) if wide else number(row[name]) for name in axes]
    auroc = interval(row["auroc"], row["auroc_lo"], row["auroc_hi"]) + ("*" if row["flags"] else "")
    difference = interval(row["difference"], row["difference_lo"], row["difference_hi"], signed=True)
    return [escape(text) for text in (shown_key(row), *metrics, auroc, difference)]


def shown_key(row: dict[str, Any]) -> str:
    """Return the configuration's key, its id without concept and hash, and what dials left to the study came out as."""
    key = key_of(str(row["configuration_id"]))
    found = [f"L{row['layer']:02d}"] if ":Lauto" in key and row["layer"] is not None else []
    if re.search(r":k[\d.]", key) and row["strength"] is not None:
        found.append(f"s{row['strength']:.2f}")
    return f"{key} = {' '.join(found)}" if found else key


def _correlations(found: list[dict[str, Any]], metrics: Sequence[str]) -> Table:
    concepts = list(dict.fromkeys(row["concept"] for row in found))
    by_cell = {(row["concept"], row["metric"]): row for row in found}
    table = Table(box=SIMPLE, show_edge=False, pad_edge=False, padding=(0, 1, 0, 0))
    table.add_column("metric")
    for concept in concepts:
        table.add_column(escape(concept))
    for metric in metrics:
        cells = [by_cell.get((concept, metric)) for concept in concepts]
        shown = [interval(row["spearman"], row["spearman_lo"], row["spearman_hi"], signed=True) if row else UNDEFINED for row in cells]
        table.add_row(metric, *map(escape, shown))
    return table
