"""Every method has a page, and its table of defaults is what the code says."""

import pytest

from asteer_core.errors import DataError
from asteer_core.methods import METHODS
from asteer_core.methods._defaults import INDEX, defaults_table, overview, with_table
from asteer_core.paths import data_root

PAGES = data_root().parent / "docs" / "methods"
HINT = "run: python -m asteer_core.methods._defaults docs/methods"


@pytest.mark.parametrize("name", METHODS.names())
def test_the_page_of_a_method_has_the_table_of_the_code(name):
    page = (PAGES / f"{name}.md").read_text(encoding="utf-8")
    assert page == with_table(page, defaults_table(METHODS.get(name)), name), HINT
    assert "**Dial:**" in page and "**Traps:**" in page and "**Use it**" in page


def test_the_overview_lists_every_method():
    page = (PAGES / f"{INDEX}.md").read_text(encoding="utf-8")
    assert page == with_table(page, overview(), INDEX), HINT
    assert {path.stem for path in PAGES.glob("*.md")} == {*METHODS.names(), INDEX}


def test_a_page_without_a_place_for_the_table_is_refused():
    with pytest.raises(DataError, match="no lines"):
        with_table("text", "table", "page")
