"""Near-duplicates: the search finds what comparing all with all finds, and takes no sum for another."""

import random
import re
import unicodedata
from collections import Counter

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.similar import (
    Likeness,
    compared,
    connected,
    distinct,
    is_filled,
    join,
    kept_twins,
    matching_key,
    near_pairs,
)


def keyed(*texts: str) -> pl.DataFrame:
    return compared(pl.Series(texts, dtype=pl.String))


def found(*texts: str) -> set[tuple[int, int]]:
    """Return the pairs among the texts, those of equal ones too."""
    rows, number = distinct(keyed(*texts))
    pairs = {
        (int(a), int(b)) for block in near_pairs(rows, Likeness()) for a, b in zip(block.left, block.right, strict=True)
    }
    same = range(len(texts))
    return {
        (i, j)
        for i in same
        for j in same
        if i < j and (number[i] == number[j] or tuple(sorted((number[i], number[j]))) in pairs)
    }


def alike(one: str, other: str) -> bool:
    return bool(found(one, other))


def test_the_key_leaves_out_what_does_not_count() -> None:
    assert keyed("“Ｈello，　World！”", "……？！ ", "")["key"].to_list() == ["helloworld", "......?!", ""]


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("咖啡严格来说是不是也可以叫豆浆？", "咖啡严格来说是不是也可以叫豆浆"),
        ("咖啡严格来说是不是也可以叫豆浆？", "咖啡严格来说是不是可以叫豆浆？"),
        ("咖啡严格来说是不是也可以叫豆浆？", "咖啡严格来说也是不是可以叫豆浆？"),  # moved
        ("为什么不行呢", "为什么不行啊"),  # six characters
        ("What is the capital of France?", "what is the capitol of France"),
        ("……？！", "……？！ "),
    ],
)
def test_an_edit_makes_a_near_duplicate(one: str, other: str) -> None:
    assert alike(one, other)
    assert alike(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("91-33=", "91-35="),
        ("91-33=", "91+33="),
        ("小明有3个苹果，又买了5个，一共有几个苹果？", "小明有3个苹果，又买了6个，一共有几个苹果？"),
        ("请把第3章的内容总结一下给我看", "请把第4章的内容总结一下给我看"),
        ("请把第三章的内容总结一下给我看", "请把第四章的内容总结一下给我看"),
        ("树上有十个苹果，掉了两个，还剩几个？", "树上有九个苹果，掉了两个，还剩几个？"),
        ("树上有十二个苹果，掉了两个，还剩几个？", "树上有12个苹果，掉了3个，还剩几个？"),
        ("星期一早上要不要去打疫苗？", "星期二早上要不要去打疫苗？"),
        ("二〇二三年的春节是哪一天？", "二〇二四年的春节是哪一天？"),
        ("我爱你", "我恨你"),
        ("a", "b"),
        ("", ""),
        ("What is the capital of France?", "What is the capital of Greece?"),
        ("……", "？？"),
    ],
)
def test_another_text_is_no_near_duplicate(one: str, other: str) -> None:
    assert not alike(one, other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("小明有３个苹果，又买了５个", "小明有3个苹果，又买了 5 个。"),
        ("小明有三个苹果，又买了20个", "小明有3个苹果，又买了20个"),
        (
            "二零二四年的春节联欢晚会上，有没有人把扭秧歌的机器人当成真人，跑上去和它握手？",
            "2024年的春节联欢晚会上，有没有人把扭秧歌的机器人当成真人，跑上去和它握手？",
        ),
        ("两个人一起去，要带几把伞？", "两个人去，要带几把伞？"),  # 一 is no number that the other writes otherwise
    ],
)
def test_the_same_numbers_written_otherwise_are_the_same(one: str, other: str) -> None:
    assert alike(one, other)


def grams(key: str, size: int) -> Counter[str]:
    return Counter(key[i : i + size] for i in range(len(key) - size + 1))


def by_hand(one: str, other: str) -> bool:
    """Say whether two keys without figures are alike, all by the definition."""
    if one == other:
        return one != ""
    lengths = sorted((len(one), len(other)))
    if lengths[0] >= 5 and lengths[1] <= 64 and cut(one) & cut(other):
        return True
    wide = [sum(c >= "\u2e80" for c in key) * 2 >= len(key) for key in (one, other)]
    short = [w and len(key) < join.SHORT for w, key in zip(wide, (one, other), strict=True)]
    if any(short) and not all(wide):
        return False
    a, b = (grams(key, 2 if any(short) else 5) for key in (one, other))
    return bool(a and b) and (a & b).total() / (a | b).total() >= (0.6 if any(short) else 0.8) - 1e-9


def cut(key: str) -> set[str]:
    return {key, *(key[:i] + key[i + 1 :] for i in range(len(key)))}


LETTERS = st.text(alphabet="天地玄黄宇宙", max_size=12)


@given(st.lists(st.tuples(LETTERS, st.integers(1, 8)), max_size=8))
def test_the_search_finds_what_comparing_all_finds(parts: list[tuple[str, int]]) -> None:
    texts = [text * times for text, times in parts]
    expected = {(i, j) for i in range(len(texts)) for j in range(i + 1, len(texts)) if by_hand(texts[i], texts[j])}
    assert found(*texts) == expected


@pytest.mark.parametrize("alphabet", ["的也是不了人我在有他这为之大来以个中上们", "abcdefghij "])
@pytest.mark.parametrize("block", [50, 4_000_000])
def test_the_search_finds_what_comparing_all_finds_in_longer_texts(
    alphabet: str, block: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(join, "_BLOCK", block)
    rng = random.Random(0)
    texts = []
    for _ in range(40):
        text = "".join(rng.choices(alphabet, k=rng.randrange(30, 130)))
        texts.append(text)
        for _ in range(3):  # further and further from it
            at = rng.randrange(len(text))
            text = text[:at] + rng.choice(alphabet) * rng.randrange(3) + text[at + rng.randrange(8) :]
            texts.append(text)
    rng.shuffle(texts)
    keys = keyed(*texts)["key"].to_list()
    expected = {(i, j) for i in range(len(keys)) for j in range(i + 1, len(keys)) if by_hand(keys[i], keys[j])}
    assert len(expected) > 60
    assert found(*texts) == expected


def test_many_texts_that_share_a_piece_still_find_their_twins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(join, "_NEIGHBOURS", 5)
    rng = random.Random(1)
    texts = ["为什么说" + "".join(rng.choices("天地玄黄宇宙洪荒日月盈昃辰宿列张", k=12)) for _ in range(200)]
    twins = [text[:7] + "们" + text[8:] for text in texts]
    pairs = found(*texts, *twins)
    assert all((i, i + 200) in pairs for i in range(200))


FORM = (
    "我希望你充当一名英语翻译。我会用任何语言和你说话，你会检测语言，翻译它，并用我文本的更正和改进版本用英语回答。"
    "请你只翻译意思，不要解释，也不要加上别的话。我的第一句话是："
)


def test_a_form_filled_in_twice_is_told_from_an_edit() -> None:
    filled, edited = FORM + "昨晚我家猫跑丢了", FORM.replace("检测", "检查") + "今天的天气真好啊"
    rows, _ = distinct(keyed(FORM + "今天的天气真好啊", filled, edited))
    assert found(*rows["key"]) == {(0, 1), (0, 2)}
    assert is_filled(rows["key"][0], rows["key"][1])
    assert not is_filled(rows["key"][0], rows["key"][2])
    assert kept_twins(rows, Likeness())["row"].to_list() == [2]


def test_the_first_stays_and_no_two_that_stay_are_alike() -> None:
    chain = ["一二三四五六七八九十甲乙丙丁戊己庚辛壬癸"]  # each like the one before it, the last unlike the first
    for at in (2, 7, 12, 17):
        chain.append(chain[-1][:at] + "风花" + chain[-1][at + 2 :])
    rows, _ = distinct(keyed(*chain))
    twins = kept_twins(rows, Likeness()).rows()
    assert [(row, twin) for row, twin, _, _ in twins] == [(1, 0), (3, 2)]
    assert all(similarity >= threshold == 0.6 for _, _, similarity, threshold in twins)
    wider = kept_twins(rows, Likeness(short=0.9, margin=0.4)).rows()
    assert [(row, twin, threshold) for row, twin, _, threshold in wider] == [
        (1, 0, 0.9),
        (2, 1, 0.9),
        (3, 2, 0.9),
        (4, 3, 0.9),
    ]
    assert {row for row, _, similarity, threshold in wider if similarity < threshold} == {1, 2, 3, 4}


def test_of_many_near_copies_one_stays() -> None:
    rng = random.Random(2)
    spam = "".join(
        rng.choices("的一是不了人我在有他这为之大来以个中上们到说国和地也子时道出而要于就下得可你年生", k=120)
    )
    texts = [spam[:at] + chr(0x4E00 + n) + spam[at + 1 :] for n in range(1200) for at in [rng.randrange(120)]]
    rows, _ = distinct(keyed(*texts))
    assert len(kept_twins(rows, Likeness())) >= len(rows) - 5  # the first of them is 500 copies away


def test_nothing_is_like_nothing() -> None:
    assert found() == set()
    rows, number = distinct(keyed("", "a", "", "a"))
    assert len(rows) == 3
    assert number.tolist() == [0, 1, 2, 1]


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 9)), max_size=12))
def test_connected_is_what_walking_the_edges_reaches(edges: list[tuple[int, int]]) -> None:
    reach = {item: {item} for item in range(10)}
    for _ in range(10):
        for a, b in edges:
            reach[a] = reach[b] = reach[a] | reach[b]
    left, right = (np.array([edge[side] for edge in edges], dtype=np.int64) for side in (0, 1))
    assert connected(10, left, right).tolist() == [min(reach[item]) for item in range(10)]


@given(
    st.lists(st.text(st.sampled_from("aÀΣσ.·1٣²①½，。 甲ﾊﾞ각\u1100\u0301\ufa6c\ufa19😀𠀀\x00"), max_size=6), max_size=5)
)
def test_characters_looked_up_are_folded_as_whole_texts(texts: list[str]) -> None:
    folded = [
        re.sub(r"(?<=\d)\.(?=\d)", "˙", unicodedata.normalize("NFKC", text).lower()).replace("ς", "σ") for text in texts
    ]
    keys = ["".join(letter for letter in text if unicodedata.category(letter)[0] not in "PZC") for text in folded]
    expected = [key or re.sub(r"\s+", "", text) for key, text in zip(keys, folded, strict=True)]
    found = pl.DataFrame({"text": texts}, schema={"text": pl.String}).select(matching_key(pl.col("text")))
    assert [key.replace("ς", "σ") for key in found.to_series()] == expected
