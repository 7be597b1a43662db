"""`weitiao ledger` and `--dry-run`: counts are those of a run at the other threshold; a trial writes nothing."""

import random
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import orjson
import pytest

from weitiao.cli import main

Weitiao = Callable[..., tuple[int, str, str]]


@pytest.fixture
def weitiao(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Weitiao:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LC_ALL", "en_US.UTF-8")
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    rng = random.Random(0)
    words = ["".join(rng.choices("天地玄黄宇宙洪荒日月盈昃辰宿列张寒来暑往秋收冬藏", k=4)) for _ in range(300)]
    texts = ["".join(rng.choices(words, k=rng.randrange(1, 9))) for _ in range(60)]
    texts += [text[: len(text) * 2 // 3] + "".join(rng.choices(words, k=2)) for text in texts[:40]]
    texts += ["甲" * length for length in (1, 2, 3)] + ["ab cd ef gh\u200b", "ab cd\u200b ef gh"]
    rows = [{"text": text} for text in texts]
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join(map(orjson.dumps, rows)))
    steps = "[tidy_whitespace, drop_short, drop_exact_duplicates, {drop_near_duplicates: {margin: 0.3}}]"
    (tmp_path / "recipe.yaml").write_text(f"source: {{inputs: [posts.jsonl]}}\nprepare: {{steps: {steps}}}\n")

    def run(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["weitiao", *arguments])
        capfd.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        return int(ended.value.code or 0), *capfd.readouterr()

    return run


def asked(weitiao: Weitiao, *arguments: str) -> dict[str, Any]:
    status, out, err = weitiao(*arguments, "--json")
    assert status == 0, err
    told: dict[str, Any] = orjson.loads(out)
    return told


def gone(weitiao: Weitiao, step: int, setting: str) -> int:
    told = asked(weitiao, "run", "recipe.yaml", "--runs", "other", "--set", setting)
    row = told["stages"]["prepare"]["facts"]["funnel"][step]
    return int(row["in"] - row["out"])


def test_another_threshold_of_length_is_counted_as_a_run_would(weitiao: Weitiao) -> None:
    asked(weitiao, "run", "recipe.yaml")
    (limit,) = asked(weitiao, "ledger", "why", "too short", "recipe.yaml")["limits"]
    assert (limit["setting"], limit["goes"], limit["threshold"], limit["dropped"]) == ("min_chars", "<", 4, 3)
    steps = "prepare.steps=[tidy_whitespace, {{drop_short: {{min_chars: {at}}}}}]"
    for at in (1, 3, 5, 6):
        (tried,) = asked(weitiao, "ledger", "why", "drop_short", "recipe.yaml", "--at", str(at))["limits"]
        assert not tried["at_least"]
        assert gone(weitiao, 1, steps.format(at=at)) == 3 - tried["back"] + tried["gone"]
    (tried,) = asked(weitiao, "ledger", "why", "too-short", "runs/recipe", "--at", "min_chars=20")["limits"]
    assert tried["at_least"], "those that just stayed are noted only so far"


def test_another_likeness_turns_what_lies_between(weitiao: Weitiao) -> None:
    asked(weitiao, "run", "recipe.yaml")
    told = asked(weitiao, "ledger", "why", "near-duplicate", "--limit", "1000")
    scores = [case["score"] for case in told["cases"] if case["action"] == "spared"]
    assert len(scores) > 5
    gaps = [abs(case["score"] - case["threshold"]) / case["threshold"] for case in told["cases"] if case["threshold"]]
    assert gaps == sorted(gaps), "borderline pairs first"
    assert all(case["text"] and case["twin_text"] for case in told["cases"])
    at = sorted(scores)[len(scores) // 2]
    told = asked(weitiao, "ledger", "why", "near-duplicate", "--at", str(at), "--limit", "1000")
    (limit,) = (limit for limit in told["limits"] if limit["setting"])
    assert limit["gone"] == sum(score >= at for score in scores) == len(told["cases"])
    assert (limit["back"], limit["at_least"]) == (0, False)
    steps = "prepare.steps=[tidy_whitespace, drop_short, drop_exact_duplicates, {{drop_near_duplicates: {at}}}]"
    now = gone(weitiao, 3, steps.format(at="{}"))
    # One that would go takes with it that it is held against others: a run may count fewer, never more.
    assert now < gone(weitiao, 3, steps.format(at=f"{{short_similarity: {at}}}")) <= now + limit["gone"]
    below = asked(weitiao, "ledger", "why", "near-duplicate", "--at", "short_similarity=0.2")["limits"]
    assert any(limit["at_least"] for limit in below)


def test_what_goes_at_any_threshold_is_said(weitiao: Weitiao, tmp_path: Path) -> None:
    posts = ["今天北京的天气怎么样呢？", "今天北京的天气怎么样啊？", "今天北京的天气怎么样？", "今天北京的天气怎么说？"]
    (tmp_path / "posts.jsonl").write_bytes(b"\n".join(orjson.dumps({"text": text}) for text in posts))
    asked(weitiao, "run", "recipe.yaml", "--set", "prepare.steps=[drop_near_duplicates]")
    told = asked(weitiao, "ledger", "why", "near-duplicate", "--at", "0.95")
    assert [(one["threshold"], one["dropped"], one["at_any"]) for one in told["limits"]] == [
        (None, 2, True),
        (0.6, 1, False),
    ]
    _, out, _ = weitiao("ledger", "why", "near-duplicate")
    assert (
        "drop_near_duplicates: 2 went at any threshold: word for word the same, one edit apart, or held whole by the "
        "other\n" in out
    )
    assert out.count("(at any threshold) ") == 2


def test_the_funnel_adds_up(weitiao: Weitiao) -> None:
    asked(weitiao, "run", "recipe.yaml")
    rows = asked(weitiao, "ledger", "funnel")["funnel"]
    assert [row["step"] for row in rows] == [
        "source", "tidy_whitespace", "drop_short", "drop_exact_duplicates", "drop_near_duplicates",
    ]  # fmt: skip
    assert all(row["in"] == row["out"] + sum(row["dropped"].values()) for row in rows)
    status, out, _ = weitiao("ledger", "funnel", "recipe.yaml")
    assert status == 0
    assert "too short 3" in out


def test_what_cannot_be_answered_is_said(weitiao: Weitiao) -> None:
    asked(weitiao, "run", "recipe.yaml")
    status, _, err = weitiao("ledger", "why", "ugly")
    assert (status, "too short" in err) == (2, True)
    assert weitiao("ledger", "why", "exact duplicate", "--at", "1")[0] == 2
    assert "short_similarity" in weitiao("ledger", "why", "near-duplicate", "--at", "min_chars=1")[2]
    assert weitiao("ledger", "why", "near-duplicate", "--at", "much")[0] == 2
    assert weitiao("ledger", "funnel", "nowhere")[0] == 2
    asked(weitiao, "run", "recipe.yaml", "--runs", "runs", "--set", "name=second")
    status, _, err = weitiao("ledger", "funnel")
    assert (status, "Which run?" in err) == (2, True)


def test_the_texts_stand_side_by_side(weitiao: Weitiao) -> None:
    asked(weitiao, "run", "recipe.yaml")
    status, out, _ = weitiao("ledger", "why", "exact duplicate", "recipe.yaml")
    assert status == 0
    assert out.count("ab cd ef gh") == 2, "as it was when it was dropped, not as it came"


def test_a_dry_run_writes_nothing_and_tells_all(weitiao: Weitiao, tmp_path: Path) -> None:
    before = sorted(tmp_path.rglob("*"))
    told = asked(weitiao, "run", "recipe.yaml", "--dry-run")["prepare"]
    assert sorted(tmp_path.rglob("*")) == before
    assert (told["total"], told["sample"]) == (105, 105)
    done = asked(weitiao, "run", "recipe.yaml")["stages"]["prepare"]["facts"]["funnel"]
    tried = [(step["step"], step["came"], step["changed"], step["dropped"]) for step in told["steps"]]
    assert tried == [(row["step"], row["in"], row["changed"], row["in"] - row["out"]) for row in done]
    first = told["steps"][0]["examples"][0]
    assert (first["before"], first["after"]) == ("ab cd ef gh\u200b", "ab cd ef gh")
    status, out, _ = weitiao("prepare", "posts.jsonl", "--dry-run", "--sample", "20", "--examples", "1")
    assert status == 0
    assert "the first 10 of 105 records and 10 drawn at random" in out
    assert weitiao("prepare", "posts.jsonl", "--dry-run", "--sample", "20", "--examples", "1")[1] == out, "by the seed"
    assert weitiao("prepare", "posts.jsonl")[0] == 2
    status, _, err = weitiao("run", "recipe.yaml", "--to", "source", "--dry-run")
    assert (status, "nothing to try" in err) == (2, True)


def test_a_dry_run_of_a_recipe_tells_prepare_and_what_a_teacher_is_asked(weitiao: Weitiao, tmp_path: Path) -> None:
    teacher = "{model: m, endpoint: 'http://127.0.0.1:9/v1'}"
    steps = "[drop_contaminated: {against: [bench.jsonl]}]"
    (tmp_path / "bench.jsonl").write_bytes(orjson.dumps({"text": "甲甲"}))
    text = f"source: {{inputs: [posts.jsonl]}}\nprepare: {{steps: {steps}}}\n"
    asks = f"augment: {{teacher: {teacher}, steps: [ask_passages: {{min_chars: 1}}]}}\n"
    (tmp_path / "recipe.yaml").write_text(text + asks, "utf-8")
    told = asked(weitiao, "run", "recipe.yaml", "--dry-run")
    assert [step["dropped"] for step in told["prepare"]["steps"]] == [2]  # 甲甲甲 too
    assert told["plan"]["steps"]["augment/ask_passages"]["calls"] == 103
    assert asked(weitiao, "run", "recipe.yaml", "--dry-run", "--to", "prepare").keys() == {"prepare"}
    status, out, err = weitiao("run", "recipe.yaml", "--dry-run")
    assert status == 0, err
    assert out.index("drop_contaminated: of 105 it would drop 2") < out.index("In all: 412 calls")
