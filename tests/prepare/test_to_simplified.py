"""Traditional characters become simplified ones by phrase, and other languages stay."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.to_simplified import ToSimplified, _one_of

GOLDEN = Path(__file__).parents[3] / "shared" / "data" / "text" / "opencc"


def simplified(text: str) -> str:
    return str(ToSimplified().rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize(
    ("text", "simple"),
    [
        ("頭髮發展，乾淨的後天，皇后在後面", "头发发展，干净的后天，皇后在后面"),
        ("看著乾隆的著名字畫", "看着乾隆的著名字画"),
        ("一見鍾情，鐘錶，麵粉，下麵，裏面，這裡", "一见钟情，钟表，面粉，下面，里面，这里"),
        ("錢鍾書、范仲淹、沈從文在瀋陽", "钱锺书、范仲淹、沈从文在沈阳"),
        ("藉口、憑藉、狼藉、慰藉", "借口、凭借、狼藉、慰藉"),
        ("隻字片語，軟體和計程車", "只字片语，软体和计程车"),
        ("香港嘅説話、衞生、啟動", "香港嘅说话、卫生、启动"),
        ("見 `頭髮` 和 https://example.com/頭髮 的頭髮", "见 `頭髮` 和 https://example.com/頭髮 的头发"),
        ("```\n頭髮\n```\n頭髮", "```\n頭髮\n```\n头发"),
        ("效果顯著，土著的專著和譯著，以此著稱", "效果显著，土著的专著和译著，以此著称"),
        ("翻譯著，討論著，看著名單，寫著作業", "翻译着，讨论着，看着名单，写着作业"),
        ("甚麼時候，甚至", "什么时候，甚至"),
        ("他把桌子擦乾净了，吃饼乾", "他把桌子擦干净了，吃饼干"),
        ("日本語の頭髮\n頭髮", "日本語の頭髮\n头发"),
        ("手機打坏了，菜薹、彰著", "手机打坏了，菜薹、彰著"),
        ("我最愛の奶茶店在臺北", "我最爱の奶茶店在台北"),
        ("《君の名は》這部電影和「東京喰種トーキョー」", "《君の名は》这部电影和「東京喰種トーキョー」"),
        ("韓文的「대한민국」就是大韓民國嗎", "韩文的「대한민국」就是大韩民国吗"),
        ("對面的壱番屋很好吃", "对面的壱番屋很好吃"),
        ("请問這個，点餐時要告知", "请问这个，点餐时要告知"),
        ("電話 [手机号1]", "电话 [手机号1]"),
        ("国内旅遊，景点\n我的手機號", "国内旅游，景点\n我的手机号"),
    ],
)
def test_phrases_become_simplified(text: str, simple: str) -> None:
    assert simplified(text) == simple


@pytest.mark.parametrize(
    "text",
    [
        "乾坤、乾隆、著名、后羿、瞭望、宫商角徵羽",
        "図書館で本を読む",
        "東京都知事選挙",
        "日本国憲法第九条",
        "総務省統計局 令和二年国勢調査",
        "給与条例 受付終了 総務課",
        "东西打坏了，水土坏了，获益甚夥",
        "大韓民國은 민주공화국이다",
        "“后”的繁體字是“後”",
        "「後」和「后」有什麼區別",
        "效果非常显著，他的专著、论著、原著都以此著称",
        "萧乾、李承乾和沈思雨是谁",
        "plain English, 123",
        "",
    ],
)
def test_other_languages_and_simplified_text_stay(text: str) -> None:
    assert simplified(text) == text


LETTERS = "頭髮發展乾淨净後皇后显論沈思名作著看裏裡麼幺甚鍾鐘錢説衞徵隻藉覆日の한繁體国憲総坏薹夥電們点`\n a，"


@given(st.text(LETTERS, max_size=12))
def test_a_second_time_changes_nothing(text: str) -> None:
    once = simplified(text)
    assert simplified(once) == once


@pytest.mark.skipif(not GOLDEN.exists(), reason=f"no {GOLDEN}")
@pytest.mark.parametrize("variant", ["s2t", "s2tw", "s2hk"])
def test_the_golden_texts_come_back(variant: str) -> None:
    original = (GOLDEN / "us_constitution_zhs.txt").read_text(encoding="utf-8")
    assert (
        ToSimplified().rewrite_one((GOLDEN / f"us_constitution_zhs.{variant}.txt").read_text(encoding="utf-8"))
        == original
    )
    assert ToSimplified().rewrite_one(original) == original


def test_an_informal_particle_stays_in_a_simplified_text() -> None:
    assert simplified("是么？行么，这么说吧") == "是么？行么，这么说吧"  # 么 alone is 幺 to OpenCC


def test_each_line_is_judged_by_itself_where_it_matters() -> None:
    lines = ["是么", "這個", "日本の國", "看 https://a.example/國 這"]
    alone = [simplified(line) for line in lines]
    assert alone[:2] == ["是么", "这个"]
    assert simplified("\n".join(lines)) == "\n".join(alone)
    assert simplified("\n".join(lines[1::2])) == "\n".join(alone[1::2])


def test_letters_are_found_in_every_plane() -> None:
    found = _one_of("後𪃍𤠮")
    assert [letter for letter in "后後a😀𪃍𥪧𤠮\uffff" if found.search(letter)] == list("後𪃍𤠮")
    assert simplified("𪃍鳥飛") == "𪉐鸟飞"
