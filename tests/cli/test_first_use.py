"""What somebody meets who has only the README."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from weitiao.cli.usage import TEXTS, told
from weitiao.talk import translate

Weitiao = Callable[..., Any]

ROWS = [{"question": f"第{n}个问题问的是什么事情？", "answer": "一二三四五六七八九十" * n} for n in range(1, 13)]


@pytest.fixture(autouse=True)
def rows(tmp_path: Path) -> None:
    (tmp_path / "qa.jsonl").write_bytes(b"".join(orjson.dumps(row) + b"\n" for row in ROWS))


@pytest.mark.parametrize(
    ("command", "steps"),
    [
        ("prepare", "tidy_whitespace, drop_short: {min_chars: 6}"),
        ("augment", "character_noise, merge_turns: {turns: 2}"),
        ("label", "decide: {audit: 0}"),
    ],
)
def test_steps_are_written_alike_with_or_without_brackets(weitiao: Weitiao, command: str, steps: str) -> None:
    for number, text in enumerate((steps, f"[{steps}]", f" [ {steps}, ]", steps.replace(": {", ":\n {"))):
        ended = weitiao(command, "qa.jsonl", "-o", f"{number}.jsonl", "--steps", text)
        assert ended.status == 0, ended.err
    assert len({Path(f"{number}.jsonl").read_bytes() for number in range(4)}) == 1
    ended = weitiao(command, "qa.jsonl", "-o", "o.jsonl", "--steps", "decide: {audit")
    assert (ended.status, ended.err) == (
        2,
        "error: --steps decide: {audit: this is no list of steps\n"
        "hint: Write it as `name, name: {setting: value}`, with a blank after each colon\n",
    )


def test_a_step_of_label_stands_once(weitiao: Weitiao) -> None:
    ended = weitiao("label", "qa.jsonl", "-o", "o.jsonl", "--steps", "decide, decide: {audit: 0}", "--lang", "zh")
    assert ended.status == 2
    assert ended.err.endswith("`decide` 在步骤里只能写一次\n")


@pytest.mark.parametrize("place", [["wd"], [], ["--runs", "."]])
def test_the_run_of_a_work_dir_is_found(weitiao: Weitiao, place: list[str]) -> None:
    assert weitiao("prepare", "qa.jsonl", "-o", "o.jsonl", "--work-dir", "wd").status == 0
    ended = weitiao("ledger", "funnel", *place, "--json")
    assert Path(orjson.loads(ended.out)["run"]).name == "wd"
    ended = weitiao("trace", "第3个问题", *(["--run", *place] if place == ["wd"] else place))
    assert "read from qa.jsonl, row 3" in ended.out


@pytest.mark.parametrize(
    ("command", "example"), [(["ledger", "funnel"], "runs/NAME"), (["trace", "鱼"], "--run runs/NAME")]
)
def test_where_there_is_no_run_it_is_said_how_one_is_named(weitiao: Weitiao, command: list[str], example: str) -> None:
    assert weitiao(*command, "--runs", "no").err == (
        f"error: No run in no\nhint: Name the folder of a run, {example}, or that of all runs with --runs DIR\n"
    )


TEACHER = "{model: m, endpoint: 'http://127.0.0.1:9/v1'}"


def test_a_dry_run_leaves_nothing_and_finds_what_is_finished(weitiao: Weitiao, tmp_path: Path) -> None:
    recipe = f"source: {{inputs: [qa.jsonl]}}\nlabel: {{teacher: {TEACHER}, steps: [judge]}}\n"
    Path("recipe.yaml").write_text(recipe, "utf-8")
    before = sorted(tmp_path.rglob("*"))
    ended = weitiao("run", "recipe.yaml", "--dry-run")
    assert "label/judge: 12 calls, 0 known" in ended.out
    flags = ["--teacher", "m", "--endpoint", "http://127.0.0.1:9/v1", "--dry-run"]
    assert weitiao("label", "qa.jsonl", "-o", "o.jsonl", "--steps", "judge", *flags).out == ended.out
    assert sorted(tmp_path.rglob("*")) == before
    assert weitiao("run", "recipe.yaml", "--to", "source").status == 0
    there = sorted(tmp_path.rglob("*"))
    again = weitiao("run", "recipe.yaml", "--dry-run")
    assert (again.out, again.err) == (ended.out, "Read 12 of 12 rows, found finished\n")
    assert sorted(tmp_path.rglob("*")) == there


def test_a_stage_that_no_teacher_had_a_part_in_tells_of_none(weitiao: Weitiao) -> None:
    ended = weitiao("augment", "qa.jsonl", "-o", "o.jsonl", "--steps", "merge_turns: {turns: 4}")
    assert ended.err.splitlines()[-1].startswith("Augmented 12 records by 3 of 3 made in ")
    ended = weitiao("label", "qa.jsonl", "-o", "o.jsonl", "--steps", "decide")
    assert ended.err.splitlines()[-1].startswith("Labelled 12 of 12 records: 0 answers written, 12 to review in ")
    ended = weitiao("label", "qa.jsonl", "-o", "o.jsonl", "--steps", "decide", "--dry-run")
    assert ended.out == "No step here asks a teacher: nothing to ask, and nothing to pay\n"


def test_a_dry_run_needs_no_teacher_but_the_price_of_what_has_a_budget(weitiao: Weitiao) -> None:
    label = ["label", "qa.jsonl", "-o", "o.jsonl", "--steps", "judge"]
    ended = weitiao(*label, "--dry-run")
    assert ended.err.endswith("No teacher is given: calls and tokens are counted as for any\n")
    assert "In all: 32 calls; cost unknown: no price is given\n" in ended.out
    assert weitiao(*label).status == 2
    flags = ["--teacher", "m", "--endpoint", "http://127.0.0.1:9/v1", "--budget", "2", "--dry-run"]
    assert weitiao(*label, *flags).err.endswith(
        "error: The budget cannot be kept: no price is known for m\n"
        "hint: Give it: --price IN,OUT, or `prices` in the recipe, with `input` and `output` for a million tokens\n"
    )
    assert "at most\n" in weitiao(*label, *flags, "--price", "2,8").out


@pytest.mark.parametrize("steps", ["decide", "judge"])
def test_a_folder_of_prompts_that_is_not_there_is_named(weitiao: Weitiao, tmp_path: Path, steps: str) -> None:
    for flags in ([], ["--dry-run"]):
        ended = weitiao("label", "qa.jsonl", "-o", "o.jsonl", "--steps", steps, "--prompts", "nodir", *flags)
        assert (ended.status, f"error: There is no folder of prompts {tmp_path / 'nodir'}\n" in ended.err) == (2, True)


def test_the_folder_of_a_recipe_stands_for_it(weitiao: Weitiao) -> None:
    Path("project").mkdir()
    Path("project/recipe.yaml").write_text("source: {inputs: [../qa.jsonl]}\n", "utf-8")
    assert weitiao("run", "project").err.startswith("Read 12 of 12 rows in ")
    assert orjson.loads(weitiao("ledger", "funnel", "project", "--json").out)["run"] == "project/runs/recipe"
    assert weitiao("check", "project/recipe.yaml").err == (
        "error: project/recipe.yaml is a recipe, no data\n"
        "hint: weitiao run project/recipe.yaml --dry-run checks it and shows what it would do\n"
    )
    assert weitiao("run", ".").err.startswith("error: No recipe at recipe.yaml\n")


@pytest.mark.parametrize("name", ["GB18030", "Big5", "UTF-16"])
def test_the_encoding_of_a_recipe_is_named_with_the_mend(weitiao: Weitiao, name: str) -> None:
    text = "name: x  # 讀入的資料\n" if name == "Big5" else "name: x  # 读入的数据\n"
    Path("r.yaml").write_bytes((text + "source: {inputs: [qa.jsonl]}\n").encode(name))
    ended = weitiao("run", "r.yaml")
    assert (ended.status, ended.err) == (
        2,
        f"error: r.yaml is not in UTF-8; it looks like {name}\n"
        f"hint: Save it as UTF-8: iconv -f {name} -t UTF-8 r.yaml > new.yaml\n",
    )
    Path("r.yaml").write_bytes(bytes(range(256)))
    assert weitiao("run", "r.yaml").err.startswith("error: r.yaml is not a recipe")


@pytest.mark.parametrize(
    ("arguments", "said", "help_of"),
    [
        (["run"], "缺少参数 recipe", "run "),
        (["prepare", "x", "--zzzz"], "没有选项 --zzzz", "prepare "),
        (["run", "--too"], "没有选项 --too（可能是：--set, --to）", "run "),
        (["runn"], "没有命令 runn，是不是 'run'？", ""),
        (["xyzzy"], "没有命令 xyzzy", ""),
        (["review", "statsu"], "没有命令 statsu，是不是 'status'？", "review "),
        (["augment", "x", "-o", "y"], "缺少选项 --steps", "augment "),
        (["prepare", "x", "-o"], "选项 -o 后面要有一个值", ""),
        (["prepare", "x", "--json=1"], "选项 --json 后面不能有值", ""),
        (["chat", "m", "x", "y"], "多余的参数：x y", "chat "),
        (["serve", "--model", "m", "--port", "many"], "'--port' 的值不对：必须是整数", "serve "),
        (["chat", "m", "--temperature", "hot"], "'--temperature' 的值不对：必须是数字", "chat "),
        (["chat", "m", "--top-p", "3"], "'--top-p' 的值不对：最大为 1", "chat "),
        (["chat", "m", "--top-k", "-3"], "'--top-k' 的值不对：最小为 0", "chat "),
        (
            ["new", "d", "--scene", "x"],
            "'--scene' 的值不对：“x”不在这些值里：'ruozhiba', 'assistant', 'roleplay'",
            "new ",
        ),
    ],
)
def test_what_the_parser_says_is_chinese_too(weitiao: Weitiao, arguments: list[str], said: str, help_of: str) -> None:
    ended = weitiao(*arguments, "--lang", "zh")
    assert (ended.status, ended.err) == (2, f"错误：{said}\n提示：weitiao {help_of}--help\n")


def test_each_text_of_the_parser_has_its_chinese() -> None:
    for text in TEXTS:
        assert translate("zh", text) != text
        assert told(text) == text, "known, and in English as it is"
    assert told("something new") == "something new"


def test_an_empty_question_is_refused(weitiao: Weitiao) -> None:
    for text in ("", " \n"):
        assert weitiao("chat", "nano", "--ask", text).err == (
            'error: --ask holds no question\nhint: Write it behind, in quotes: --ask "…"\n'
        )


def test_a_gguf_file_is_called_so(weitiao: Weitiao, tmp_path: Path) -> None:
    Path("m.gguf").touch()
    for command in (["serve", "--model", "m.gguf", "--port", "0"], ["chat", "m.gguf", "--ask", "?"]):
        assert weitiao(*command).err == (
            f"error: {tmp_path / 'm.gguf'} is a GGUF file, which llama.cpp and Ollama answer from\n"
            "hint: Give the folder of the model that it was made of; only `weitiao compare` reads GGUF files\n"
        )


def test_an_output_of_another_ending_is_refused(weitiao: Weitiao) -> None:
    assert weitiao("export", "qa.jsonl", "-o", "o.csv").err == (
        "error: Cannot write o.csv: no records are written as `.csv`\nhint: It can be o.jsonl | a folder\n"
    )


@pytest.mark.parametrize("place", ["qa.jsonl:3", "./qa.jsonl:3", "there/qa.jsonl:3", "{here}/qa.jsonl:3"])
def test_a_record_is_found_by_its_row_from_anywhere(weitiao: Weitiao, tmp_path: Path, place: str) -> None:
    assert weitiao("prepare", "qa.jsonl", "-o", "o.jsonl", "--work-dir", "wd").status == 0
    ended = weitiao("trace", place.format(here=tmp_path), "--run", "wd")
    assert "read from qa.jsonl, row 3" in ended.out
    assert weitiao("trace", "qa.jsonl:13", "--run", "wd").status == 2
    assert weitiao("trace", "a.jsonl:3", "--run", "wd").status == 2


def test_one_is_singular_in_english_alone() -> None:
    assert translate("en", "Prepared {kept} of {total} records", kept="0", total="1") == "Prepared 0 of 1 record"
    assert translate("en", "Read {kept} of {total} rows", kept="1", total="21") == "Read 1 of 21 rows"
    assert translate("en", "{count} families, {total} records", count=1, total=2) == "1 family, 2 records"
    assert translate("en", "{count} posts have no answer", count=1) == "1 posts have no answer"
    assert translate("zh", "Prepared {kept} of {total} records", kept="1", total="1") == "已清洗，保留 1 条中的 1 条"


def test_train_without_a_recipe_takes_set(weitiao: Weitiao) -> None:
    flags = ["train", "--model", "nano", "--data", "qa.jsonl", "--work-dir", "w"]
    ended = weitiao(*flags, "--set", "train.epoch=3")
    assert (ended.status, ended.err.splitlines()[0]) == (2, "error: command line: train.epoch: no such key")
    ended = weitiao(*flags, "--set", "source.skip_bad=true", "--set", "train.max_steps=many")
    assert ended.err.splitlines()[0] == "error: command line: train.max_steps is `many`: it must be a whole number"


def test_of_several_languages_the_last_counts(weitiao: Weitiao) -> None:
    assert "all can be read" in weitiao("--lang", "zh", "check", "qa.jsonl", "--lang", "en").out
    assert "都能读" in weitiao("--lang", "en", "check", "qa.jsonl", "--lang=zh").out


@pytest.mark.parametrize(
    "command",
    [
        ["train", "--model", "nano", "--data", "qa.jsonl", "--work-dir", "{}"],
        ["gguf", "nano", "{}/a.gguf"],
        ["review", "export", "recipe.yaml", "-o", "{}/q.jsonl"],
        ["prepare", "qa.jsonl", "-o", "{}/o.jsonl"],
        ["compare", "--before", "nano", "--after", "nano", "--data", "qa.jsonl", "-o", "{}"],
        ["xtuner", "copy-cfg", "internlm2_chat_7b_qlora_alpaca_e3", "{}"],
    ],
)
def test_where_a_file_is_in_the_way_it_is_said(weitiao: Weitiao, command: list[str]) -> None:
    Path("file").touch()
    Path("recipe.yaml").write_text("source: {inputs: [qa.jsonl]}\nreview: {}\n", "utf-8")
    ended = weitiao(*(argument.format("file") for argument in command), "--lang", "zh")
    assert (ended.status, ended.err) == (2, "错误：无法建立文件夹 file：已有同名的文件\n")
    ended = weitiao(*(argument.format("file/x") for argument in command), "--lang", "zh")
    assert ended.err == "错误：无法建立文件夹 file/x：路径中有一段是文件，不是文件夹\n"


def test_merge_writes_into_no_file(weitiao: Weitiao, tmp_path: Path) -> None:
    Path("file").touch()
    Path("adapter").mkdir()
    Path("adapter/adapter_config.json").write_text("{}", "utf-8")
    assert weitiao("merge", "nano", "adapter", "file").err.startswith("error: file is there already\n")
    assert weitiao("merge", "nano", "adapter", "file/x").err == "error: Cannot make the folder file: File exists\n"
    for given in (["nano"], ["nano", "adapter"]):
        assert weitiao("merge", *given).err == (
            "error: Nothing to merge: neither a recipe nor a base model, an adapter and a folder\n"
            "hint: weitiao merge RECIPE | weitiao merge BASE ADAPTER OUT\n"
        )


@pytest.mark.parametrize(
    ("command", "flags"),
    [
        (["train", "recipe.yaml", "--model", "tiny", "--data", "no.jsonl"], "--model, --data"),
        (["train", "recipe.yaml", "--work-dir", "w", "--validation", "v.jsonl"], "--validation, --work-dir"),
        (["compare", "recipe.yaml", "--seed", "0"], "--seed"),
    ],
)
def test_a_flag_that_nothing_reads_beside_a_recipe_is_refused(weitiao: Weitiao, command: list[str], flags: str) -> None:
    Path("recipe.yaml").write_text("source: {inputs: [qa.jsonl]}\nexport: {}\ntrain: {}\ncompare: {}\n", "utf-8")
    ended = weitiao(*command)
    assert (ended.status, ended.err) == (
        2,
        f"error: Beside a recipe nothing reads {flags}\n"
        "hint: The recipe says it: change it there, or for once by `weitiao run RECIPE --set KEY=VALUE`\n",
    )


def test_a_flag_that_only_a_recipe_reads_is_refused_without_one(weitiao: Weitiao) -> None:
    for command in (["train", "--model", "nano", "--data", "qa.jsonl", "--work-dir", "w"], ["merge", "a", "b", "c"]):
        assert weitiao(*command, "--runs", "r").err == (
            "error: Without a recipe nothing reads --runs\nhint: Leave it out, or name a recipe\n"
        )


def test_a_train_command_that_was_mistyped_is_given_again(weitiao: Weitiao, tmp_path: Path) -> None:
    for flags in (["--model", "nano", "--data", "qb.jsonl"], ["--model", "nono", "--data", "qa.jsonl"]):
        assert weitiao("train", *flags, "--work-dir", "w").status == 2
    flags = ["--model", "nano", "--data", "qa.jsonl", "--max-length", "2", "--work-dir", "w"]
    assert "are longer than max_length 2" in weitiao("train", *flags).err
    ended = weitiao("train", "--model", "nano", "--data", "qa.jsonl", "--max-steps", "1", "--work-dir", "w")
    assert (ended.status, ended.out) == (0, f"{tmp_path / 'w/train/adapter'}\n")
    assert weitiao("train", *flags).err.startswith("error: w holds a training with other settings or data\n")
