"""The report as a file: complete, the same every time, asking nothing of the network, and harmless whatever the texts say."""

import base64
import hashlib
import json
import re
from html.parser import HTMLParser

import pytest

from asteer_core.errors import ConfigError, StoreError
from asteer_core.report import gather, write_report
from asteer_core.warehouse import publish
from tests.core.report.conftest import EVIL


class Page(HTMLParser):
    """The elements, scripts and visible text of a page."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict]] = []
        self.scripts: list[tuple[dict, str]] = []
        self.text, self._script = "", None
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append((tag, dict(attrs)))
        self._script = dict(attrs) if tag == "script" else None
        if tag == "script":
            self.scripts.append((dict(attrs), ""))

    def handle_endtag(self, tag):
        if tag == "script":
            self._script = None

    def handle_data(self, data):
        if self._script is not None:
            attrs, before = self.scripts[-1]
            self.scripts[-1] = (attrs, before + data)
        else:
            self.text += data


@pytest.fixture(scope="session")
def written(reported, tmp_path_factory):
    return write_report("demo", tmp_path_factory.mktemp("report") / "demo.html", reported)


@pytest.fixture(scope="session")
def page(written) -> Page:
    return Page(written.path.read_text("utf-8"))


def test_the_page_begins_with_the_answer_and_counts_it_right(written, page):
    assert re.fullmatch(r"Steered data beat prompting in \d+ of 32 configurations, .*\.", written.answer)
    assert written.answer in page.text
    assert 'asteer sql -c "FROM leaderboard' in page.text


def test_every_figure_has_a_specification_a_table_and_a_label(page):
    charts = [attrs["id"] for tag, attrs in page.tags if tag == "div" and attrs.get("class") == "chart"]
    assert charts == ["chart-difference", "chart-predictors", "chart-scatter", "chart-strength", "chart-heat-map", "chart-narrow-band",
                      "chart-vectors", "chart-audits"]  # fmt: skip
    assert all(attrs["role"] == "img" and attrs["aria-label"] for tag, attrs in page.tags if attrs.get("class") == "chart")
    specs = {attrs["data-chart"]: json.loads(text) for attrs, text in page.scripts if attrs.get("class") == "spec"}
    assert list(specs) == charts
    assert all(spec["data"]["values"] for spec in specs.values())
    assert page.text.count("The numbers as a table") == len(charts)


def test_a_figure_shows_what_the_warehouse_says(reported, page):
    facts = gather("demo", reported)
    spec = next(json.loads(text) for attrs, text in page.scripts if attrs.get("data-chart") == "chart-difference")
    drawn = {(row["detector"], row["concept"], row["configuration"]): row["difference"] for row in spec["data"]["values"]}
    assert len(drawn) == facts.steered.height == 64
    for row in facts.steered.rows(named=True):
        key = row["configuration_id"].removeprefix(f"{row['concept']}:").split("#")[0]
        assert drawn[row["detector"], row["concept"], key] == pytest.approx(row["difference"], abs=5e-5)


def test_the_page_asks_nothing_of_the_network(page):
    assert not [attrs for _, attrs in page.tags if attrs.get("src", "").startswith(("http", "//"))]
    assert [attrs["href"] for tag, attrs in page.tags if tag == "link"] == ["data:,"]
    policy = next(attrs["content"] for tag, attrs in page.tags if attrs.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'")
    run = [text for attrs, text in page.scripts if not attrs]
    hashes = [f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" for text in run]
    assert len(run) == 2 and all(value in policy for value in hashes)


def test_hostile_texts_stay_texts(written, page):
    raw = written.path.read_text("utf-8")
    assert EVIL.split(" ")[0] not in raw
    assert "<img" not in re.sub(r"<script.*?</script>", "", raw, flags=re.S)
    shown = page.text.count("<script>document.title='owned'</script>")
    assert shown > 10, "the gallery shows the texts as they are"
    assert "{{ 7*7 }}" in page.text and "\u202e" not in raw
    assert "Content warning" in page.text


def test_the_same_warehouse_gives_the_same_bytes(written, reported, tmp_path):
    again = write_report("demo", tmp_path / "again.html", reported)
    assert again.path.read_bytes() == written.path.read_bytes()
    assert written.size == written.path.stat().st_size < 5_000_000


@pytest.mark.slow
def test_pictures_are_made_without_a_browser(reported, tmp_path):
    pictures = write_report("demo", tmp_path / "r.html", reported, pictures=True).pictures
    assert len(pictures) == 3
    assert all(png.startswith(b"\x89PNG") and len(png) > 3000 for png in pictures.values())


def test_an_unknown_study_is_named_with_the_nearest(reported, tmp_path):
    with pytest.raises(ConfigError, match="Did you mean 'demo'"):
        write_report("dmo", tmp_path / "r.html", reported)
    assert list(tmp_path.iterdir()) == []


def test_a_study_without_detectors_says_what_to_run(tmp_path):
    publish({"young": tmp_path / "nothing"}, tmp_path / "w.duckdb")
    with pytest.raises(StoreError, match="asteer study run young"):
        write_report("young", tmp_path / "r.html", tmp_path / "w.duckdb")


@pytest.mark.slow
def test_no_color_of_the_page_is_left_in_a_picture(reported):
    from asteer_core.report.figures import build_figures
    from asteer_core.report.theme import literal, specification

    for figure in build_figures(gather("demo", reported)):
        assert "var(--" not in json.dumps(literal(specification(figure.chart)))
