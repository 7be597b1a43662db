"""Which language a text is in: Chinese, Japanese and Korean by their characters, others by py3langid."""

from functools import cache
from typing import Any

import polars as pl

from weitiao.script import CYRILLIC, HAN, HANGUL, KANA, LATIN

UNKNOWN = "und"

_CODE = r"(?s)```.*?(?:```|\z)|`[^`\n]*`|https?://\S+|[^\s@]{1,64}@\S+|</?[a-zA-Z][^<>]*>"
# Characters of Japanese, changed from the old ones (OpenCC's jp2t), that are in neither GB 2312 nor Big5.
JAPANESE = (
    "両乗亀亜仏仮価倹児円処剣剤剰労効勅勧勲単厳収唖営噛団囲図圏圧塁塩増壊壌壱売変奨嬢実寛対専尭巌巣巻帯帰庁広廃弐弾従徳徴応恵悩悪懐戦戯戻払抜択拝拠拡"
    "挙挿捜掲掻揺摂撃撹斉斎晩暁暦曽栄桜桝桟検楽様権歓歩歯歳歴殻毎気沢浄涙渇済渉渋渓満滝瀬焼犠猟獣畳痩発県砕稲穂穏穣竜粋粛経絵継続総緑縁縄縦繊繍聴脳臓"
    "艶荘蔵薫薬蛍蝋覇覚覧観訳説読謡譲賛転軽辺逓遅郷酔醤醸釈鉄鉱銭鋳錬録関閲闘陥険隠雑霊頴頼顔顕駅駆騒験髄髪鴎鶏鹸麹麺黒黙齢込働畑峠辻枠栃匂"
)
# Those that simplified Chinese has too, and Big5 has not.
SHARED = (
    "乱争亘会写励区医参双叙号嘱国堕壮声奥学宝寝寿将尽届属峡弥弯当径恋恒惨担挟数断旧昼条来枢桧楼横欧残殴浅浜温湾湿滞潜灯炉点状独狭献画盗礼祢祷禄禅称窃胆"
    "脚脱芦茎蒋虚蛮装誉践辞遥随静麦黄"
)
# Words that every Chinese sentence has some of, and Japanese does without.
CHINESE = "了是我你您们們这這那吗嗎呢吧啊么麼很没沒什怎她它哪给給让讓"
_CANTONESE = "嘅咗冇唔嚟啲哋佢噉咁嘢睇喺嗰畀攞諗谂瞓嘥㗎喎啱嗌咩係"
_ENGLISH = (
    r"(?i)(?-u:\b)(?:the|and|of|to|is|are|was|were|what|how|why|who|when|where|which|that|this|with|for|you|your|my"
    r"|have|has|can|could|should|would|do|does|did|not|be|if|it|its|there|from|about|i|don't|i'm|it's)(?-u:\b)"
)
_ASKED = f'[“「『《"][^“”「」『』《》"\n]*[{KANA}{HANGUL}][^“”「」『』《》"\n]*[”」』》"]'
_OTHERS = "ar bg cs da de el en es fa fi fr he hi hu id it nl pl pt ro ru sv th tr uk vi"

NAMES = ("zh", "zh-hant", "yue", "ja", "ko", *_OTHERS.split())


def languages(texts: pl.Series) -> pl.DataFrame:
    """Return `language, certainty` of texts: `zh`, `zh-hant`, `yue`, `ja`, `ko`, `en`, `de` … or `und`.

    Code and addresses do not count. What the characters say has certainty 1.
    """
    prose = _without_asked(texts.str.replace_all(_CODE, " ").alias("text"))
    found = prose.to_frame().select("text", language=_by_script(pl.col("text"))).with_columns(certainty=pl.lit(1.0))
    places = found["language"].is_null().arg_true()
    if places.is_empty():
        return found.drop("text")
    told = [_classify(text) for text in prose.gather(places)]
    names, shares = (pl.Series([one[at] for one in told]) for at in (0, 1))
    return found.select(
        pl.lit(found["language"].scatter(places, names)).alias("language"),
        pl.lit(found["certainty"].scatter(places, shares)).alias("certainty"),
    )


def _without_asked(prose: pl.Series) -> pl.Series:
    """Leave out the words that a Chinese text quotes of another language: “안녕하세요”是什么意思."""
    places = prose.str.contains(_ASKED).fill_null(False).arg_true()
    own = prose.gather(places).str.replace_all(_ASKED, "")
    chinese = own.str.contains(f"[{CHINESE}]")
    return prose.scatter(places.filter(chinese), own.filter(chinese))


def _by_script(text: pl.Expr) -> pl.Expr:
    """Return the language that the characters of a text tell, null where they tell none."""
    han, words = text.str.count_matches(f"[{HAN}]"), text.str.count_matches(f"[{LATIN}{CYRILLIC}]+")
    kana = text.str.count_matches(f"[{KANA}]")
    english = text.str.count_matches(_ENGLISH)
    accented = text.str.count_matches("[À-ɏḀ-ỿ]")  # what stands behind one, as the i of Tôi, looks like a word
    hangul = text.str.count_matches(f"[{HANGUL}]")
    old, new = _only("big5"), _only("gb2312")
    traditional, simplified = text.str.count_matches(f"[{old}]"), text.str.count_matches(f"[{new}]")
    plain = text.str.count_matches(f"[{''.join(sorted(set(new) - set(SHARED)))}]")
    chinese = (text.str.count_matches(f"[{CHINESE}]") > 0) | (plain > 0)
    # の stands in Chinese names of shops; a Chinese post may quote a Japanese word.
    spoken = (kana > text.str.count_matches("の")) & pl.when(chinese).then(kana >= 0.4 * (han + kana)).otherwise(True)
    own = text.str.count_matches(f"[{JAPANESE}]") > 0
    written = ~chinese & (han > 1) & (own | ((traditional > 0) & (simplified > 0)))
    cantonese = text.str.count_matches(f"[{_CANTONESE}]") + text.str.count_matches("[我你]哋")
    return (
        pl.when((hangul > 0) & (hangul >= 0.2 * (han + kana + words)))
        .then(pl.lit("ko"))
        .when(((kana > 0) & spoken | written) & (han + kana >= words))
        .then(pl.lit("ja"))
        .when((han > 0) & ((han >= 2 * words) | (english * 4 <= han)))
        .then(
            pl.when((cantonese > 1) | ((cantonese > 0) & (han <= 12) & ~text.str.contains("[关關]係|係数|係數|咩")))
            .then(pl.lit("yue"))
            .when(traditional > simplified)
            .then(pl.lit("zh-hant"))
            .otherwise(pl.lit("zh"))
        )
        .when((english >= 2) & (english >= 0.25 * words) & (accented < english))
        .then(pl.lit("en"))
        .when(~text.str.contains(r"\p{L}"))
        .then(pl.lit(UNKNOWN))
    )


@cache
def _only(encoding: str) -> str:
    """Return the characters that are in Big5 and not in GB 2312, or the other way about."""
    other = "big5" if encoding == "gb2312" else "gb2312"
    letters = (chr(code) for code in range(0x4E00, 0x9FA6))
    return "".join(one for one in letters if one.encode(encoding, "ignore") and not one.encode(other, "ignore"))


def _classify(text: str) -> tuple[str, float]:
    name, share = _identifier().classify(text[:1000])
    return str(name), round(float(share), 2)


@cache
def _identifier() -> Any:
    from py3langid.langid import MODEL_FILE, LanguageIdentifier

    identifier = LanguageIdentifier.from_model_file(MODEL_FILE, norm_probs=True)
    identifier.set_languages(_OTHERS.split())
    return identifier
