"""The report and Dagster's page of it in a real browser: drawn, without an error, and with hostile texts as texts."""

import pytest

pytestmark = pytest.mark.slow


@pytest.fixture
def report(home):
    return home / "reports" / "demo.html"


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_the_report_draws_every_figure_without_an_error(visit, report, scheme):
    seen = visit(report.as_uri(), report.as_uri(), scheme)
    seen.page.wait_for_selector("html[data-drawn='8']")
    charts = seen.page.locator(".chart")
    assert charts.count() == 8
    for place in range(8):
        marks = charts.nth(place).locator("svg path, svg rect, svg line").count()
        assert marks > 20, charts.nth(place).get_attribute("id")
    ink = seen.page.evaluate("getComputedStyle(document.querySelector('.chart .role-axis-label text')).fill")
    paper = seen.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = [sum(map(int, colour.strip("rgb()").split(", "))) for colour in (ink, paper)]
    assert (brightness[0] < brightness[1]) == (scheme == "light"), (ink, paper)
    seen.photograph(f"report-{scheme}")
    assert seen.problems == []


def test_texts_of_the_report_stay_texts(visit, report):
    seen = visit(report.as_uri(), report.as_uri())
    seen.page.wait_for_selector("html[data-drawn='8']")
    seen.page.locator("#samples summary").click()
    shown = seen.page.locator(".sample .text").first
    assert shown.is_visible()
    assert "<script>document.title='owned'</script>" in shown.inner_text() and "{{ 7*7 }}" in shown.inner_text()
    assert seen.page.locator("main img, .sample script").count() == 0
    assert seen.page.title() == "Asteer: demo"
    seen.photograph("report-samples")
    assert seen.problems == []


def test_the_first_screen_answers_three_questions_and_the_scatter_has_intervals_that_can_be_hidden(visit, report):
    seen = visit(report.as_uri(), report.as_uri())
    page = seen.page
    page.wait_for_selector("html[data-drawn='8']")
    questions = page.locator(".question:visible").all_inner_texts()
    assert questions == ["Do steered data beat prompting?", "Which metric predicts AUROC?", "Which configuration to use?"]
    for place in range(3):
        box = page.locator(".question:visible").nth(place).bounding_box()
        assert box and box["y"] < 900, "on the first screen"
    whiskers = "#chart-scatter svg .mark-rule.role-mark line"
    # Two lines for each of 24 points with a harmonic mean.
    assert page.locator(whiskers).count() == 48
    page.locator("#scatter input[type=checkbox]").uncheck()
    page.wait_for_function(f"document.querySelectorAll('{whiskers}').length === 0")
    assert page.locator("#chart-strength svg .mark-area path").count() > 10, "bands along the strengths"
    assert seen.problems == []


def test_the_policy_of_the_page_stops_a_script_that_got_in(visit, report):
    seen = visit(report.as_uri(), report.as_uri())
    inject = "() => { const s = document.createElement('script'); s.textContent = 'document.title = 1'; document.body.append(s) }"
    seen.page.evaluate(inject)
    assert seen.page.title() == "Asteer: demo"
    assert any("Content Security Policy" in problem for problem in seen.problems)


def test_another_detector_changes_the_answer_the_figures_and_the_tables(visit, report):
    seen = visit(report.as_uri(), report.as_uri())
    page = seen.page
    page.wait_for_selector("html[data-drawn='8']")
    before, drawn = page.locator("h1:visible").inner_text(), page.locator("#chart-difference svg").inner_html()
    page.select_option("#detector", "tfidf")
    page.wait_for_function("drawn => document.querySelector('#chart-difference svg').innerHTML !== drawn", arg=drawn)
    assert page.locator("h1:visible").count() == 1
    assert page.locator("h1:visible").inner_text() != before
    page.locator("#difference summary").click()
    rows = page.locator("#difference tbody tr:visible")
    assert rows.count() == 32 and rows.first.inner_text().startswith("tfidf")
    assert seen.problems == []


def test_the_page_of_the_asset_shows_the_answer_and_a_figure(visit, home, dagster_url):
    seen = visit(f"{dagster_url}/assets/report?view=overview", dagster_url)
    seen.page.get_by_text("Steered data beat prompting in").first.wait_for()
    seen.photograph("dagster-report")
    seen.page.get_by_text("Show Markdown").first.click()
    picture = seen.page.locator("img[src^='data:image/png']").first
    picture.wait_for()
    assert picture.evaluate("image => image.naturalWidth") > 200
    seen.photograph("dagster-figure")
    assert seen.problems == []
