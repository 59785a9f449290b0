"""A chat endpoint on loopback that behaves as a test tells it to."""

import json
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from asteer_core.judges._rubric import Rubric

RUBRIC = Rubric("Toxicity", "Insults {people}.", "Score what is said, not what is asked.", ("You fool.",), ("He said {x}.",))


def completion(content: object, finish: str = "stop") -> bytes:
    """Return the body of a chat completion."""
    choice = {"message": {"role": "assistant", "content": content}, "finish_reason": finish}
    return json.dumps({"choices": [choice], "usage": {"prompt_tokens": 100, "completion_tokens": 10}}).encode()


class Endpoint:
    """Records requests and answers each with (status, headers, body) from `script`, by default a verdict of 2 and 1.

    `script(request, number)` returns the answer to the request with that number, from 0; None closes the connection.
    """

    def __init__(self) -> None:
        self.requests: list[dict] = []
        self.headers: list[dict[str, str]] = []
        self.script: Callable[[dict, int], tuple[int, dict, bytes] | None] = lambda request, number: (200, {}, completion(verdict(request)))
        self.busy, self.busiest = 0, 0
        self.lock = threading.Lock()
        self.url = ""


def ticket(request: dict) -> str:
    """Return the ticket that the question carries."""
    return request["messages"][0]["content"].rsplit('"ticket": "', 1)[1][:12]


def verdict(request: dict, success: object = 2, coherence: object = 1) -> str:
    """Return the reply of a judge that follows its instructions."""
    return json.dumps({"ticket": ticket(request), "success": success, "coherence": coherence})


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    # Head and body in one packet each way; apart, the body waits for the head to be acknowledged.
    wbufsize = -1
    disable_nagle_algorithm = True

    def do_POST(self) -> None:
        endpoint: Endpoint = self.server.endpoint  # type: ignore[attr-defined]
        request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        with endpoint.lock:
            number = len(endpoint.requests)
            endpoint.requests.append(request)
            endpoint.headers.append({name.lower(): value for name, value in self.headers.items()})
            endpoint.busy += 1
            endpoint.busiest = max(endpoint.busiest, endpoint.busy)
        try:
            answer = endpoint.script(request, number)
        finally:
            with endpoint.lock:
                endpoint.busy -= 1
        if answer is None:
            self.close_connection = True
            return
        status, headers, body = answer
        self.send_response(status)
        for name, value in {"Content-Length": str(len(body)), **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        # A body shorter than announced ends where the connection does.
        self.close_connection = self.close_connection or "Content-Length" in headers

    def log_message(self, *args: object) -> None:
        pass


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # a client that gave up waiting


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    server = _Server(("127.0.0.1", 0), _Handler)
    server.endpoint = endpoint = Endpoint()  # type: ignore[attr-defined]
    endpoint.url = f"http://127.0.0.1:{server.server_address[1]}/v1"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    yield endpoint
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def rubric() -> Rubric:
    return RUBRIC
