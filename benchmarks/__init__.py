"""How fast, against what: every module prints one table whose ratios were measured in one run, in turns, on one machine.

Run all with `python -m benchmarks`, one with `python -m benchmarks.generation`; `--quick` shrinks the sizes to a smoke test.
What does not belong here: correctness (tests).
"""
