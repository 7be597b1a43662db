"""The line: what is finished is not done again, what changed is, and nothing vanishes without a reason."""

from pathlib import Path

import orjson
import polars as pl
import pytest

from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.recipe import load
from weitiao.stage import Outcome, Stage

QUESTIONS = [
    ("为什么冰箱里的灯关上门就灭了？", "门框上有开关，门一关就断电。"),
    ("鱼会不会淹死？", "鱼用鳃呼吸，水里缺氧时会窒息，但那不叫淹死。"),
    ("把闹钟调快十分钟，我是不是就多活了十分钟？", "没有，改变的只是表盘，不是时间。"),
    ("太阳能热水器晚上算不算月亮能？", "不算，它存下的是白天的热。"),
    ("Why is the alphabet in that order?", "By habit: the order came with the letters from Phoenician."),
    ("红灯停绿灯行，那黄灯呢？", "已过停止线的可以继续走，没过的停下来。"),
    ("如果我不吃早饭，午饭算早饭吗？", "只是推迟了第一餐，名字按时间叫。"),
    ("电梯坏了能走楼梯，楼梯坏了能走电梯吗？", "能，只要电梯没坏，但火灾时不行。"),
    ("为什么不把所有的考试都放在假期？", "那样假期就成了考期。"),
    ("Can I cut water with a knife?", "The knife parts it, but it closes again: a liquid keeps no shape."),
]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    rows = [{"instruction": question, "input": "", "output": answer} for question, answer in QUESTIONS]
    rows += [{"instruction": "嗯", "input": "", "output": ""}, rows[0]]
    (tmp_path / "qa.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in rows))
    (tmp_path / "recipe.yaml").write_text(
        "source: {inputs: [qa.jsonl]}\nprepare: {}\nsplit: {ratios: {train: 0.7, test: 0.3}}\nexport: {}\n"
    )
    return tmp_path / "recipe.yaml"


def run(recipe: Path, *overrides: str, first: str | None = None, last: str | None = None) -> dict[str, bool]:
    """Run the recipe; return for each stage whether it ran now."""
    checked = load(recipe, pipeline.SETTINGS, overrides)
    return {done.stage.name: done.fresh for done in pipeline.run(checked, first=first, last=last)}


def manifests(recipe: Path) -> dict[str, dict[str, object]]:
    return {
        path.parent.name: orjson.loads(path.read_bytes()) for path in (recipe.parent / "runs").glob("*/*/manifest.json")
    }


ALL = ("source", "prepare", "split", "export")


def test_a_second_run_does_nothing(project: Path) -> None:
    assert run(project) == dict.fromkeys(ALL, True)
    before = {path: path.stat().st_mtime_ns for path in (project.parent / "runs").rglob("*") if path.is_file()}
    assert run(project) == dict.fromkeys(ALL, False)
    after = {path: path.stat().st_mtime_ns for path in (project.parent / "runs").rglob("*") if path.is_file()}
    assert {path for path in before if before[path] != after.get(path)} <= {project.parent / "runs/recipe/.lock"}


def test_a_changed_setting_runs_its_stage_and_what_follows(project: Path) -> None:
    run(project)
    assert run(project, "split.ratios={train: 0.5, test: 0.5}") == dict(
        zip(ALL, (False, False, True, True), strict=True)
    )
    assert run(project, "split.ratios={train: 0.5, test: 0.5}", "export.format=alpaca") == dict(
        zip(ALL, (False, False, False, True), strict=True)
    )


def told(recipe: Path, *overrides: str) -> dict[str, tuple[str, tuple[str, ...]]]:
    """Return what is said of each stage without a run."""
    checked = load(recipe, pipeline.SETTINGS, overrides)
    return {one.stage.name: (one.state, one.changed) for one in pipeline.outlook(checked)}


def test_what_a_run_would_do_is_told_without_one(project: Path) -> None:
    assert told(project) == dict.fromkeys(ALL, ("new", ()))
    assert not (project.parent / "runs").exists()
    run(project)
    before = {path: path.stat().st_mtime_ns for path in (project.parent / "runs").rglob("*")}
    assert told(project) == dict.fromkeys(ALL, ("finished", ()))
    assert told(project, "split.ratios={train: 0.5, test: 0.5}", "export.format=alpaca") == {
        "source": ("finished", ()),
        "prepare": ("finished", ()),
        "split": ("changed", ("ratios",)),
        "export": ("changed", ("format",)),
    }
    assert told(project, "seed=7")["export"] == ("follows", ())
    with (project.parent / "qa.jsonl").open("a") as file:
        file.write("\n")
    assert told(project)["source"] == ("changed", ("outside",))
    assert before == {path: path.stat().st_mtime_ns for path in (project.parent / "runs").rglob("*")}


def test_a_changed_input_runs_all(project: Path) -> None:
    run(project)
    with (project.parent / "qa.jsonl").open("a") as file:
        file.write('{"instruction": "新的一行问题来了吗？", "input": "", "output": "来了。"}\n')
    assert run(project) == dict.fromkeys(ALL, True)


def test_from_and_to(project: Path) -> None:
    assert run(project, last="prepare") == {"source": True, "prepare": True}
    run(project)
    assert run(project, first="split") == dict(zip(ALL, (False, False, True, True), strict=True))
    with pytest.raises(UserError, match="The recipe has no stage `train`"):
        run(project, last="train")
    with pytest.raises(UserError, match="The end `prepare` comes before the start `split`"):
        run(project, first="split", last="prepare")


def test_every_record_ends_in_one_place(project: Path) -> None:
    run(project)
    found = manifests(project)
    rows = len((project.parent / "qa.jsonl").read_bytes().splitlines())
    assert found["source"]["total"] == rows
    kept = rows
    for name in ALL:
        refused = found[name]["refused"]
        assert isinstance(refused, dict)
        assert found[name]["total"] == kept
        kept -= sum(refused.values())
        assert found[name]["kept"] == kept
    assert kept == len(QUESTIONS)
    lines = [
        len(path.read_bytes().splitlines()) for path in sorted((project.parent / "runs/recipe/export").glob("*.jsonl"))
    ]
    assert lines == [3, 7]


def test_a_stage_that_loses_a_record_is_a_bug() -> None:
    stage = Stage("split", pipeline.STAGES[2].settings, "x:y", "")
    with pytest.raises(AssertionError, match="3 in, 1 out, but 1 in the ledger"):
        pipeline._check_sum(stage, Outcome(total=3, kept=1, refused={"too short": 1}))


def test_a_stage_without_records_before_it_is_named(tmp_path: Path) -> None:
    (tmp_path / "recipe.yaml").write_text("split: {}\n")
    with pytest.raises(UserError, match="`split` has nothing to read"):
        run(tmp_path / "recipe.yaml")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "The recipe has no stage"),
        ("source: {inputs: [qa.jsonl]}\ntrain: {}\n", "`train` needs the stage `export`, which the recipe lacks"),
        ("source: {inputs: [qa.jsonl]}\nexport: {}\nmerge: {}\n", "`merge` needs the stage `train`"),
    ],
)
def test_what_a_recipe_lacks_is_named_before_anything_runs(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "recipe.yaml").write_text(text)
    with pytest.raises(UserError, match=message):
        run(tmp_path / "recipe.yaml")
    assert not (tmp_path / "runs").exists()


def test_a_folder_that_cannot_be_made_is_named(project: Path) -> None:
    checked = load(project, pipeline.SETTINGS)
    with pytest.raises(UserError, match="Cannot make the folder"):
        pipeline.run(checked, project / "runs")


def test_a_finished_stage_that_lost_records_is_not_used(project: Path) -> None:
    run(project, last="prepare")
    part = project.parent / "runs/recipe/prepare/part-00000.parquet"
    pl.read_parquet(part).head(4).write_parquet(part)
    with pytest.raises(UserError) as caught:
        run(project)
    assert caught.value.message == f"{part} is damaged, or was changed"
    assert caught.value.hint == f"Put it back as it was, or remove the folder {part.parent}: the stage then runs again"
    part.unlink()
    with pytest.raises(UserError) as caught:
        run(project)
    assert caught.value.message == f"{part} is gone"
    assert run(project, first="prepare") == dict(zip(ALL, (False, True, True, True), strict=True))


def test_an_exported_file_that_is_gone_is_named(project: Path) -> None:
    run(project)
    file = project.parent / "runs/recipe/export/train.jsonl"
    written = file.read_bytes()
    file.unlink()
    with pytest.raises(UserError, match=r"export/train\.jsonl is gone"):
        run(project)
    file.write_bytes(written)
    assert run(project) == dict.fromkeys(ALL, False)


def test_a_broken_manifest_is_named(project: Path) -> None:
    run(project)
    manifest = project.parent / "runs/recipe/split/manifest.json"
    manifest.write_bytes(manifest.read_bytes()[:100])
    for look in (run, told):
        with pytest.raises(UserError) as caught:
            look(project)
        assert caught.value.message == f"{manifest} is damaged, or was changed"


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("train: {}\ncompare: {}\n", "5: compare.part reads the part `test`"),
        ("train: {}\ncompare:\n  limit: 3\n  part: unseen\n", "7: compare.part reads the part `unseen`"),
        ("train: {keep: best}\ncompare: {part: tset}\n", "4: train.keep reads the part `validation`"),
    ],
)
def test_a_part_that_split_does_not_make_is_named_before_anything_runs(tmp_path: Path, text: str, place: str) -> None:
    recipe = tmp_path / "r.yaml"
    recipe.write_text(
        f"source: {{inputs: [qa.jsonl]}}\nsplit: {{ratios: {{train: 0.8, tset: 0.2}}}}\nexport: {{}}\n{text}"
    )
    with pytest.raises(UserError) as caught:
        run(recipe)
    assert caught.value.message == f"{recipe}:{place}, which split does not make"
    assert caught.value.hint == "`split.ratios` makes train, tset"
    assert not (tmp_path / "runs").exists()


def test_an_input_that_is_not_there_is_named_with_its_line(project: Path) -> None:
    project.write_text("source:\n  inputs:\n  - qa.jsonl\n  - qb.jsonl\nexport: {}\n")
    with pytest.raises(UserError) as caught:
        run(project)
    missing = project.parent / "qb.jsonl"
    assert caught.value.message == f"{project}:4: source.inputs[1]: No file at {missing}"
    assert caught.value.hint == f"Paths start from {project.parent}"
