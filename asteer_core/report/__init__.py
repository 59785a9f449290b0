"""The report: one HTML file that a decision maker opens from disk, made from the warehouse alone.

Doors: `write_report` (the file), `gather` (what it says, as frames). A figure is one file in `figures/`; how a page looks stands in
`template/`. Does not belong here: a formula (the warehouse and the analysis have them), or reading a store.

The plotting library is Altair, for Vega-Lite: its JavaScript goes inline with 0.9 MB (plotly.js: 4.7 MB), its figures are vector
graphics that follow the page's colours in dark, light and print, and the same specifications become pictures without a browser.
It is imported by `figures` only, on first use.
"""

from asteer_core.report.facts import Facts, gather
from asteer_core.report.writing import Written, write_report

__all__ = ["Facts", "Written", "gather", "write_report"]
