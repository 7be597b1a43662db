"""Two hubs of data sets on one real socket: Hugging Face's and ModelScope's API, well and misbehaving."""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread
from urllib.parse import parse_qs, unquote, urlsplit

SHA = "c0ffee" + "0" * 34
ROW = b'{"instruction": "\xe9\x97\xae%d", "output": "\xe7\xad\x94"}\n'
CARD = b"---\nlicense: cc-by-4.0\n---\n# A data set\n"
Reply = tuple[int, bytes, dict[str, str]]


@dataclass
class DataHub:
    """Serves `files` as the data set `owner/name`; `status` other than 200 is the answer to everything."""

    files: dict[str, bytes] = field(default_factory=dict)
    card: dict[str, object] = field(default_factory=dict)
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    cut: int = 0  # so many times a file breaks off halfway
    ranges: bool = True  # or each file comes whole
    sent: Counter[str] = field(default_factory=Counter)  # bytes of files, by name
    asked: list[tuple[str, str, str]] = field(default_factory=list)  # method, path, range
    sha: str = SHA
    url: str = ""

    def answer(self, target: str) -> Reply:
        url = urlsplit(target)
        path, query = unquote(url.path), {name: values[0] for name, values in parse_qs(url.query).items()}
        if self.status != 200:
            return self.status, b'{"error": "no"}', self.headers
        if path in ("/api/datasets/owner/name", f"/api/datasets/owner/name/revision/{self.sha}"):
            siblings = [{"rfilename": name} for name in self.files]
            info = {"id": "owner/name", "sha": self.sha, "siblings": siblings, "cardData": self.card}
            return 200, json.dumps(info).encode(), {}
        if path.startswith(f"/datasets/owner/name/resolve/{self.sha}/"):
            content = self.files[path.partition(self.sha + "/")[2]]
            return 200, content, {"ETag": f'"{hashlib.sha1(content).hexdigest()}"', "X-Repo-Commit": self.sha}
        if path == "/api/v1/datasets/owner/name/repo/tree":
            found = [
                {"Path": name, "Name": name, "Size": len(content), "Type": "blob", "Sha256": _sha256(content)}
                for name, content in self.files.items()
            ]
            data = {"Files": found, "TotalCount": len(found)}
            return 200, json.dumps({"Code": 200, "Success": True, "Data": data}).encode(), {}
        if path == "/api/v1/datasets/owner/name/repo":
            return 200, self.files[query["FilePath"]], {}
        return 404, b"{}", {"X-Error-Code": "RepoNotFound"}


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


@contextmanager
def serving() -> Iterator[DataHub]:
    hub = DataHub()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            asked = self.headers.get("Range", "")
            hub.asked.append((self.command, urlsplit(self.path).path, asked))
            status, content, headers = hub.answer(self.path)
            if asked and status == 200 and hub.ranges:
                first, last = asked.removeprefix("bytes=").split("-")
                start, stop, size = int(first), min(int(last or len(content)) + 1, len(content)), len(content)
                status, said = (206, f"bytes {start}-{stop - 1}/{size}") if start < size else (416, f"bytes */{size}")
                headers, content = {**headers, "Content-Range": said}, content[start:stop]
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                half = hub.cut > 0 and "/resolve/" in self.path
                hub.cut -= half
                content = content[: len(content) // 2] if half else content
                hub.sent[urlsplit(self.path).path.rpartition("/")[2]] += len(content)
                self.wfile.write(content)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    hub.url = f"http://127.0.0.1:{server.server_port}"
    yield hub
    server.shutdown()
    server.server_close()
