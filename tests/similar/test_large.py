"""Texts on disk: the search by signatures finds what the search in memory finds, however the parts are cut."""

import random
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.gather import Gathered
from weitiao.similar import Likeness, compared, distinct, is_filled, kept_twins
from weitiao.similar.large import twins_on_disk
from weitiao.similar.signatures import filled

LETTERS = "的一是不了人我在有他这大来以个中上们到说国和地也子时道出而要于就下得可你年生会那后能对着事其里所去行过家"


@pytest.fixture(autouse=True)
def _one_worker(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")


def made_up(seed: int) -> list[str]:
    """Return texts of all lengths with copies that are further and further from them, sums and repeats among them."""
    rng = random.Random(seed)
    texts = ["", "", "91-33=", "91-35=", "哈" * 200, "哈" * 230, "第3章" + LETTERS * 3, "第4章" + LETTERS * 3]
    for length in (8, 20, 45, 70, 90, 110, 120, 200, 400):
        for _ in range(8):
            text = "".join(rng.choices(LETTERS, k=length))
            texts += [text, text + "。"]
            for _ in range(3):
                for _ in range(1 + length // 100):
                    at = rng.randrange(len(text))
                    text = text[:at] + rng.choice(LETTERS) + text[at + rng.randrange(3) :]
                texts.append(text)
    rng.shuffle(texts)
    return texts


def on_disk(columns: pl.DataFrame, folder: Path, size: int) -> Gathered:
    (folder / "aside").mkdir(parents=True)
    parts = []
    for index, start in enumerate(range(0, len(columns), size)):
        parts.append(folder / f"{index:05d}.parquet")
        columns[start : start + size].write_parquet(parts[-1])
    return Gathered(tuple(parts), (), folder / "aside")


@pytest.mark.parametrize("size", [7, 1000])
def test_it_finds_what_is_found_in_memory(tmp_path: Path, size: int) -> None:
    texts = pl.DataFrame({"text": made_up(size)})
    likeness = Likeness(margin=0.05)
    rows, number = distinct(compared(texts["text"]))
    first = {key: place for place, key in reversed(list(enumerate(number.tolist())))}
    expected = [
        (first[row], first[twin], round(similarity, 9), threshold)
        for row, twin, similarity, threshold in kept_twins(rows, likeness).rows()
    ]
    assert len(expected) > 100
    for _ in range(2):  # the second time the signatures are there
        places, twins = twins_on_disk(on_disk(texts, tmp_path / f"{_}", size), likeness)
        assert places.tolist() == [first[key] for key in number.tolist()]
        assert [(a, b, round(c, 9), d) for a, b, c, d in twins.rows()] == expected


def test_what_earlier_gathers_drop_is_left_out(tmp_path: Path) -> None:
    frame = pl.DataFrame({"id": list("abcdef"), "value": range(6)})
    gathered = on_disk(frame, tmp_path, 2)
    folder = tmp_path / "gone"
    folder.mkdir()
    for path, ids in zip(gathered.parts, (["b"], [], ["f"]), strict=True):
        events = pl.DataFrame({"id": [*ids, "e"], "action": ["dropped"] * len(ids) + ["spared"]})
        events.write_parquet(folder / path.name)
    gathered = Gathered(gathered.parts, (folder,), gathered.aside)
    assert gathered.all()["id"].to_list() == ["a", "c", "d", "e"]
    chosen = pl.Series([True, False, True, True]).to_numpy()
    assert pl.concat(gathered.some(chosen, "id")).rows() == [(0, "a"), (2, "d"), (3, "e")]


@given(st.text("甲乙丙", max_size=20), *[st.text("甲乙丙abcd", max_size=40)] * 2, st.text("a丁", max_size=20))
def test_a_form_filled_in_is_told_as_elsewhere(head: str, one: str, other: str, tail: str) -> None:
    texts = [head + one + tail, head + other + tail]
    units = np.frombuffer("".join(texts).encode("utf-32-le"), dtype=np.uint32)
    ends = np.cumsum([len(text) for text in texts])
    pairs = np.array([0, 1]), np.array([1, 0])
    assert filled(units, ends, *pairs).tolist() == [is_filled(*texts), is_filled(*reversed(texts))]
