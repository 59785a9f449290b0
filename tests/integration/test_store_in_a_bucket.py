"""A whole small study with its store in a bucket, over the real protocol: moto's S3 server on loopback."""

import logging
from pathlib import Path

import pytest
from moto.server import ThreadedMotoServer

from asteer_core.study import Workspace, run_line
from asteer_core.warehouse import query, upgrade, warehouse_path
from asteer_core.warehouse.places import is_remote, place
from asteer_core.warehouse.store import Store

BUCKET = "s3://studies-of-us/team"


@pytest.fixture(scope="module")
def bucket():
    """The URL of an empty bucket; the settings are those that reach any S3-compatible store."""
    import boto3

    logging.getLogger("werkzeug").setLevel(logging.ERROR)
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0)
    server.start()
    host, port = server.get_host_and_port()
    with pytest.MonkeyPatch.context() as patch:
        for name, value in {
            "AWS_ENDPOINT_URL": f"http://{host}:{port}", "AWS_ACCESS_KEY_ID": "any", "AWS_SECRET_ACCESS_KEY": "thing",
            "AWS_DEFAULT_REGION": "us-east-1", "ASTEER_STORE": BUCKET,
        }.items():  # fmt: skip
            patch.setenv(name, value)
        boto3.client("s3").create_bucket(Bucket="studies-of-us")
        yield BUCKET
    server.stop()


def test_of_two_owners_one_leases_over_s3(bucket):
    store = Store(f"{bucket}/leased")
    with store.leases() as first, store.leases() as second:
        assert first.acquire("corpora", "c", "m:caa") and not second.acquire("corpora", "c", "m:caa")
        first.release("corpora", "c", "m:caa")
        assert second.acquire("corpora", "c", "m:caa")


def test_a_bucket_that_does_not_exist_is_an_error_with_what_to_look_at(bucket):
    from asteer_core.errors import StoreError

    with pytest.raises(StoreError, match=r"ASTEER_STORE, the credentials.* whether the bucket exists"):
        Store("s3://no-such-bucket/x").leases().__enter__()


@pytest.mark.slow
def test_a_study_runs_in_a_bucket_and_another_machine_goes_on_with_it(bucket, small_study, small_data, tmp_path):
    study = small_study.model_copy(update={"concepts": ["toxicity"]})
    made = list(run_line(Workspace(study, tmp_path / "one", small_data)))
    assert made and not any(done.reused for _, done in made)
    assert is_remote(place(bucket)) and not (tmp_path / "one" / "studies").exists()

    # Nothing but the bucket is shared with the second machine.
    again = list(run_line(Workspace(study, tmp_path / "two", small_data)))
    assert len(again) == len(made) and {stage for stage, done in again if not done.reused} == {"warehouse", "report"}

    for home in ("one", "two"):
        rows = _rows(warehouse_path(tmp_path / home))
        assert rows["corpora"] > 0 and rows["responses"] > 0
    assert _rows(warehouse_path(tmp_path / "one")) == rows
    assert place(f"{bucket}/warehouse.duckdb").is_file()
    assert upgrade(tmp_path / "three").studies == ("small",)
    assert not list(place(f"{bucket}/studies/small/leases").rglob("*.lease"))


def _rows(path: Path) -> dict[str, int]:
    return {table: query(f"SELECT count(*) AS n FROM {table}", path)["n"][0] for table in ("corpora", "responses", "leaderboard")}
