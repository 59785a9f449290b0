"""An operator's first minutes in `asteer ui`: look at the graph, make one partition with the mouse, see what came of it."""

import pytest

from asteer_core.paths import data_root
from tests.serving import asteer_ui

pytestmark = pytest.mark.slow

STUDY = """\
name: click
concepts: [toxicity, evasion]
models: [neox-2m]
grid: [{method: caa, layers: [1], strengths: [0.4]}]
size: {prompts: 8}
metrics: {m: 8}
"""
SECONDS = 300
GROUPS = "{ assetNodes { groupName } }"
RUNS = "{ runsOrError { ... on Runs { results { status } } } }"
DONE = """
{ assetNodes(assetKeys: [{path: ["contrastive_prompts"]}]) {
    assetMaterializations(limit: 5) { partition metadataEntries { label ... on IntMetadataEntry { intValue } } } } }
"""


@pytest.fixture
def served(browser, tmp_path):
    """A running `asteer ui` over an empty home; the browser is there already, so that nothing of Dagster runs in this process."""
    study = tmp_path / "click.yaml"
    study.write_text(STUDY)
    home = tmp_path / "home"
    home.mkdir()
    with asteer_ui(study, home) as running:
        running.until(lambda: running.ask(GROUPS), SECONDS)
        yield running


def ended(served):
    """Return the runs once there are some and all of them have ended."""
    runs = served.ask(RUNS)["runsOrError"]["results"]
    return runs if runs and all(run["status"] in ("SUCCESS", "FAILURE", "CANCELED") for run in runs) else None


def look_at_the_graph(seen, served):
    """See every group of the graph."""
    groups = {node["groupName"] for node in served.ask(GROUPS)["assetNodes"]}
    assert len(groups) == 10
    for group in groups:
        # The first is the list beside the graph, the second the graph.
        seen.page.get_by_text(group, exact=True).locator("visible=true").nth(1).wait_for()
    seen.photograph("dagster-graph")


def go_to_the_partitions(page, served):
    """Go from a group's graph to the page of its asset, and there to the partitions."""
    page.goto(f"{served.url}/locations/asteer/asset-groups/prompts/lineage")
    page.get_by_text("contrastive_prompts", exact=True).locator("visible=true").first.click()
    page.get_by_text("no group of prompts crosses splits").wait_for()
    page.get_by_text("View in Asset Catalog").click()
    page.get_by_role("tab", name="Partitions").click()
    page.get_by_text("Missing (2)").wait_for()


def launch_one_partition(seen):
    """Choose one of the two partitions and launch it."""
    page = seen.page
    page.get_by_role("button", name="Materialize").first.click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_text("Select a partition").click()
    # The page behind lists the partitions as well; the menu is the later one.
    page.get_by_title("evasion", exact=True).last.click()
    dialog.get_by_text("1 partition", exact=True).wait_for()
    page.keyboard.press("Escape")
    seen.photograph("dagster-launch")
    dialog.get_by_role("button", name="Launch").click()
    page.get_by_text("Launched run").wait_for()


def see_metadata_and_check(seen, served, rows):
    """See on the pages of the partition and of the check what the run recorded."""
    page = seen.page
    page.goto(f"{served.url}/assets/contrastive_prompts?view=partitions")
    page.get_by_text("Materialized (1)").wait_for()
    page.get_by_title("evasion", exact=True).first.click()
    page.get_by_role("row").filter(has_text="dagster/row_count").filter(has_text=str(rows)).wait_for()
    seen.photograph("dagster-partition")
    page.get_by_role("tab", name="Checks").click()
    page.get_by_text("This is a blocking asset check.").wait_for()
    page.get_by_text("Passed", exact=True).locator("visible=true").first.wait_for()
    seen.photograph("dagster-check")


def test_one_partition_is_made_by_clicking_and_shows_its_metadata_and_check(visit, served):
    seen = visit(f"{served.url}/asset-groups", served.url)
    look_at_the_graph(seen, served)
    go_to_the_partitions(seen.page, served)
    launch_one_partition(seen)
    (run,) = served.until(lambda: ended(served), SECONDS)
    assert run["status"] == "SUCCESS", served.log()
    (event,) = served.ask(DONE)["assetNodes"][0]["assetMaterializations"]
    rows = len((data_root() / "concepts" / "evasion" / "pairs.jsonl").read_text().splitlines())
    assert event["partition"] == "evasion"
    assert {"label": "dagster/row_count", "intValue": rows} in event["metadataEntries"]
    see_metadata_and_check(seen, served, rows)
    assert seen.problems == []
