"""Wrong decodings are undone where that is sure, and sound text stays."""

import json
from pathlib import Path

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from weitiao.prepare.fix_mojibake import FixMojibake

DATA = Path(__file__).parents[3] / "shared" / "data"
POSTS = [
    "咖啡严格来说是不是也可以叫豆浆？",
    "我在春天里种下了一棵树，到了秋天它没有长出来。",
    "小明问老师：为什么月亮总是跟着我走？",
    "他们说的话和我想的不一样，但是我还是相信他们。",
]


def fixed(text: str) -> str:
    return str(FixMojibake().rewritten(pl.Series([text]))[0])


@pytest.mark.parametrize("text", POSTS)
@pytest.mark.parametrize(
    ("real", "wrong"),
    [
        *(("utf-8", wrong) for wrong in ("latin-1", "cp437", "mac_roman", "gb18030", "big5hkscs")),
        *(("gb18030", wrong) for wrong in ("latin-1", "big5")),
    ],
)
def test_a_wrong_decoding_is_undone(text: str, real: str, wrong: str) -> None:
    try:
        garbled = text.encode(real).decode(wrong)
    except UnicodeDecodeError:
        garbled = text.encode(real).decode("latin-1")
    assert fixed(garbled) == text


@pytest.mark.parametrize(
    ("garbled", "text"),
    [
        ("浣犲ソ", "你好"),
        ("ÄãºÃ", "你好"),
        ("CafÃ© in ZÃ¼rich", "Café in Zürich"),
        ("他说“浣犲ソ”", "他说“浣犲ソ”"),  # among sound text a piece may be a name
        ("第一行\n浣犲ソ锛屼笘鐣岋紒\n第三行", "第一行\n你好，世界！\n第三行"),
        ("鐐轰粈楹奸瓪鍦ㄦ按瑁′笉鏈冩饭姝伙紵", "為什麼魚在水裡不會淹死？"),
        ("鏃ユ湰瑾炪伄銉嗐偔銈广儓銇с仚", "日本語のテキストです"),
        ("½ÐÀ°§Ú¼g¤@½gÃö©ó¬K¤Ñªº§@¤å", "請幫我寫一篇關於春天的作文"),
        ("ж•°жЌ®", "数据"),
        ("å¿µruÇ\x8enï¼\x8cå¤\x9aé\x9f³", "念ruǎn，多音"),
        ("Gr眉脽e aus M眉nchen", "Grüße aus München"),
        ("GrГјГџe", "Grüße"),
        ("喝XO茅台，Tom猫，T恤", "喝XO茅台，Tom猫，T恤"),
        ("湛\t勘\t斟\t堪", "湛\t勘\t斟\t堪"),
        ("¤³¤ì¤ÏËÜ¤Ç¤¹¡£", "¤³¤ì¤ÏËÜ¤Ç¤¹¡£"),  # Japanese, of which ftfy makes letters of no text
        ("如有问题请鑱旂郴瀹㈡湇", "如有问题请联系客服"),  # three characters are no name
        ("我每天都用瀛︿範寮哄浗这个软件", "我每天都用学习强国这个软件"),
        ("欢迎来到ÖÐÎÄÂÛÌ³，请先注册", "欢迎来到中文论坛，请先注册"),
        ("銇傘倞銇屻仺銇嗐仈銇栥亜銇俱仚", "ありがとうございます"),
        ("小锌邪褋懈斜芯 斜芯谢褜褕芯械", "Спасибо большое"),
        ("谢谢谢谢谢", "谢谢谢谢谢"),
        ("騾吝\x80句撫鬘梧\x80朱ｺｼ隗｣豎ｺ", "這個問題怎麼解決"),
        ("舧\ue04eㄏノセ╰参！", "歡迎使用本系統！"),
        ("```\nÄãºÃ\n```\nÄãºÃ", "```\nÄãºÃ\n```\n你好"),
        ("“引号”和ｗｉｄｅ，ﬁ，&lt;b&gt;", "“引号”和ｗｉｄｅ，ﬁ，&lt;b&gt;"),
        ("锟斤拷锟斤拷", "锟斤拷锟斤拷"),
        ("联通 移动", "联通 移动"),
        ("魑魅魍魉，饕餮盛宴，龘靐齉爩", "魑魅魍魉，饕餮盛宴，龘靐齉爩"),
        ("été, Brontë, AHÅ™, Ôôô", "été, Brontë, AHÅ™, Ôôô"),
        ("乾坤顛倒，繁體中文也是中文", "乾坤顛倒，繁體中文也是中文"),
        ("東京都知事選挙", "東京都知事選挙"),
        ("", ""),
    ],
)
def test_what_is_sure_is_mended_and_nothing_else(garbled: str, text: str) -> None:
    assert fixed(garbled) == text


@given(st.lists(st.sampled_from([*"浣犲ソÄãºÃ鍚Ã©дё眉你好的a1 \n？�é锟", "çš„", "```\n"]), max_size=8).map("".join))
def test_a_second_time_changes_nothing(text: str) -> None:
    once = fixed(text)
    assert fixed(once) == once


@given(st.text(alphabet="的一是不了在人有我他这个们中来上大为和国，。？！ abc123\n", max_size=30))
def test_plain_text_stays(text: str) -> None:
    assert fixed(text) == text


@pytest.mark.skipif(not DATA.exists(), reason=f"no {DATA}")
def test_real_posts_stay_and_cases_by_others_are_mended() -> None:
    posts = [
        row["text"]
        for path in sorted((DATA / "ruozhiba" / "posts").glob("*.json"))
        for row in json.loads(path.read_text(encoding="utf-8"))
    ]
    assert len(posts) > 2500
    assert [post for post in posts if fixed(post) != post] == []
    for name, count in (("synthetic", 30), ("negative", 31), ("language-names", 20)):
        rows = json.loads((DATA / "text" / "ftfy" / f"{name}.json").read_text(encoding="utf-8"))
        assert len(rows) == count
        for row in rows:
            assert fixed(row["original"]) in (row["fixed"], row.get("fixed-encoding")), row["label"]
