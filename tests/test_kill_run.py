"""A run that is killed in any of its stages ends, run again, with the same files."""

from pathlib import Path

import kill_run
import pytest

RECIPE = Path(__file__).parents[1] / "examples" / "ruozhiba" / "recipe.yaml"


@pytest.mark.slow
def test_a_kill_in_each_stage_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    short = ("train.max_steps=12", "train.save_every=3", "compare.limit=4", "compare.max_new_tokens=20")
    kill_run.main([str(RECIPE), "--kills", "7", *(part for value in short for part in ("--set", value))])
    said = capsys.readouterr().out
    assert said.count("equal\n") == len(kill_run.STAGES)
    assert "killed" in said
