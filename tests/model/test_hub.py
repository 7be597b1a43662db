"""Models by name: hubs on a real socket, well and broken, and nothing asked of them that the cache has."""

import hashlib
import json
import shutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from importlib.util import find_spec
from pathlib import Path
from threading import Thread
from urllib.parse import parse_qs, urlsplit

import pytest
from typer.testing import CliRunner

import weitiao.model
from weitiao import pipeline
from weitiao.cli.run import app
from weitiao.errors import UserError
from weitiao.model.hub import resolve
from weitiao.recipe import load

SHA = "a" * 40


@dataclass
class Hub:
    """A hub that has the files of one folder as the model `someone/small`; `status` other than 200 breaks it."""

    folder: Path
    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    url: str = ""
    cut: bool = False  # weights break off halfway

    def files(self) -> list[Path]:
        return [path for path in sorted(self.folder.rglob("*")) if path.is_file()]

    def answer(self, target: str) -> tuple[bytes, dict[str, str]] | None:
        url = urlsplit(target)
        query = {name: values[0] for name, values in parse_qs(url.query).items()}
        names = {path.relative_to(self.folder).as_posix(): path for path in self.files()}
        if url.path == "/api/models/someone/small/revision/main":
            return json.dumps({"id": "someone/small", "sha": SHA}).encode(), {}
        if url.path == f"/api/models/someone/small/tree/{SHA}":
            rows = [
                {"type": "file", "path": name, "size": path.stat().st_size, "oid": _sha1(path)}
                for name, path in names.items()
            ]
            return json.dumps(rows).encode(), {}
        if url.path.startswith(f"/someone/small/resolve/{SHA}/"):
            path = names[url.path.rpartition(f"{SHA}/")[2]]
            return path.read_bytes(), {"ETag": f'"{_sha1(path)}"', "X-Repo-Commit": SHA}
        if url.path == "/api/v1/models/someone/small/repo/files":
            found = [
                {
                    "Path": name,
                    "Name": path.name,
                    "Size": path.stat().st_size,
                    "Type": "blob",
                    "Sha256": _sha256(path),
                    "Revision": SHA,
                }
                for name, path in names.items()
            ]
            return json.dumps({"Code": 200, "Success": True, "Data": {"Files": found}}).encode(), {}
        if url.path == "/api/v1/models/someone/small/repo":
            return names[query["FilePath"]].read_bytes(), {}
        return None


def _sha1(path: Path) -> str:
    return hashlib.sha1(path.read_bytes()).hexdigest()


def _sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


@pytest.fixture
def hub(tiny_llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    shutil.copytree(tiny_llama, tmp_path / "served")
    found = Hub(tmp_path / "served")

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found.asked.append(self.path)
            answer = found.answer(self.path) if found.status == 200 else (b"{}", found.headers)
            content, headers = answer or (b"{}", {"X-Error-Code": "RepoNotFound"})
            self.send_response(found.status if answer else 404)
            for name, value in {**headers, "Content-Length": str(len(content))}.items():
                self.send_header(name, value)
            self.end_headers()
            if self.command == "GET":
                half = found.cut and "safetensors" in self.path
                self.wfile.write(content[: len(content) // 2] if half else content)

        do_HEAD = do_GET

        def log_message(self, format: str, *args: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    Thread(target=server.serve_forever, daemon=True).start()
    found.url = f"http://127.0.0.1:{server.server_port}"
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", found.url)
    template = found.url + "/{repo_id}/resolve/{revision}/{filename}"
    monkeypatch.setattr("huggingface_hub.constants.HUGGINGFACE_CO_URL_TEMPLATE", template)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_DISABLE_PROGRESS_BARS", True)
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", found.url)
    monkeypatch.setenv("MODELSCOPE_CACHE", str(tmp_path / "cache"))
    if find_spec("modelscope"):
        from modelscope_hub import HubConfig, set_default_config

        set_default_config(HubConfig())  # it keeps what the environment was at first
    yield found
    server.shutdown()
    server.server_close()


HUBS = pytest.mark.parametrize(
    "name",
    [
        "someone/small",
        pytest.param(
            "modelscope:someone/small",
            marks=pytest.mark.skipif(find_spec("modelscope") is None, reason="modelscope is not installed"),
        ),
    ],
)


@HUBS
def test_a_name_is_fetched_once_and_then_found_without_a_network(name: str, hub: Hub, tmp_path: Path) -> None:
    for other in ("consolidated.safetensors", "model.py", "onnx/config.json", "pytorch_model.bin"):
        (hub.folder / other).parent.mkdir(exist_ok=True)
        (hub.folder / other).write_bytes(b"x")
    (hub.folder / "README.md").write_text("---\nlicense: mit\n---\n")
    found = Path(resolve(name, tmp_path))
    assert (found / "model.safetensors").read_bytes() == (hub.folder / "model.safetensors").read_bytes()
    assert (found / "tokenizer.json").is_file()
    assert (found / "README.md").is_file()
    assert not [
        path
        for path in found.rglob("*")
        if path.name in ("consolidated.safetensors", "model.py", "onnx", "pytorch_model.bin")
    ]
    before = len(hub.asked)
    hub.status = 500
    assert resolve(name, tmp_path) == str(found)
    assert resolve(name, tmp_path, weights=False) == str(found)
    assert len(hub.asked) == before


@HUBS
def test_weights_come_when_they_are_needed(name: str, hub: Hub, tmp_path: Path) -> None:
    known = Path(resolve(name, tmp_path, weights=False))
    assert (known / "config.json").is_file()
    assert not (known / "model.safetensors").exists()
    assert (Path(resolve(name, tmp_path)) / "model.safetensors").is_file()


@HUBS
def test_only_bin_weights(name: str, hub: Hub, tmp_path: Path) -> None:
    (hub.folder / "model.safetensors").rename(hub.folder / "pytorch_model.bin")
    (hub.folder / "own.py").write_text("")
    found = Path(resolve(name, tmp_path, code=True))
    assert (found / "pytorch_model.bin").is_file()
    assert (found / "own.py").is_file()
    hub.status = 500
    assert resolve(name, tmp_path, code=True) == str(found)


@HUBS
def test_a_download_broken_off_goes_on(name: str, hub: Hub, tmp_path: Path) -> None:
    found = Path(resolve(name, tmp_path))
    (found / "model.safetensors").unlink()
    assert Path(resolve(name, tmp_path)) == found
    assert (found / "model.safetensors").is_file()


@pytest.mark.parametrize("status", [401, 403, 404, 500])
def test_a_broken_hub(hub: Hub, tmp_path: Path, status: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.status = status
    with pytest.raises(UserError, match=f"No model `someone/small`.*{status}") as error:
        resolve("someone/small", tmp_path)
    assert "hf download someone/small --local-dir" in error.value.hint
    assert "HF_ENDPOINT=" in error.value.hint
    assert "modelscope:" in error.value.hint


def test_a_name_that_there_is_not(hub: Hub, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=f"there is none at {hub.url}"):
        resolve("someone/else", tmp_path)


def test_a_connection_that_breaks_off(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)
    hub.cut = True
    with pytest.raises(UserError, match="No model `someone/small`"):
        resolve("someone/small", tmp_path)
    hub.cut = False
    assert resolve("someone/small", tmp_path)


def test_a_gated_model_says_where_to_ask(hub: Hub, tmp_path: Path) -> None:
    hub.status, hub.headers = 403, {"X-Error-Code": "GatedRepo"}
    with pytest.raises(UserError, match="only to those who asked") as error:
        resolve("someone/small", tmp_path)
    assert f"{hub.url}/someone/small" in error.value.hint


@HUBS
def test_no_hub_at_all(name: str, hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setenv("MODELSCOPE_ENDPOINT", "http://127.0.0.1:9")
    monkeypatch.setattr("time.sleep", lambda _: None)
    if find_spec("modelscope"):
        from modelscope_hub import HubConfig, set_default_config

        set_default_config(HubConfig())
    with pytest.raises(UserError, match="not in the cache") as error:
        resolve(name, tmp_path)
    assert f"{'modelscope' if ':' in name else 'hf'} download someone/small" in error.value.hint


def test_offline_by_choice(hub: Hub, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(UserError, match="not in the cache"):
        resolve("someone/small", tmp_path)
    assert not hub.asked


def test_local_folders(tiny_llama: Path, tmp_path: Path, hub: Hub) -> None:
    assert resolve(tiny_llama.name, tiny_llama.parent) == str(tiny_llama.resolve())
    with pytest.raises(UserError, match="No model at"):
        resolve("./absent", tmp_path)
    with pytest.raises(UserError, match=r"is not a model: it has no config\.json"):
        resolve(".", tmp_path)
    with pytest.raises(UserError) as caught:
        resolve(".", tiny_llama.parent)
    assert caught.value.hint == f"Did you mean `{max(tiny_llama.parent.glob('*/config.json')).parent}`?"
    with pytest.raises(UserError, match="No model `not a name`"):
        resolve("not a name", tmp_path)
    index = {"weight_map": {"a": "model-1-of-2.safetensors", "b": "model-2-of-2.safetensors"}}
    (hub.folder / "model.safetensors").rename(hub.folder / "model-1-of-2.safetensors")
    (hub.folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(UserError, match=r"there is no model-2-of-2\.safetensors"):
        resolve("served", tmp_path)
    assert resolve("served", tmp_path, weights=False) == str(hub.folder)
    assert not hub.asked


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[[str], Path]:
    def write(model: str) -> Path:
        row = {"messages": [{"role": "user", "content": "1+1?"}, {"role": "assistant", "content": "2"}]}
        (tmp_path / "data.jsonl").write_text(json.dumps(row) + "\n")
        path = tmp_path / "r.yaml"
        path.write_text(f"model: {model}\nsource: {{inputs: [data.jsonl]}}\nexport:\ntrain: {{max_steps: 1}}\n")
        return path

    return write


def test_a_model_that_is_nowhere_stops_the_run_before_the_data(hub: Hub, recipe: Callable[[str], Path]) -> None:
    path = recipe("someone/absent")
    with pytest.raises(UserError, match="No model `someone/absent`"):
        pipeline.run(load(path, pipeline.SETTINGS))
    assert not (path.parent / "runs" / "r" / "source").exists()
    assert [item.stage.name for item in pipeline.run(load(path, pipeline.SETTINGS), last="export")] == [
        "source",
        "export",
    ]


def test_a_model_from_the_hub_is_trained_and_asked_for_once(hub: Hub, recipe: Callable[[str], Path]) -> None:
    path = recipe("someone/small")
    assert CliRunner().invoke(app, ["run", str(path)]).exit_code == 0
    asked = len(hub.asked)
    shutil.rmtree(path.parent / "cache")  # a finished run needs no model
    hub.status = 500
    result = CliRunner().invoke(app, ["run", str(path)])
    assert result.exit_code == 0
    assert "found finished" in result.stderr
    assert len(hub.asked) == asked


def test_nano_is_the_model_that_ships_wherever_one_stands(tmp_path: Path) -> None:
    (tmp_path / "nano").mkdir()
    shipped = Path(resolve("nano", tmp_path))
    assert shipped == Path(weitiao.model.__file__).parent / "nano"
    names = {path.name for path in shipped.iterdir()}
    assert names >= {"config.json", "model.safetensors", "tokenizer.model", "training.json", "README.md"}
    assert sum(path.stat().st_size for path in shipped.iterdir()) <= 16 * 2**20
    with pytest.raises(UserError, match="is not a model"):
        resolve("./nano", tmp_path)
