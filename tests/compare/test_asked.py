"""Questions from a file of their own: read as any other, told by group, and held against the train side."""

import math
import re
import shutil
import sys
from pathlib import Path
from typing import Any, Literal

import orjson
import polars as pl
import pytest

from weitiao import ledger, pipeline, trace
from weitiao.cli import main
from weitiao.cli.terminal import plain_recipe
from weitiao.compare import Compare, history, report
from weitiao.errors import UserError
from weitiao.intervals import exact_interval
from weitiao.pipeline import Done
from weitiao.recipe import Recipe
from weitiao.stage import Silent
from weitiao.store import Run
from weitiao.traps import Question


class Heard(Silent):
    """A reporter that keeps what it is told."""

    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


def _trick(kind: Literal["trick", "plain"], family: str, question: str) -> dict[str, Any]:
    seen, bait = ("不是食用油",), ("太贵",)
    return Question(kind, family, "zh", ("石油",), question, "石油不是食用油。", "因为太贵。", seen, bait).row()


ASKED = [
    {"part": "thing", **_trick("trick", "name", "石油也是油，为什么没人用它炒菜？")},
    {"part": "thing", **_trick("trick", "edible", "石油怎么炒？")},
    {"part": "plain", **_trick("plain", "edible", "石油能吃吗？")},
    {"part": "plain", "family": "what", "question": "石油是什么？", "answer": "燃料。"},  # it carries no check
    {"part": "plain", "family": "what", "question": "没人回答"},
]
TRAINED = [
    ("石油也是油，为什么没人用它炒菜？", "石油不能吃。"),
    ("桌子有几条腿？", "一般有四条腿。"),
    ("猫会飞吗？", "猫没有翅膀，不会飞。"),
]


def recipe_of(folder: Path, before: Path, after: Path, **compare: Any) -> Recipe:
    (folder / "asked.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in ASKED))
    rows = [{"instruction": asked, "output": said} for asked, said in TRAINED]
    (folder / "posts.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    settings = {
        "questions": str(folder / "asked.jsonl"),
        "group_by": ["part", "family"],
        "before": str(before),
        "after": str(after),
        "max_new_tokens": 4,
        "samples": 100,
        "general": False,
        **compare,
    }
    stages = {"source": {"inputs": [str(folder / "posts.jsonl")]}, "split": {"ratios": {"train": 1.0}}, "export": {}}
    return plain_recipe({**stages, "compare": settings}, "asked")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("asked")


@pytest.fixture(scope="module")
def done(folder: Path, tiny_llama: Path, other_llama: Path) -> Done:
    return pipeline.run(recipe_of(folder, tiny_llama, other_llama), folder / "runs")[-1]


@pytest.fixture(scope="module")
def facts(done: Done) -> dict[str, Any]:
    found: dict[str, Any] = orjson.loads((done.stored.folder / "report.json").read_bytes())
    return found


def test_the_questions_of_the_file_are_asked_and_no_others(facts: dict[str, Any]) -> None:
    assert [row["question"][0]["content"] for row in facts["records"]] == [row["question"] for row in ASKED[:4]]
    assert (facts["part"], facts["unseen"], facts["candidates"]) == ("asked.jsonl", False, 4)


def test_right_answers_are_told_by_group_and_by_group_within_it(facts: dict[str, Any]) -> None:
    told = [(one["group"], one["questions"]) for one in facts["groups"]]
    assert told == [
        (["plain"], 1),
        (["plain", "edible"], 1),
        (["thing"], 2),
        (["thing", "edible"], 1),
        (["thing", "name"], 1),
    ]
    assert facts["groups"][2]["right"]["after"] == {"count": 0, "low": 0.0, "high": pytest.approx(1 - 0.025**0.5)}
    assert facts["checked"]["questions"] == 3


def test_what_is_on_the_train_side_too_is_found(facts: dict[str, Any]) -> None:
    assert (facts["seen"]["questions"], facts["seen"]["train"], facts["seen"]["exact"]) == (4, 3, 1)
    assert report._COUNTED in [text for text, _ in report.limits(facts)]


def test_questions_that_were_trained_on_prove_nothing(folder: Path, tiny_llama: Path, other_llama: Path) -> None:
    recipe, heard = recipe_of(folder, tiny_llama, other_llama, questions=None, group_by=[], part="train"), Heard()
    done = pipeline.run(recipe, folder / "again", reporter=heard)[-1]
    facts = orjson.loads((done.stored.folder / "report.json").read_bytes())
    assert (facts["unseen"], facts["seen"]["exact"], facts["seen"]["questions"]) == (False, 3, 3)
    assert heard.said[-2].startswith("3 of 3 questions stand word for word in the training records. ")
    assert heard.said[-1].startswith("Compared 3 of 3 answers. Asked about training rows, which proves nothing: ")
    assert not {report.NOT_KNOWN, report._UNSEEN, report._COUNTED} & {text for text, _ in report.limits(facts)}


def test_what_another_run_trained_on_is_found_by_its_model(folder: Path, done: Done) -> None:
    run = Run(folder / "runs" / "asked")
    model = run.folder / "train" / "adapter"
    assert history.trained(model) is None
    assert history.trained(Path("/model")) is None  # as it lies in a container: nothing stands two folders above
    key = run.stored("export").records()["id"][1]  # type: ignore[union-attr]
    rows = [{"id": key, "step": "train", "action": "trained"}, {"id": "x", "step": "train", "action": "skipped"}]
    run.draft("train", "key").write(0, None, ledger.events(pl.DataFrame(rows)))
    run.finish("train", {})
    found = history.trained(model)
    shutil.rmtree(run.folder / "train")
    assert found is not None
    assert found["id"].to_list() == [key]


@pytest.mark.parametrize("language", ["en", "zh"])
def test_the_words_and_groups_stand_in_both_reports(facts: dict[str, Any], language: str) -> None:
    facts = {**facts, "checked": {**facts["checked"], "words": {word: {"before": 1, "after": 2} for word in _WORDS}}}
    for page in (report.html(facts, language), report.markdown(facts, language)):
        assert all(said[language == "zh"] in page for said in _WORDS.values())
        assert "thing · name" in page
        assert "84\u2009%" in page


_WORDS = {
    "right": ("right", "正确"),
    "fell": ("fell for it", "上当"),
    "refused": ("refused to answer", "拒答"),
    "other": ("other", "其他"),
}


def test_the_life_of_such_a_question_is_told(done: Done, facts: dict[str, Any]) -> None:
    (match,) = trace.find([done.stored.folder.parent], facts["records"][1]["id"])
    life = trace.tell(match)
    assert life.origin["uri"].endswith("asked.jsonl")
    assert [event.stage for event in life.events][-1] == "compare"
    assert life.messages[0]["content"] == "石油怎么炒？"


def test_other_questions_are_another_comparison(folder: Path, tiny_llama: Path, other_llama: Path, done: Done) -> None:
    recipe = recipe_of(folder, tiny_llama, other_llama)
    assert not pipeline.run(recipe, folder / "runs")[-1].fresh
    with (folder / "asked.jsonl").open("ab") as file:
        file.write(orjson.dumps({**ASKED[0], "question": "石油能炒菜吗？"}) + b"\n")
    heard = Heard()
    again = pipeline.run(recipe, folder / "runs", reporter=heard)[-1]
    assert again.fresh
    assert again.manifest["total"] == 5
    assert heard.said[-4:-1] == [
        "plain: 0 of 1 right before, 0 after",
        "thing: 0 of 3 right before, 0 after",
        "Ended by themselves: 0 of 5 answers before, 0 after",
    ]


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ({"group_by": ["part", "kin"]}, "asked.jsonl:1: no field `kin` to group by"),
        ({"questions": "none.jsonl"}, "none.jsonl"),
    ],
)
def test_what_is_not_there_is_named(tmp_path: Path, tiny_llama: Path, setting: dict[str, Any], said: str) -> None:
    with pytest.raises(UserError, match=re.escape(said)):
        pipeline.run(recipe_of(tmp_path, tiny_llama, tiny_llama, **setting), tmp_path / "runs")


def test_the_flags_are_those_settings(
    folder: Path, done: Done, tmp_path: Path, tiny_llama: Path, other_llama: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    command = ["--before", tiny_llama, "--after", other_llama, "--data", folder / "asked.jsonl", "-o", tmp_path]
    command += ["--general", "false", "--max-new-tokens", "4", "--samples", "100", "--group-by", "part,lang"]
    monkeypatch.setattr(sys, "argv", ["weitiao", "--lang", "en", "compare", *map(str, command)])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 2
    assert "asked.jsonl:4: no field `lang` to group by" in capfd.readouterr().err


def test_another_comparison_of_a_recipe_stands_beside_its_own(
    folder: Path, done: Done, tmp_path: Path, tiny_llama: Path, other_llama: Path,
    capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    recipe = recipe_of(tmp_path, tiny_llama, other_llama, questions=None, part="train", group_by=[], limit=2)
    settings = recipe.section("compare", Compare).model_dump(exclude_unset=True)
    stages = {"source": {"inputs": ["posts.jsonl"]}, "split": {"ratios": {"train": 1.0}}, "export": {}}
    (tmp_path / "r.yaml").write_bytes(orjson.dumps({**stages, "compare": settings}))

    def said(*more: str) -> tuple[int, str]:
        monkeypatch.setattr(sys, "argv", ["weitiao", "--lang", "en", "compare", str(tmp_path / "r.yaml"), *more])
        with pytest.raises(SystemExit) as end:
            main()
        out, err = capfd.readouterr()
        return int(end.value.code or 0), out or err

    assert said()[0] == 0
    own = tmp_path / "runs" / "r"
    first, before = (own / "compare" / "report.json").read_bytes(), sorted(own.rglob("*"))
    others = "--data", str(tmp_path / "asked.jsonl")
    status, told = said(*others)
    assert (status, "With --data it is another comparison than that of the recipe" in told) == (2, True)
    out = tmp_path / "out"
    assert said(*others, "-o", str(out)) == (0, f"{out / 'report.html'}\n")
    assert sorted(path.name for path in out.iterdir()) == ["report.html", "report.json", "report.md"]
    assert orjson.loads((out / "report.json").read_bytes())["part"] == "asked.jsonl"
    assert (own / "compare" / "report.json").read_bytes() == first
    assert sorted(own.rglob("*")) == before


@pytest.mark.parametrize(("count", "total"), [(0, 20), (5, 20), (20, 20), (1, 1), (7, 300)])
def test_the_interval_of_a_share_is_exact(count: int, total: int) -> None:
    def chance(share: float, counts: range) -> float:
        return sum(math.comb(total, k) * share**k * (1 - share) ** (total - k) for k in counts)

    low, high = exact_interval(count, total)
    assert low == 0 if count == 0 else chance(low, range(count, total + 1)) == pytest.approx(0.025)
    assert high == 1 if count == total else chance(high, range(count + 1)) == pytest.approx(0.025)
    if count == 0:
        assert high == pytest.approx(1 - 0.025 ** (1 / total))


def test_the_interval_holds_for_many_questions() -> None:
    low, high = exact_interval(3000, 5000)
    assert low == pytest.approx(0.6 - 1.96 * (0.24 / 5000) ** 0.5, abs=3e-4)
    assert high == pytest.approx(0.6 + 1.96 * (0.24 / 5000) ** 0.5, abs=3e-4)
