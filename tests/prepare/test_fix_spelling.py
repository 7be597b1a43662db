"""Slips of English words and Chinese characters are mended; what may be right stays."""

from pathlib import Path

import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from proofreaders import SLIPS, make_proofreader

from benchmarks import spelling
from weitiao.errors import UserError
from weitiao.prepare.fix_spelling import FixSpelling
from weitiao.record import Record, to_frame
from weitiao.step import Around, Batch


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> str:
    return str(make_proofreader(tmp_path_factory.mktemp("models") / "corrector"))


def fixed(step: FixSpelling, *texts: str) -> list[str]:
    return step.rewritten(pl.Series(texts, dtype=pl.String)).to_list()


MENDED = {
    "The responce was very positve and I liked it.": "The response was very positive and I liked it.",
    "I beleive that the goverment is responsible for it.": "I believe that the government is responsible for it.",
    "They were seperated for years, beacause of the war.": "They were separated for years, because of the war.",
    "Use `responce`, but the responce must be positive.": "Use `responce`, but the response must be positive.",
}
RIGHT = [
    "The backend of the recommender texted me about the redox reaction.",
    "The colours of the theatre programme were analysed at four kilometres.",
    "We met Jonh Smiht and his freind Anay at the bar.".replace("freind", "friend"),
    "The responce field is named responce in the old schema.",  # twice: it is meant
    "Pulse el boton para abrir la ventana y espere un momento.",
    "Die Antwort war positiv, aber der Computer ist absolut kaputt.",
    "Run get_responce(x) or see http://example.com/responce and mail responce@example.com for more of it.",
    "`pip install responce` and ```\nresponce = positve\n```",
    "responce",
    "ok, 好的, responce",
]


@pytest.mark.parametrize(("text", "better"), MENDED.items())
def test_a_slip_in_english_is_mended(text: str, better: str) -> None:
    assert fixed(FixSpelling(), text) == [better]


@pytest.mark.parametrize("text", RIGHT)
def test_what_may_be_right_stays(text: str) -> None:
    assert fixed(FixSpelling(), text) == [text]


def test_own_words_and_the_language_are_chosen() -> None:
    text = next(iter(MENDED))
    assert fixed(FixSpelling(words=("Responce", "positve")), text) == [text]
    assert fixed(FixSpelling(english=False), text) == [text]


def test_a_model_mends_chinese_by_what_stands_around(model: str) -> None:
    step = FixSpelling(model=model)
    assert fixed(step, *SLIPS) == list(SLIPS.values())
    long = "今天新情很好。" * 300
    assert fixed(step, long, "", "代码`我门`，我门明天再去公园吧", "我门") == [
        long.replace("新", "心"),
        "",
        "代码`我门`，我们明天再去公园吧",
        "我门",  # too short to tell
    ]


def test_a_model_that_is_not_sure_changes_nothing(model: str) -> None:
    assert fixed(FixSpelling(model=model, certain=0.999), *SLIPS) == list(SLIPS)


def test_a_model_that_goes_round_in_circles_changes_nothing(tmp_path: Path) -> None:
    there_and_back = {"他再家里等了一天": "他在家里等了一天", "他在家里等了一天": "他再家里等了一天"}
    folder = make_proofreader(tmp_path / "circles", there_and_back)
    assert fixed(FixSpelling(model=str(folder)), *there_and_back) == list(there_and_back)


def test_a_sentence_that_is_all_slips_is_something_else(tmp_path: Path) -> None:
    folder = make_proofreader(tmp_path / "verse", {"窝门名田去公园": "我们明天去公园"})
    assert fixed(FixSpelling(model=str(folder)), "窝门名田去公园") == ["窝门名田去公园"]


def test_what_is_no_corrector_is_told(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="No model at"):
        fixed(FixSpelling(model=str(tmp_path / "nothing")), "今天新情很好")
    with pytest.raises(UserError, match="nano is no model that corrects characters"):
        fixed(FixSpelling(model="nano"), "今天新情很好")


def test_the_ledger_holds_each_text_as_it_was(model: str) -> None:
    texts = [*SLIPS, next(iter(MENDED))]
    records = [Record(f"r{n}", (("passage", text),), "f", n) for n, text in enumerate(texts)]
    step = FixSpelling(model=model).within(Around(Path()))
    after = step.apply(Batch.of(to_frame(records)))
    noted = after.ledger()
    assert noted["step"].unique().to_list() == ["fix_spelling"]
    changed = [text for text, new in zip(texts, after.turns["content"], strict=True) if text != new]
    assert noted["before"].to_list() == changed
    assert len(changed) == 5


@settings(deadline=None, max_examples=200)
@given(
    st.lists(st.sampled_from([*MENDED, *RIGHT, "teh", "recieve", " ", "\n", "。"]), max_size=6).map(" ".join)
    | st.text()
)
def test_once_is_enough(text: str) -> None:
    (once,) = fixed(FixSpelling(), text)
    assert fixed(FixSpelling(), once) == [once]


@pytest.mark.skipif(not spelling.ALPACA.exists(), reason=f"no {spelling.ALPACA}")
def test_most_slips_are_mended_and_clean_text_stays() -> None:
    found = spelling.english(spelling.ours)
    assert found.precision >= 0.95
    assert found.recall >= 0.6
    assert found.changed == 3  # ambiguus, negattive, comunication
