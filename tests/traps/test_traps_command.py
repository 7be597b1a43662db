"""`weitiao traps make`."""

import json
import subprocess
import sys
from pathlib import Path


def weitiao(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, "-m", "weitiao", *words], capture_output=True, text=True, check=False)


def test_it_writes_the_files_and_says_so(tmp_path: Path) -> None:
    done = weitiao("traps", "make", "-o", str(tmp_path / "made"), "--seed", "3", "--json", "--lang", "en")
    assert done.returncode == 0, done.stderr
    said = json.loads(done.stdout)
    assert sorted(path.name for path in (tmp_path / "made").iterdir()) == [
        "corpus.jsonl", "fates.jsonl", "made.json", "posts", "questions.jsonl",
    ]  # fmt: skip
    assert said["seed"] == 3
    assert len((tmp_path / "made" / "corpus.jsonl").read_bytes().splitlines()) == sum(said["corpus"].values())


def test_it_speaks_chinese(tmp_path: Path) -> None:
    done = weitiao("traps", "make", "-o", str(tmp_path), "--lang", "zh")
    assert done.stdout.splitlines()[1].startswith("留出不参与训练的：")
