"""Benchmark questions are found in training data: as they are, inside longer texts, and nearly; others stay."""

import json
import random
import re
import tempfile
from collections.abc import Callable
from pathlib import Path

import orjson
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from weitiao import record
from weitiao.pipeline import SETTINGS, run
from weitiao.prepare.drop_contaminated import DropContaminated
from weitiao.recipe import bind
from weitiao.record import Record
from weitiao.similar import Items, Likeness, distinct, is_filled, matching_key, near_pairs
from weitiao.step import Around, Batch
from weitiao.store import write_parquet

DATA = Path(__file__).parents[3] / "shared" / "data"
Messages = tuple[tuple[str, str], ...]


def frame(texts: list[Messages]) -> pl.DataFrame:
    return record.to_frame([Record(f"r{n}", messages, "f", n) for n, messages in enumerate(texts)])


def dropped(folder: Path, questions: list[str], talks: list[Messages], **given: object) -> dict[str, dict[str, object]]:
    """Return what the step says of each record that goes."""
    part = folder / "part-00000.parquet"
    write_parquet(part, frame([(("user", text), ("assistant", "A")) for text in questions]))
    step = DropContaminated.model_validate({"against": ["b"], **given}, strict=False)
    events = step.within(Around(folder, {"b": (part,)})).apply(Batch.of(frame(talks))).ledger()
    gone = events.filter(action="dropped").select("id", "detail")
    return {name: orjson.loads(detail) for name, detail in gone.rows()}


QUESTIONS = [
    "石油也是油，为什么没有人用它来炒菜？",
    "鱼会淹死吗",
    "下列哪一项不属于法律关系的客体要素\nA. 物\nB. 行为\nC. 智力成果\nD. 时间",
    "Janet's ducks lay 16 eggs per day. She eats three for breakfast. How many are left?",
]


def test_a_question_is_found_in_other_dress(tmp_path: Path) -> None:
    questions = ["《红楼梦》的作者是谁", "若函数f(x)=x^2-2x+3，则f(x)的最小值为", "鱼会淹死吗"]
    dressed = [
        "《紅樓夢》的作者是誰？",
        "若函數 $f(x)=x^2-2x+3$，则 $f(x)$ 的最小值为（ ）",
        "题目：鱼会淹死吗？",
        "《西遊記》的作者是誰？",
    ]
    assert list(dropped(tmp_path, questions, [(("user", text),) for text in dressed])) == ["r0", "r1", "r2"]


def test_each_kind_is_named(tmp_path: Path) -> None:
    talks: list[Messages] = [
        (("user", "石油也是油为什么没有人用它来炒菜"), ("assistant", "有毒")),
        (("user", "请回答下面的问题：石油也是油，为什么没有人用它来炒菜？谢谢"),),
        (("passage", "昨天看到一个问题，石油也是油，为什么没人用它来炒菜呢？大家怎么看"),),
        (("user", "你好"), ("assistant", "你好"), ("user", "下列哪一项不属于法律关系的客体要素？")),
        (("user", "鱼会不会淹死呢？"),),
        (("user", "猫会淹死吗"),),
        (("user", "Q: Janet's ducks lay 16 eggs per day; she eats 3 for breakfast. How many are left? A:"),),
        (("system", QUESTIONS[0]), ("user", "为什么天是蓝的")),
        (("user", "水为什么不能燃烧，明明氢和氧都能"),),
    ]
    found = dropped(tmp_path, QUESTIONS, talks)
    assert {name: (one["kind"], one["of"], one["turn"]) for name, one in found.items()} == {
        "r0": ("exact", "f:0", 0),
        "r1": ("contained", "f:0", 0),
        "r2": ("near", "f:0", 0),
        "r3": ("exact", "f:2", 2),
        "r5": ("near", "f:1", 0),
        "r6": ("near", "f:3", 0),
    }


def test_numbers_tell_texts_apart_unless_they_are_not_to(tmp_path: Path) -> None:
    asked, other = "小明有3个苹果，又买了5个，一共有几个苹果", "小明有3个苹果，又买了6个，一共有几个苹果"
    assert dropped(tmp_path, [asked], [(("user", other),)]) == {}
    assert dropped(tmp_path, [asked], [(("user", other),)], same_figures=False)["r0"]["kind"] == "near"


def test_what_is_nearly_near_is_noted(tmp_path: Path) -> None:
    talks: list[Messages] = [(("user", "石油也是油，为什么没人用它来炸鸡呢？"),)]
    score = dropped(tmp_path, QUESTIONS, talks, short_similarity=0.3)["r0"]["score"]
    assert isinstance(score, float)
    part = tmp_path / "part-00000.parquet"
    for margin, noted in ((0.02, ["spared"]), (0.0, [])):
        step = DropContaminated(against=("b",), short_similarity=score + 0.01, margin=margin)
        events = step.within(Around(tmp_path, {"b": (part,)})).apply(Batch.of(frame(talks))).ledger()
        assert events["action"].to_list() == noted


def test_short_items_are_no_part_of_longer_texts(tmp_path: Path) -> None:
    talks: list[Messages] = [(("user", "老师问我鱼会淹死吗，我说不知道"),)]
    assert dropped(tmp_path, QUESTIONS, talks) == {}
    assert dropped(tmp_path, QUESTIONS, talks, min_contained=5)["r0"]["kind"] == "contained"


texts = st.text("水火木金土一二三abc1 ，", max_size=70)


@settings(max_examples=150)
@given(st.lists(texts, min_size=1, max_size=6), st.lists(texts, min_size=1, max_size=6))
def test_what_the_rule_for_near_duplicates_finds_is_found(asked: list[str], others: list[str]) -> None:
    """Hold against the join, and that neither order nor company of the texts matters."""
    likeness = Likeness(same_figures=False)
    none = pl.lit(0, dtype=pl.UInt64).alias("figures")
    keys = [pl.select(matching_key(pl.lit(pl.Series(side, dtype=pl.String)))).to_series() for side in (asked, others)]
    items = Items(keys[0].to_list(), likeness, 12)
    held = {(one.text, one.item): one for one in items.held(keys[1].to_list())}
    for text, key in enumerate(keys[1].to_list()):
        alone = [(text, one.item) for one in items.held([key])]
        assert alone == [pair for pair in held if pair[0] == text], "company or order of the texts matters"
    both = pl.DataFrame({"key": pl.concat(keys)}).with_columns(none)
    rows, number = distinct(both)
    places = {int(place): [at for at, one in enumerate(number.tolist()) if one == place] for place in number.tolist()}
    for block in near_pairs(rows, likeness):
        for left, right in zip(block.left.tolist(), block.right.tolist(), strict=True):
            one, other = places[left], places[right]
            if is_filled(rows["key"][left], rows["key"][right]):
                continue
            for a, b in ((one, other), (other, one)):
                for item in (at for at in a if at < len(asked)):
                    for text in (at - len(asked) for at in b if at >= len(asked)):
                        # The step takes the pieces of the question as a set, the join each with how often it stands.
                        key = keys[0][item]
                        size = items.items[item].size
                        if len(items.items[item].pieces) == len(key) - size + 1:
                            assert (text, item) in held, (key, keys[1][text])


def test_by_recipe_and_the_ledger_says_where(tmp_path: Path) -> None:
    (tmp_path / "bench").mkdir()
    (tmp_path / "bench" / "one.csv").write_text("Question,Answer\n石油也是油，为什么没有人用它来炒菜？,B\n", "utf-8")
    rows = [{"text": "石油也是油，为什么没有人用它来炒菜"}, {"text": "水为什么不能燃烧"}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    data = {"name": "x", "source": {"inputs": ["in.jsonl"]}}
    data["prepare"] = {"steps": [{"drop_contaminated": {"against": ["bench"]}}]}
    done = run(bind(data, SETTINGS, tmp_path), tmp_path / "runs")[-1]
    assert done.manifest["refused"] == {"contaminated": 1}
    (detail,) = done.stored.ledger()["detail"]
    score = {"setting": None, "score": 1.0, "goes": ">=", "threshold": None, "noted_to": None}
    assert orjson.loads(detail) == score | {"of": "bench/one.csv:1", "kind": "exact", "turn": 0}
    (tmp_path / "bench" / "one.csv").write_text("Question,Answer\n水为什么不能燃烧,B\n", "utf-8")
    again = run(bind(data, SETTINGS, tmp_path), tmp_path / "runs")[-1]
    assert again.fresh
    assert again.manifest["refused"] == {"contaminated": 1}


# The trial: questions of a benchmark are planted, changed as people change them, among rows that are clean.


def edited(text: str, rng: random.Random, times: int = 1) -> str:
    """Return the text after some edits of one character, letters and not numbers."""
    for _ in range(times):
        places = [at for at, letter in enumerate(text) if not letter.isdigit()]
        at = rng.choice(places)
        text = text[:at] + rng.choice(["", "的", "e"]) + text[at + (rng.random() < 0.5) :]
    return text


WAYS: dict[str, Callable[[str, random.Random], str]] = {
    "as it is": lambda text, rng: text,
    "other punctuation": lambda text, rng: re.sub(
        r"(?<!\d)[，。？,.?\s]+(?!\d)", lambda _: rng.choice(["", " ", "……"]), text
    ),
    "in a prompt": lambda text, rng: (
        f"请回答下面的题目，并说明理由。\n题目：{text}\nA. 甲\nB. 乙\nC. 丙\nD. 丁\n答案："
    ),
    "one edit": lambda text, rng: edited(text, rng),
    "an edit in 15": lambda text, rng: edited(text, rng, max(1, len(text) // 15)),
    "one edit, in a prompt": lambda text, rng: f"Answer this question for me, please: {edited(text, rng)} Thank you!",
}


def cmmlu() -> list[str]:
    files = sorted((DATA / "decontamination" / "cmmlu_dev").glob("*.csv"))
    return [text for file in files for text in pl.read_csv(file)["Question"].to_list()]


def gsm8k() -> list[str]:
    lines = (DATA / "decontamination" / "gsm8k_test_first_300.jsonl").read_text("utf-8").splitlines()
    return [json.loads(line)["question"] for line in lines]


def clean() -> list[str]:
    """Return texts that hold no question of a benchmark: posts, and questions and answers on other subjects."""
    rows = [
        json.loads(line) for path in sorted((DATA / "cqia").glob("*.jsonl")) for line in path.open(encoding="utf-8")
    ]
    posts = [
        row["text"]
        for path in sorted((DATA / "ruozhiba" / "posts").glob("*.json"))
        for row in json.loads(path.read_text("utf-8"))
    ]
    return [*posts, *(row["instruction"] + "\n" + row["output"] for row in rows)]


def by_words(questions: list[str]) -> Callable[[str], bool]:
    """Return the usual method: any 13 words in a row in common, in lower case and without punctuation."""

    def grams(text: str) -> set[tuple[str, ...]]:
        words = re.sub(r"[^\w\s]", "", text.lower()).split()
        return set(zip(*(words[at:] for at in range(13)), strict=False))

    known = set().union(*map(grams, questions))
    return lambda text: bool(grams(text) & known)


def by_us(questions: list[str]) -> Callable[[str], bool]:
    folder = Path(tempfile.mkdtemp())

    def finds(text: str) -> bool:
        return bool(dropped(folder, questions, [(("user", text),)]))

    return finds


def trial(questions: list[str], seed: int, method: Callable[[list[str]], Callable[[str], bool]]) -> dict[str, int]:
    """Return of 100 planted questions how many are found, by way; and how many of the other half, which are clean."""
    rng = random.Random(seed)
    drawn = rng.sample(questions, len(questions))
    known, others = drawn[: len(drawn) // 2], drawn[len(drawn) // 2 :]
    finds = method(known)
    found = {name: sum(finds(way(text, rng)) for text in known[:100]) for name, way in WAYS.items()}
    return {**found, "wrong": sum(map(finds, others)), "others": len(others)}


@pytest.mark.parametrize("questions", [cmmlu, gsm8k])
def test_planted_questions_are_found(questions: Callable[[], list[str]]) -> None:
    if not (DATA / "decontamination").exists():
        pytest.skip(f"no {DATA / 'decontamination'}")
    ours = trial(questions(), 0, by_us)
    print(ours, trial(questions(), 0, by_words))
    assert ours["as it is"] == ours["other punctuation"] == 100
    assert ours["wrong"] <= 1
