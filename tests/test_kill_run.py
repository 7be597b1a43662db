"""A run that is killed in any of its stages ends, run again, with the same files."""

from pathlib import Path

import kill_run
import orjson
import pytest

RECIPE = Path(__file__).parents[1] / "examples" / "ruozhiba" / "recipe.yaml"


@pytest.mark.slow
def test_a_kill_in_each_stage_changes_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    short = ("train.max_steps=12", "train.save_every=3", "compare.limit=4", "compare.max_new_tokens=20")
    kill_run.main([str(RECIPE), "--kills", "7", *(part for value in short for part in ("--set", value))])
    said = capsys.readouterr().out
    assert said.count("equal\n") == len(kill_run.STAGES)
    assert "killed" in said


@pytest.mark.slow
def test_kills_inside_prepare_change_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Hold that parts, passes and ledger come out byte for byte; `--kills 50` does so at 50 instants."""
    rows = [
        {"text": f"<p>第{n % 900}个　问题&amp;{'水能不能兑水' * (n % 40)}，电话1381234{n % 7:04}</p>"}
        for n in range(6000)
    ]
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    steps = ["strip_html", "drop_short", "drop_exact_duplicates", "tidy_whitespace", "drop_near_duplicates", "redact"]
    data = {"source": {"inputs": ["posts.jsonl"]}, "prepare": {"steps": steps}}
    (tmp_path / "recipe.yaml").write_bytes(orjson.dumps(data))
    kill_run.main([str(tmp_path / "recipe.yaml"), "--kills", "4", "--stage", "prepare"])
    said = capsys.readouterr().out
    assert said.count("equal\n") == 4
    assert "killed" in said
