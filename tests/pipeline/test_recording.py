"""What Dagster knows after a run: every finished partition exactly once, whether the run succeeded, failed or was killed."""

import os
import signal
import subprocess
import sys
from collections import Counter
from pathlib import Path

import dagster as dg
import pytest

from asteer_core.errors import DataError
from asteer_pipeline import recording
from asteer_pipeline.requests import RANGE_END, RANGE_START
from asteer_pipeline.runner import StageFailed, run_study

HERE = Path(__file__).parent
TINY = str(HERE / "tiny.yaml")
MINI = str(HERE / "mini.yaml")
CORPORA = 8


def recorded(instance, asset):
    """Return how many materialisations each partition of `asset` has."""
    records, cursor = [], None
    while True:
        page = instance.fetch_materializations(dg.AssetKey(asset), limit=500, cursor=cursor)
        records += page.records
        if not page.has_more:
            return Counter(record.partition_key for record in records)
        cursor = page.cursor


def metadata_of(instance, asset, partition):
    event = instance.get_latest_data_version_record(dg.AssetKey(asset), partition_key=partition)
    return event.asset_materialization.metadata


def test_every_partition_of_a_study_is_recorded_once(fake, home, instance):
    assert run_study(TINY, home, instance=instance) == 5
    assert len(recorded(instance, "steered_corpora")) == 2 * (4 + 1 + 4 + 1)
    for stage in fake.STAGES:
        counts = recorded(instance, stage)
        assert set(counts.values()) == {1}
        assert len(counts) == len([call for call in fake.calls if call[0] == stage])


def test_a_second_run_computes_nothing(fake, home, instance):
    run_study(MINI, home, instance=instance)
    fake.calls.clear()
    run_study(MINI, home, instance=instance)
    assert fake.calls == []
    assert set(recorded(instance, "detectors").values()) == {2}


def test_metadata_has_rows_figures_a_plot_and_samples_in_which_nothing_acts(fake, home, instance):
    run_study(MINI, home, instance=instance)
    metadata = metadata_of(instance, "corpus_metrics", "evasion|beta:caa:L02:s0.30")
    assert metadata["dagster/row_count"].value == 3
    assert metadata["success"].value == 0.5
    assert metadata["nothing"] == dg.MetadataValue.null()
    assert metadata["plot"].value.startswith("![plot](data:image/png;base64,")
    assert len(metadata["plot"].value) < 20_000
    samples = metadata["samples (content warning)"].value
    assert samples.startswith("**Content warning:**")
    row = samples.splitlines()[-1]
    assert "`<script>alert(1)</script> ʼxʼ ¦ ![i](http://e) \ufffd`" in row
    assert row.count("|") == 3


def test_partitions_that_finished_before_a_partial_failure_are_recorded_and_the_rest_is_named(fake, home, instance):
    fake.broken["steered_corpora", "evasion", "beta:caa:L02:s0.60"] = "block 2 has no scale"
    with pytest.raises(StageFailed, match="evasion, beta:caa:L02:s0.60: block 2 has no scale"):
        run_study(MINI, home, instance=instance)
    counts = recorded(instance, "steered_corpora")
    assert len(counts) == CORPORA - 1 and set(counts.values()) == {1}
    # The stages behind it went on with what there is; in the fake core nothing they need is missing.
    assert len(recorded(instance, "measurements")) == CORPORA and recorded(instance, "leaderboard")
    fake.broken.clear()
    fake.calls.clear()
    run_study(MINI, home, instance=instance)
    assert [call for call in fake.calls if call[0] == "steered_corpora"] == [("steered_corpora", "evasion", "beta:caa:L02:s0.60")]
    assert len(recorded(instance, "measurements")) == CORPORA


def test_what_lacks_its_input_is_named_after_what_failed_first(fake, home, instance):
    fake.broken["steered_corpora", "evasion", "beta:caa:L02:s0.60"] = "block 2 has no scale"
    fake.broken["measurements", "evasion", "beta:caa:L02:s0.60"] = "its input responses is not there"
    with pytest.raises(StageFailed, match=r"block 2 has no scale\nThe same.*missing in: measurements\. Everything else is made"):
        run_study(MINI, home, instance=instance)
    assert len(recorded(instance, "measurements")) == CORPORA - 1 and len(recorded(instance, "detectors")) == CORPORA


def test_the_cause_is_named_first_where_a_whole_stage_has_nothing_to_work_on(fake, home, instance):
    fake.broken["judges", "evasion", None] = "the price of a token is unknown"
    fake.broken["leaderboard", "", None] = "no configuration has metrics"
    with pytest.raises(
        StageFailed, match=r"price of a token is unknown\nSo the study ends early: .*no configuration has metrics"
    ) as caught:
        run_study(MINI, home, instance=instance)
    assert "Everything else is made" not in str(caught.value)
    del fake.broken["judges", "evasion", None]
    with pytest.raises(StageFailed, match=r"^[^\n]*no configuration has metrics$"):
        run_study(MINI, home, instance=instance)


def test_a_bug_in_a_stage_keeps_what_was_finished_and_stays_itself(fake, home, instance):
    fake.crash["measurements"] = ZeroDivisionError("a bug")
    with pytest.raises(ZeroDivisionError):
        run_study(MINI, home, instance=instance)
    assert len(recorded(instance, "measurements")) == 2


def test_a_stage_that_forgets_a_partition_fails_instead_of_recording_it(fake, home, instance):
    forgotten = "evasion|beta:caa:L02:s0.30"
    fake.forgotten.add(("detectors", *forgotten.split("|")))
    with pytest.raises(StageFailed, match="without 1 of 8 partitions"):
        run_study(MINI, home, instance=instance)
    counts = recorded(instance, "detectors")
    assert forgotten not in counts and len(counts) == CORPORA - 1


def test_a_failed_partition_shows_as_metadata_of_the_failure(defs, fake, instance):
    fake.broken["judges", "evasion", None] = "no rows"
    job = defs.resolve_job_def("study_1_concepts")
    result = job.execute_in_process(instance=instance, partition_key="evasion", raise_on_error=False)
    failure = next(event for event in result.all_events if event.is_step_failure).step_failure_data
    assert failure.user_failure_data.metadata["failures"].value == "evasion|None: no rows"
    assert failure.user_failure_data.metadata["finished partitions (kept)"].value == 0


def test_a_single_partition_is_made_alone(defs, fake, instance):
    job = defs.resolve_job_def("study_5_corpora")
    result = job.execute_in_process(
        instance=instance, partition_key=dg.MultiPartitionKey({"concept": "evasion", "configuration": "beta:caa:L02:s0.30"})
    )
    assert result.success
    assert {call[1:] for call in fake.calls} == {("evasion", "beta:caa:L02:s0.30")}


def interrupted(home, signal_number):
    """Run a slow study in a process of its own, send it a signal after the third corpus, and return its exit code."""
    path = os.pathsep.join([str(HERE.parents[1]), os.environ.get("PYTHONPATH", "")])
    process = subprocess.Popen(
        [sys.executable, str(HERE / "run_fake_study.py"), MINI, str(home)],
        env={**os.environ, "FAKE_SECONDS": "0.02", "PYTHONPATH": path}, stdout=subprocess.PIPE, text=True,
    )  # fmt: skip
    assert process.stdout.readline() == "ready\n"
    process.send_signal(signal_number)
    process.communicate(timeout=60)
    return process.returncode


@pytest.mark.parametrize(("signal_number", "code"), [(signal.SIGTERM, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_killed_study_loses_nothing(fake, home, instance, signal_number, code):
    assert interrupted(home, signal_number) == code
    made = {path.stem for path in (home / "fake" / "steered_corpora").iterdir()}
    assert 3 <= len(made) < CORPORA
    if signal_number != signal.SIGKILL:  # nobody can record after SIGKILL; the files are found by the next run
        with dg.DagsterInstance.from_config(str(home / "dagster")) as disk:
            counts = recorded(disk, "steered_corpora")
        assert set(counts.values()) == {1} and len(made) - 1 <= len(counts) <= len(made)
    run_study(MINI, home, instance=instance)
    assert len(recorded(instance, "steered_corpora")) == CORPORA
    assert len([call for call in fake.calls if call[0] == "steered_corpora"]) == CORPORA - len(made)


@pytest.mark.parametrize(
    ("error", "restarts"), [(OSError("a disk that stumbles"), recording.RETRIES), (FileNotFoundError("gone"), 0), (DataError("wrong"), 0)]
)
def test_a_fault_that_may_pass_is_tried_again_and_what_is_finished_is_recorded_once(defs, fake, instance, monkeypatch, error, restarts):
    monkeypatch.setattr(recording, "FIRST_WAIT_SECONDS", 0)
    fake.crash["judges"] = error
    job, tags = defs.resolve_job_def("study_1_concepts"), {RANGE_START: "toxicity", RANGE_END: "evasion"}
    result = job.execute_in_process(instance=instance, tags=tags, raise_on_error=False)
    assert not result.success
    again = [event for event in result.all_events if event.event_type_value == "STEP_RESTARTED" and event.step_key == "judges"]
    assert len(again) == restarts
    assert recorded(instance, "judges") == {"toxicity": 1, "evasion": 1}
