"""Spending is counted once per account, over objects, threads and processes, and never crosses its limits."""

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from asteer_core.errors import ConfigError, StoreError
from asteer_core.judges._budget import Budget, OverBudget, Price
from asteer_core.judges._ledger import Ledger

SPEND = """
import sys
from pathlib import Path
from asteer_core.judges._ledger import Ledger
ledger = Ledger(Path(sys.argv[1]), "study")
print(sum(ledger.reserve(0.25, 10.0, None) for _ in range(40)))
"""


def test_a_later_object_goes_on_from_what_is_spent_and_another_account_does_not(tmp_path):
    first = Budget(Price(1.0, 1.0), dollars=1.0, ledger=Ledger(tmp_path / "v.sqlite", "a"))
    first.reserve(0.75)
    first.correct(-0.25)
    again = Budget(Price(1.0, 1.0), dollars=1.0, ledger=Ledger(tmp_path / "v.sqlite", "a"))
    assert again.dollars == pytest.approx(0.5) and again.calls == 1
    with pytest.raises(OverBudget):
        again.reserve(0.51)
    assert again.calls == 1
    again.reserve(0.5)
    other = Ledger(tmp_path / "v.sqlite", "b")
    assert other.spent() == (0.0, 0) and other.reserve(0.25, None, None)
    assert again.dollars == pytest.approx(1.0) and again.calls == 2
    assert Budget(Price(1.0, 1.0), dollars=1.0).dollars == 0.0


def test_threads_and_processes_together_never_cross_the_limit(tmp_path):
    file = tmp_path / "v.sqlite"
    ledger = Ledger(file, "study")
    others = [subprocess.Popen([sys.executable, "-c", SPEND, str(file)], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    with ThreadPoolExecutor(8) as pool:
        mine = sum(pool.map(lambda _: ledger.reserve(0.25, 10.0, None), range(40)))
    theirs = [int(process.communicate(timeout=60)[0]) for process in others]
    assert mine + sum(theirs) == 40
    assert ledger.spent() == (10.0, 40)


def test_calls_are_limited_by_themselves(tmp_path):
    ledger = Ledger(tmp_path / "v.sqlite", "study")
    assert [ledger.reserve(0.0, None, 2) for _ in range(4)] == [True, True, False, False]


def test_a_file_that_is_no_ledger_is_named(tmp_path):
    (tmp_path / "v.sqlite").write_bytes(b"no database" * 100)
    with pytest.raises(StoreError, match=r"v\.sqlite: spending cannot be counted"):
        Ledger(tmp_path / "v.sqlite", "study")


def test_a_budget_in_dollars_needs_prices():
    with pytest.raises(ConfigError, match="needs input_price"):
        Budget(Price(), dollars=1.0)
