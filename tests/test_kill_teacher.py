"""A process that is killed while it asks a teacher asks for no answer twice that had arrived."""

import kill_teacher
import pytest


@pytest.mark.slow
def test_killed_and_gone_on(capsys: pytest.CaptureFixture[str]) -> None:
    kill_teacher.main(["--calls", "240", "--kills", "3", "--longest", "0.8"])
    said = capsys.readouterr().out
    assert "killed" in said
    assert "asked again though the answer had arrived: 0" in said
    assert "1 call\n" in said
