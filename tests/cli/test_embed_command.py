"""`weitiao embed` writes vectors by id, in the records' order, that prepare reads; a second time it asks nothing."""

import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import orjson
import polars as pl
import pytest
from llm_server import Server, serving, vector_of

ROOT = Path(__file__).parents[2]
Weitiao = Callable[..., subprocess.CompletedProcess[str]]
TEXTS = ["猫会不会游泳？", "狗会不会爬树？", "猫会不会游泳？", "Why is the sky blue?"]


@pytest.fixture
def server() -> Iterator[Server]:
    with serving(Server()) as server:
        yield server


@pytest.fixture
def weitiao(server: Server, tmp_path: Path) -> Weitiao:
    (tmp_path / "data.jsonl").write_bytes(b"".join(orjson.dumps({"text": text}) + b"\n" for text in TEXTS))

    def run(line: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        words = [sys.executable, "-m", "weitiao", "--lang", "en"]
        words += [word.replace("URL", server.address) for word in shlex.split(line)]
        done = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
        assert done.returncode == status, done.stderr
        return done

    return run


EMBED = "embed data.jsonl -o vectors.parquet --endpoint URL --teacher mini"


def test_the_vectors_are_those_of_the_records(weitiao: Weitiao, server: Server, tmp_path: Path) -> None:
    told = orjson.loads(weitiao(f"{EMBED} --price 0.1 --batch 2 --json").stdout)
    assert told == {
        "out": "vectors.parquet",
        "total": 4,
        "kept": 4,
        "failed": {},
        "cost": {"calls": 2, "tokens": 15, "money": 15 * 0.1 / 1e6},
    }
    assert "Embedded 4 of 4 records" in weitiao(EMBED).stderr
    assert server.asked == dict.fromkeys(TEXTS, 1)
    weitiao("source data.jsonl -o records.parquet")
    found = pl.read_parquet(tmp_path / "vectors.parquet")
    assert found["id"].to_list() == pl.read_parquet(tmp_path / "records.parquet")["id"].to_list()
    assert found["embedding"].to_list() == [vector_of(text) for text in TEXTS]
    assert {path.name for path in tmp_path.iterdir()} == {
        "data.jsonl",
        "records.parquet",
        "vectors.parquet",
        ".vectors.parquet.run",
    }


@pytest.mark.parametrize(
    ("steps", "left"),
    [
        ("pick_diverse: {keep: 3, embeddings: vectors.parquet}", 3),
        ("cluster_topics: {topics: 2, embeddings: vectors.parquet}", 4),
        ("drop_near_duplicates: {by: embedding, embeddings: vectors.parquet, similarity: 0.99}", 3),
    ],
)
def test_prepare_reads_them(weitiao: Weitiao, tmp_path: Path, steps: str, left: int) -> None:
    weitiao(EMBED)
    weitiao(f"prepare data.jsonl -o clean.jsonl --steps '{steps}'")
    assert len((tmp_path / "clean.jsonl").read_bytes().splitlines()) == left


def test_a_dry_run_asks_nothing_and_leaves_nothing(weitiao: Weitiao, server: Server, tmp_path: Path) -> None:
    said = weitiao(f"{EMBED} --price 0.1 --dry-run").stdout
    assert said.startswith("embed: 1 call, 0 known; about 15 tokens of prompts, 0 of answers at most\n  cost about")
    assert not server.asked
    assert [path.name for path in tmp_path.iterdir()] == ["data.jsonl"]


def test_records_without_a_vector_are_named(weitiao: Weitiao, server: Server, tmp_path: Path) -> None:
    with (tmp_path / "data.jsonl").open("ab") as file:
        file.write(b'{"text": "[refused] text"}\n')
    done = weitiao(f"{EMBED} --json")
    assert list(orjson.loads(done.stdout)["failed"].values()) == ["request refused by the server"]
    assert "Embedded 4 of 5 records" in done.stderr
    assert "(request refused by the server 1)" in done.stderr


def test_what_cannot_work_is_told(weitiao: Weitiao, server: Server, tmp_path: Path) -> None:
    assert "endpoint" in weitiao("embed data.jsonl -o v.parquet --teacher mini", 2).stderr
    server.vector = lambda text: [1.0] * len(text)
    assert "different lengths: [7, 20]" in weitiao(EMBED, 2).stderr
    server.vector = lambda text: []
    assert "No record has a vector" in weitiao(f"{EMBED}2 --attempts 1", 2).stderr
    assert not (tmp_path / "vectors.parquet").exists()


@pytest.mark.slow
def test_the_commands_of_the_page_run(weitiao: Weitiao, server: Server, tmp_path: Path) -> None:
    pages = [ROOT / "docs" / "steps" / f"drop_near_duplicates{end}.md" for end in ("", ".zh-CN")]
    found = [re.findall(r"^```bash\n(.*?)^```$", page.read_text("utf-8"), re.M | re.S) for page in pages]
    assert found[0] == found[1]
    lines = "".join(found[0]).splitlines()
    assert len(lines) == 3
    folder = tmp_path / "examples" / "ruozhiba"
    folder.mkdir(parents=True)
    shutil.copy(ROOT / "examples" / "ruozhiba" / "questions_zh.jsonl", folder)
    for line in lines:
        assert line.startswith("weitiao ")
        weitiao(line.removeprefix("weitiao ").replace("http://localhost:8000/v1", "URL"))
    assert len((tmp_path / "clean.jsonl").read_bytes().splitlines()) > 100
    assert set(server.asked.values()) == {1}
