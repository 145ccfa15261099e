"""A stand-in for W&B's server on this host: it takes runs and remembers what it was told."""

import json
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from typing import Any


class Server(ThreadingHTTPServer):
    """status: of every answer; by default it takes all. down_after: an operation after which it answers 503. answers:
    what it says to further operations, given their variables.

    calls: operation or path of every request, and its body. keys: what requests gave as their authorisation.
    """

    def __init__(self, status: int = 200, down_after: str | None = None, **answers: Callable[[Any], Any]) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.status, self.down_after, self.answers = status, down_after, answers
        self.calls: list[tuple[str, Any]] = []
        self.keys: set[str] = set()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"

    def named(self, operation: str) -> list[Any]:
        """The variables of every call of that operation."""
        return [body for name, body in self.calls if name == operation]

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that hangs up is none."""


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Server

    def do_POST(self) -> None:
        server, body = self.server, self.rfile.read(int(self.headers.get("content-length") or 0))
        server.keys.add(self.headers.get("authorization", ""))
        name, answer = self.path, {}
        if self.path == "/graphql":
            asked = json.loads(body)
            body = asked.get("variables")
            name = re.findall(r"(?:query|mutation)\s+(\w+)|\{\s*(\w+)", asked["query"])[0]
            name = name[0] or name[1]  # an operation without a name has that of its first field
            answer = {"data": self.answer(name, body)}
        server.calls.append((name, body))
        if server.status != 200:
            answer = {"errors": [{"message": "\x1b[31mno\u009b such \u202ekey\r\n"}]}
        data = json.dumps(answer, ensure_ascii=False).encode()
        self.send_response(server.status)
        self.send_header("content-length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)
        if name == server.down_after:
            server.status = 503

    do_GET = do_PUT = do_POST

    def do_CONNECT(self) -> None:
        """Asked, as a proxy, for the way to another host."""
        self.server.calls.append((f"CONNECT {self.path}", None))
        self.send_error(503)

    def answer(self, name: str, asked: Any) -> dict[str, Any]:
        """What W&B would say, as far as a run needs it."""
        if name in self.server.answers:
            return dict(self.server.answers[name](asked))
        if name == "UpsertBucket":
            project = {"id": "1", "name": asked["project"], "entity": {"id": "1", "name": "me"}}
            facts = dict.fromkeys(["displayName", "description", "config", "sweepName"])
            bucket = {"id": "1", "name": asked["name"], "project": project, "historyLineCount": 0, **facts}
            return {"upsertBucket": {"bucket": bucket, "inserted": True}}
        if name == "CreateRunFiles":
            places = [{"name": file, "uploadUrl": f"{self.server.url}/{file}"} for file in asked["files"]]
            return {"createRunFiles": {"runID": "1", "uploadHeaders": [], "files": places}}
        return {}

    def log_message(self, format: str, *args: Any) -> None:
        """Nothing is printed."""


@contextmanager
def serving(status: int = 200, down_after: str | None = None, **answers: Callable[[Any], Any]) -> Iterator[Server]:
    """A server, as long as the block lasts."""
    with Server(status, down_after, **answers) as server:
        Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()
