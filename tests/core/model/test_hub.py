"""Models of a hub: a fake one on loopback is listed by the real client, and what it says becomes registry entries."""

import json
import os
import subprocess
import sys
import threading
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

from asteer_core.errors import ConfigError
from asteer_core.model.available import available_models
from asteer_core.model.hub import HubSource, merge

CODE = """
import sys
from pathlib import Path
from asteer_core.errors import ModelError
from asteer_core.model.hub import HubSource, update
try:
    print(update(Path(sys.argv[1]), HubSource.parse(sys.argv[2]), sys.argv[3:]))
except ModelError as error:
    print(error)
"""


def model(name, sha="a" * 40, tags=("safetensors",), kind="text-generation"):
    return {"_id": name, "id": name, "modelId": name, "sha": sha, "tags": list(tags), "pipeline_tag": kind, "siblings": []}


@pytest.fixture
def hub():
    """A hub that answers what `pages` holds by path."""
    pages = {}

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            page = pages.get(self.path.split("?")[0])
            body = json.dumps(page).encode()
            self.send_response(404 if page is None else 200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            """Say nothing."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield server.server_port, pages
    server.shutdown()
    server.server_close()


def update(home, port, source, *taken):
    # The client reads HF_ENDPOINT when it is imported, so it runs in a process of its own.
    environment = {**os.environ, "HF_ENDPOINT": f"http://127.0.0.1:{port}", "HF_HUB_OFFLINE": "0", "NO_PROXY": "127.0.0.1"}
    done = subprocess.run([sys.executable, "-c", CODE, str(home), source, *taken], env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


@pytest.fixture
def data(tmp_path):
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "models.yaml").write_text("- {name: shipped, source: models/shipped}\n- {name: other, source: models/other}\n")
    return folder


def test_an_authors_models_become_entries_and_retire_when_they_go(hub, tmp_path, data):
    port, pages = hub
    home = tmp_path / "home"
    pages["/api/models"] = [model("Acme/Big-1B"), model("Acme/pickled", tags=()), model("Acme/Mine")]
    assert update(home, port, "author:Acme", "Acme/Mine") == "True"
    found = available_models(home, data)
    assert list(found.specs) == ["shipped", "other", "acme.big-1b"]
    assert (found.get("acme.big-1b").source, found.get("acme.big-1b").revision) == ("Acme/Big-1B", "a" * 40)
    assert update(home, port, "author:Acme", "Acme/Mine") == "False"
    pages["/api/models"] = [model("Acme/Next")]
    assert update(home, port, "author:Acme") == "True"
    assert available_models(home, data).get("acme.big-1b").retired and available_models(home, data).current()[-1] == "acme.next"


def test_a_collection_is_listed_by_its_models(hub, tmp_path, data):
    port, pages = hub
    item = {"_id": "1", "item_object_id": "1", "id": "Acme/Big-1B", "type": "model", "position": 0}
    pages["/api/collections/acme/slug-1"] = {
        "slug": "acme/slug-1", "title": "t", "owner": {"name": "acme"}, "items": [item, {**item, "id": "Acme/set", "type": "dataset"}],
        "lastUpdated": "2026-01-01T00:00:00.000Z", "position": 0, "private": False, "theme": "x", "upvotes": 0,
    }  # fmt: skip
    pages["/api/models/Acme/Big-1B"] = model("Acme/Big-1B", sha="b" * 40)
    assert update(tmp_path, port, "collection:acme/slug-1") == "True"
    assert available_models(tmp_path, data).get("acme.big-1b").revision == "b" * 40


def test_a_hub_that_does_not_answer_leaves_the_file_as_it_was(hub, tmp_path):
    port, pages = hub
    pages["/api/models"] = [model("Acme/Big-1B")]
    update(tmp_path, port, "author:Acme")
    before = (tmp_path / "hub-models.yaml").read_bytes()
    del pages["/api/models"]
    assert "cannot be listed" in update(tmp_path, port, "author:Acme")
    assert (tmp_path / "hub-models.yaml").read_bytes() == before


def test_what_returns_is_no_longer_retired():
    gone = merge([{"name": "a", "source": "x/a"}], [], [])
    assert gone == [{"name": "a", "source": "x/a", "retired": True}]
    assert merge(gone, [{"name": "a", "source": "x/a", "revision": "1"}], []) == [{"name": "a", "source": "x/a", "revision": "1"}]


@pytest.mark.parametrize("text", ["acme", "author:", "author:a/b", "collection:slug", "user:x"])
def test_a_source_that_is_neither_author_nor_collection_is_refused(text):
    with pytest.raises(ConfigError, match="expected author:NAME"):
        HubSource.parse(text)
