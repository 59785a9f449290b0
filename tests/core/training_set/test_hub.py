"""Uploading to a hub on loopback: private and gated before any file is sent, and errors that say what to check."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from asteer_core.errors import ConfigError, StoreError
from asteer_core.training_set import push_to_hub


class Hub(BaseHTTPRequestHandler):
    """The few routes of the hub that an upload of small files takes."""

    calls: ClassVar[list[tuple[str, str, object]]] = []
    refuses = False

    def _body(self):
        raw = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        try:
            return json.loads(raw)
        except ValueError:
            return raw.decode(errors="replace")

    def _answer(self, value, status=200):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def _any(self):
        body, path = self._body(), self.path.split("?")[0]
        Hub.calls.append((self.command, path, body))
        if Hub.refuses:
            self._answer({"error": "no"}, 403)
        elif path.endswith("/preupload/main"):
            self._answer({"files": [{"path": file["path"], "uploadMode": "regular", "shouldIgnore": False} for file in body["files"]]})
        elif path.endswith("/commit/main"):
            self._answer({"success": True, "commitUrl": f"{self.server.url}/datasets/me/set/commit/{'0' * 40}", "commitOid": "0" * 40})
        elif path.endswith("/yaml"):
            self._answer({"errors": [], "warnings": []})
        else:
            self._answer({"url": f"{self.server.url}/datasets/me/set", "name": "me/set", "id": "me/set", "sha": "0" * 40, "siblings": []})

    do_GET = do_POST = do_PUT = do_HEAD = _any

    def log_message(self, *_):
        pass


@pytest.fixture
def hub(monkeypatch):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    server.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Hub.calls, Hub.refuses = [], False
    monkeypatch.setenv("HF_ENDPOINT", server.url)
    # Read once, when the client is imported; other tests switch it on.
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setenv("HF_TOKEN", "hf_test")
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "README.md").write_text("---\nlicense: apache-2.0\n---\n# Card\n")
    (tmp_path / "provenance.json").write_text("{}")
    (tmp_path / "train.jsonl").write_text('{"prompt": "p"}\n')
    return tmp_path


def test_a_set_goes_to_a_private_gated_repository_settings_first(hub, folder):
    assert push_to_hub(folder, "me/set") == f"{hub.url}/datasets/me/set"
    create = next(body for method, path, body in Hub.calls if path == "/api/repos/create")
    assert create["type"] == "dataset" and (create.get("private") is True or create.get("visibility") == "private")
    order = [path for _, path, _ in Hub.calls]
    assert order.index("/api/datasets/me/set/settings") < order.index("/api/datasets/me/set/commit/main")
    settings = next(body for _, path, body in Hub.calls if path.endswith("/settings"))
    assert settings["gated"] == "manual" and (settings.get("private") is True or settings.get("visibility") == "private")
    commit = str(next(body for _, path, body in Hub.calls if path.endswith("/commit/main")))
    assert all(name in commit for name in ("README.md", "provenance.json", "train.jsonl"))


def test_a_refusal_says_what_to_check_and_sends_no_file(hub, folder):
    Hub.refuses = True
    with pytest.raises(StoreError, match=r"me/set.*HF_TOKEN"):
        push_to_hub(folder, "me/set")
    assert not any(path.endswith("/commit/main") for _, path, _ in Hub.calls)


def test_a_folder_that_is_no_export_and_a_name_without_owner_are_refused_before_any_call(hub, folder, tmp_path_factory):
    with pytest.raises(ConfigError, match="no export"):
        push_to_hub(tmp_path_factory.mktemp("empty"), "me/set")
    with pytest.raises(ConfigError, match="owner/name"):
        push_to_hub(folder, "set")
    assert Hub.calls == []
