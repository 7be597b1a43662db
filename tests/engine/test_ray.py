"""On a Ray cluster of three nodes comes out, byte for byte, what comes out here; whatever is lost on the way."""

import os
import random
import secrets
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import orjson
import pytest

import ray_work
from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.prepare import drop_near_duplicates
from weitiao.recipe import bind
from weitiao.source import reading

os.environ["RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER"] = "0"  # else its ports are open to other machines
os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
os.environ.update(RAY_AUTH_MODE="token", RAY_AUTH_TOKEN=secrets.token_hex(32))
library = pytest.importorskip("ray", reason="needs weitiao[ray]")

pytestmark = [pytest.mark.cluster, pytest.mark.xdist_group("cluster")]  # one process, one cluster

HERE = Path(__file__).parents[1]
RESTS = """
import ray
import ray_work
from weitiao import engine

print(list(engine.named("ray").run(ray_work.square, [3])), ray.is_initialized())
engine.rest()
print(ray.is_initialized())
print(list(engine.named("ray").run(ray_work.square, [4])), ray.is_initialized())
"""
CHARACTERS = "的一是不了人我在有他这大来以个中上们到说国和地也子时道出而要于就下得可你年生会那后能对着事其里所去行过家"


@pytest.fixture(scope="module")
def cluster() -> Iterator[Any]:
    """Give a cluster of three nodes; a lost one is noticed within seconds."""
    from ray.cluster_utils import Cluster

    for name in ("initial_delay_ms", "period_ms"):
        os.environ[f"RAY_health_check_{name}"] = "1000"
    os.environ.setdefault("RAY_worker_niceness", "0")
    os.environ["PYTHONPATH"] = os.pathsep.join([str(HERE), os.environ.get("PYTHONPATH", "")])
    head = {"num_cpus": 1, "object_store_memory": 100_000_000, "include_dashboard": False}
    nodes = Cluster(initialize_head=True, head_node_args={**head, "node_ip_address": "127.0.0.1"})
    for _ in range(2):
        nodes.add_node(num_cpus=1, object_store_memory=100_000_000, node_ip_address="127.0.0.1")
    library.init(address=nodes.address, log_to_driver=False, logging_level="ERROR")
    yield nodes
    library.shutdown()
    nodes.shutdown()


def rows(count: int) -> list[dict[str, str]]:
    """Return short and long talks in Chinese and English, with HTML, exact and near-duplicates."""
    draw = random.Random(count)
    made: list[dict[str, str]] = []
    for number in range(count):
        kind = draw.random()
        if kind < 0.3 and number > 20:
            row = dict(draw.choice(made))
            if kind < 0.2:
                at = draw.randrange(1, len(row["output"]))
                row["output"] = row["output"][:at] + draw.choice(CHARACTERS) + row["output"][at + 1 :]
            made.append(row)
            continue
        answer = "".join(draw.choices(CHARACTERS, k=draw.choice([12, 30, 80, 200])))
        if kind > 0.8:
            answer = " ".join(
                draw.choices(["tide", "moon", "salt", "river", "stone", "glass", "light", "winter"], k=40)
            )
        if kind > 0.9:
            answer = f"<p>{answer}</p><br>ok"
        made.append({"instruction": f"第{number}问？" if kind < 0.6 else "why?", "input": "", "output": answer})
    return made


def outcome(folder: Path, engine: str, inputs: str) -> dict[str, bytes]:
    """Return the files of both stages, by name, and what the manifests count."""
    recipe = bind(
        {"name": "x", "engine": engine, "source": {"inputs": [inputs]}, "prepare": {}}, pipeline.SETTINGS, folder
    )
    done = pipeline.run(recipe, folder / engine)
    files = {
        f"{item.stage.name}/{path.name}": path.read_bytes()
        for item in done
        for path in item.stored.folder.glob("*.parquet")
    }
    counts = [{key: item.manifest[key] for key in ("key", "kept", "refused", "output")} for item in done]
    return {**files, "counts": orjson.dumps(counts)}


@pytest.fixture
def posts(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """Give a file that is read in about twelve parts, and have near-duplicates judged as those of many rows are."""
    lines = [orjson.dumps(row) for row in rows(900)]
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join(lines))
    monkeypatch.setattr(reading, "PIECE", sum(map(len, lines)) // 12)
    monkeypatch.setattr(drop_near_duplicates, "_IN_MEMORY", 0)
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    return "posts.jsonl"


def test_each_chunk_gives_its_result_once(cluster: Any) -> None:
    from weitiao.engine import ray

    assert sorted(ray.run(ray_work.square, range(10))) == [(number, number * number) for number in range(10)]
    assert list(ray.run(ray_work.square, [])) == []


def test_an_error_is_raised_here_as_it_was_there(cluster: Any) -> None:
    from weitiao.engine import ray

    with pytest.raises(UserError) as told:
        list(ray.run(ray_work.square, [1, -1]))
    assert (told.value.message, told.value.hint) == ("negative: -1", "take another")
    with pytest.raises(ZeroDivisionError, match="a bug"):
        list(ray.run(ray_work.fail, [1]))


def test_a_file_that_a_node_does_not_see_is_named(cluster: Any, tmp_path: Path) -> None:
    from weitiao.engine import ray

    ray.check([tmp_path])
    assert list(tmp_path.iterdir()) == []
    with pytest.raises(UserError, match=r"The node 127.0.0.1 does not see .*there"):
        ray.check([tmp_path, tmp_path / "there" / "x.jsonl"])


def test_who_rests_leaves_and_joins_anew_for_the_next_work(cluster: Any) -> None:
    said = subprocess.run(
        [sys.executable, "-c", RESTS],
        env={**os.environ, "RAY_ADDRESS": cluster.address},
        capture_output=True,
        text=True,
    )
    assert said.stdout.splitlines() == ["[(0, 9)] True", "False", "[(0, 16)] True"], said.stderr
    from weitiao.engine import ray, rest

    assert list(ray.run(ray_work.square, [5])) == [(0, 25)]
    rest()
    assert library.is_initialized()  # somebody else's


def test_a_killed_driver_leaves_whole_files_and_no_workers(cluster: Any, tmp_path: Path) -> None:
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    driver = subprocess.Popen([sys.executable, str(HERE / "ray_work.py"), str(tmp_path)], env=environment)
    while len(list(tmp_path.iterdir())) < 2:
        assert driver.poll() is None
        time.sleep(0.1)
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    time.sleep(3)
    left = len(list(tmp_path.iterdir()))
    time.sleep(3)
    assert len(list(tmp_path.iterdir())) == left < 100


def test_an_interrupted_command_says_so_and_goes_on(cluster: Any, posts: str, tmp_path: Path) -> None:
    command = [sys.executable, "-m", "weitiao", "--lang", "en", "prepare", posts, "--work-dir", "work"]
    environment = {**os.environ, "RAY_ADDRESS": cluster.address}
    way: dict[str, Any] = {"cwd": tmp_path, "env": environment, "text": True, "stderr": subprocess.PIPE}
    on_ray = [*command, "-o", "ray.jsonl", "--engine", "ray"]
    with subprocess.Popen(on_ray, **way) as running:
        while not (tmp_path / "work" / "source" / "manifest.json").exists():
            assert running.poll() is None
            time.sleep(0.02)
        running.send_signal(signal.SIGINT)
        said = running.communicate()[1]
    assert running.returncode == 130, said
    assert said.splitlines()[-1].startswith("Interrupted. What is finished is safe")
    subprocess.run(on_ray, check=True, **way)
    subprocess.run([*command[:-1], "other", "-o", "local.jsonl"], check=True, **way)
    assert (tmp_path / "ray.jsonl").read_bytes() == (tmp_path / "local.jsonl").read_bytes()


def test_nodes_lost_in_the_middle_change_nothing(cluster: Any, posts: str, tmp_path: Path) -> None:
    expected = outcome(tmp_path, "local", posts)
    assert orjson.loads(expected["counts"])[1]["refused"].keys() == {"exact duplicate", "near-duplicate"}
    lost: list[str] = []

    def lose(node: Any, pattern: str, count: int) -> None:
        """Kill a node with all its processes when so many files are there."""
        until = time.monotonic() + 300
        while len(list((tmp_path / "ray").rglob(pattern))) < count and time.monotonic() < until:
            time.sleep(0.02)
        cluster.remove_node(node, allow_graceful=False)
        lost.append(pattern)

    one, other = cluster.list_all_nodes()[1:]
    # The first in the middle of a pass over the parts, the second as texts set out to meet.
    moments = [(one, ".pass-0/part-*.parquet", 3), (other, ".judging-1/*.npy", 12)]
    waiting = [threading.Thread(target=lose, args=moment) for moment in moments]
    for thread in waiting:
        thread.start()
    found = outcome(tmp_path, "ray", posts)
    for thread in waiting:
        thread.join()
    assert len(lost) == 2
    assert found == expected
    assert len([node for node in library.nodes() if node["Alive"]]) == 1
