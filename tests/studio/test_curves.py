"""The journals of a training are read on as they grow, and from the start where they begin anew."""

from pathlib import Path

import orjson
from hypothesis import given
from hypothesis import strategies as st

from weitiao.store import Run
from weitiao.studio.curves import Curves, Tail, thinned, trained
from weitiao.studio.draft import Draft


def line(step: int, loss: float, kind: str = "train") -> bytes:
    return orjson.dumps({"kind": kind, "step": step, "loss": loss, "seconds": 2.0 * step}) + b"\n"


def test_only_what_came_is_read(tmp_path: Path) -> None:
    path, tail = tmp_path / "metrics.jsonl", Tail()
    assert tail.more(path) == (False, [])
    path.write_bytes(line(1, 3.0) + line(2, 2.0)[:9])
    anew, lines = tail.more(path)
    assert (anew, [one["step"] for one in lines]) == (True, [1])
    with path.open("ab") as file:
        file.write(line(2, 2.0)[9:])
    anew, lines = tail.more(path)
    assert (anew, [one["step"] for one in lines]) == (False, [2])
    with path.open("r+b") as file:
        file.truncate(len(line(1, 3.0)))  # back to a checkpoint
    assert [one["step"] for one in tail.more(path)[1]] == [1]
    path.unlink()
    assert tail.more(path) == (True, [])


def test_a_training_is_followed_from_its_draft_to_its_end(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "one"
    draft = folder / ".train.part"
    draft.mkdir(parents=True)
    (draft / "metrics.jsonl").write_bytes(line(0, 5.0, "validation") + line(1, 4.0) + line(2, 3.0))
    (draft / "plan.json").write_bytes(b'{"steps": 10}')
    assert [*trained(tmp_path / "runs")] == [folder]
    assert [*trained(tmp_path / "none")] == []
    curves = Curves(folder)
    with Run(folder).locked():
        assert curves.look()
        assert (curves.live, curves.step, curves.left, curves.best) == (True, 2, 16.0, None)
        assert not curves.look()
    assert curves.look()
    assert (curves.live, curves.left) == (False, None)
    with (draft / "metrics.jsonl").open("ab") as file:
        file.write(line(3, 2.0, "validation") + line(4, 2.5, "validation"))
    draft.rename(folder / "train")
    assert curves.look()
    assert (curves.whole, curves.best, curves.of("loss")) == (True, (3, 2.0), [(1, 4.0), (2, 3.0)])


@given(st.lists(st.tuples(st.integers(0, 10_000), st.floats(-9, 9)), max_size=2_000))
def test_thinned_lines_keep_their_end_and_their_bounds(points: list[tuple[int, float]]) -> None:
    found = thinned(points)
    assert len(found) <= 300
    assert [point[0] for point in found[-1:]] == [point[0] for point in points[-1:]]
    if found:
        low, high = min(value for _, value in points), max(value for _, value in points)
        assert all(low - 1e-9 <= value <= high + 1e-9 for _, value in found)


def test_a_draft_keeps_how_lines_end(tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_bytes("\ufeffmodel: tiny  # 小\r\nsource: {inputs: [a]}\r\n".encode())
    draft = Draft(file)
    draft.text = draft.text.replace("tiny", "nano")
    draft.save()
    assert file.read_bytes().decode() == "\ufeffmodel: nano  # 小\r\nsource: {inputs: [a]}\r\n"
    assert not draft.changed
    assert not draft.overtaken
