"""Workers end with their driver, and a full disk is told as such: nothing that is finished is lost."""

import os
import resource
import signal
import subprocess
import sys
import time
from pathlib import Path

DRIVER = """
import os, sys, time
from pathlib import Path
from weitiao.engine import local

def work(folder):
    (Path(folder) / str(os.getpid())).touch()
    time.sleep(60)

if __name__ == "__main__":
    list(local.run(work, [sys.argv[1]] * 4))
"""


def _lives(pid: int) -> bool:
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except FileNotFoundError:
        return False


def test_a_killed_driver_takes_its_workers_along(tmp_path: Path) -> None:
    (tmp_path / "driver.py").write_text(DRIVER)
    (tmp_path / "pids").mkdir()
    command = [sys.executable, str(tmp_path / "driver.py"), str(tmp_path / "pids")]
    driver = subprocess.Popen(command, env={**os.environ, "WEITIAO_WORKERS": "2"})
    pids: list[int] = []
    while len(pids) < 2:
        assert driver.poll() is None
        time.sleep(0.05)
        pids = [int(path.name) for path in (tmp_path / "pids").iterdir()]
    driver.send_signal(signal.SIGKILL)
    driver.wait()
    until = time.monotonic() + 30
    while any(map(_lives, pids)):
        assert time.monotonic() < until, "a worker lives on"
        time.sleep(0.05)


def test_a_full_disk_is_told_and_the_run_goes_on(tmp_path: Path) -> None:
    rows = "".join(f'{{"text": "row {n} {n * 7919 % 10007} says a thing"}}\n' for n in range(4000))
    (tmp_path / "posts.jsonl").write_text(rows)
    command = [sys.executable, "-m", "weitiao", "prepare", "posts.jsonl", "-o", "out.jsonl", "--work-dir", "work"]

    def run(limit: int) -> subprocess.CompletedProcess[str]:
        def small() -> None:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, resource.RLIM_INFINITY))

        environment = {**os.environ, "WEITIAO_WORKERS": "1", "LC_ALL": "en_US.UTF-8"}
        return subprocess.run(
            command, cwd=tmp_path, env=environment, preexec_fn=small, capture_output=True, text=True, check=False
        )  # fmt: skip

    full = run(20_000)
    assert full.returncode == 2, full.stderr
    assert "Make room" in full.stderr
    assert not (tmp_path / "out.jsonl").exists()
    again = run(resource.RLIM_INFINITY)
    assert again.returncode == 0, again.stderr
    assert len((tmp_path / "out.jsonl").read_text().splitlines()) > 3000
