"""A PostgreSQL server that tests start for themselves."""

import os
import pwd
import shutil
import socket
import subprocess
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest


def _programs() -> Path | None:
    found = shutil.which("initdb")
    places = [Path(found).parent] if found else sorted(Path("/usr/lib/postgresql").glob("*/bin"))
    return places[-1] if places else None


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Start a PostgreSQL server of our own on a free port; its address, with a password."""
    programs = _programs()
    if programs is None:
        pytest.skip("PostgreSQL's programs (initdb, postgres) are not installed")
    as_user: list[str | Path] = []
    folder = tmp_path_factory.mktemp("postgres")
    if os.geteuid() == 0:  # the server refuses to run as root
        try:
            owner = pwd.getpwnam("postgres")
        except KeyError:
            pytest.skip("PostgreSQL does not run as root, and there is no user `postgres`")
        as_user = ["runuser", "-u", "postgres", "--"]
        folder = Path("/tmp") / f"weitiao-pg-{uuid.uuid4().hex[:8]}"
        folder.mkdir(mode=0o700)
        os.chown(folder, owner.pw_uid, owner.pw_gid)
    secret = folder / "password"
    secret.write_text("s3cret/@x\n")
    secret.chmod(0o644)
    setup: list[str | Path] = [*as_user, programs / "initdb", "-D", folder / "db", "-U", "weitiao", "--pwfile", secret]
    subprocess.run([*setup, "-A", "scram-sha-256", "-N", "-E", "UTF8"], check=True, capture_output=True, cwd="/")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    options = f"-p {port} -c listen_addresses=127.0.0.1 -c unix_socket_directories='' -c fsync=off"
    control: list[str | Path] = [*as_user, programs / "pg_ctl", "-D", folder / "db", "-w"]
    subprocess.run([*control, "-o", options, "-l", folder / "log", "start"], check=True, capture_output=True, cwd="/")
    try:
        yield f"postgresql://weitiao:s3cret%2F%40x@127.0.0.1:{port}/postgres"
    finally:
        subprocess.run([*control, "-m", "immediate", "stop"], check=True, capture_output=True, cwd="/")
        shutil.rmtree(folder, ignore_errors=True)
