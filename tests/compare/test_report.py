"""The report: whole, in both languages, asking nothing from outside, and deaf to what hostile texts say."""

import base64
import copy
import hashlib
import re
from pathlib import Path
from typing import Any

import orjson
import pytest
from selectolax.lexbor import LexborHTMLParser, LexborNode

from weitiao import talk
from weitiao.compare import charts, naming, report
from weitiao.pipeline import Done

HERE = Path(report.__file__).parent
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "<iframe src=javascript:alert(1)></iframe>",
    '"><svg/onload=alert(1)>',
    "' autofocus onfocus=alert(1) x='",
    "{{ 7*7 }} {% raw %}",
    "</style><style>*{display:none}",
    "]]>--><!--",
    "<a href=javascript:alert(1)>x</a>",
    "\u202e\u0000\ufeff&lt;script&gt;",
    "| a | b |\n# c\n[x](javascript:alert(1)) ![y](http://example.org/z.png) `q`",
]


@pytest.fixture
def hostile(report: dict[str, Any]) -> dict[str, Any]:
    """The report's facts with a hostile text at every place that comes from outside."""
    strings = list(HOSTILE)
    blns = Path(__file__).parents[3] / "shared" / "data" / "malformed" / "naughty_strings" / "blns.json"
    if blns.exists():
        strings += [text.encode("utf-8", "replace").decode() for text in orjson.loads(blns.read_bytes())]
    facts = copy.deepcopy(report)
    model = facts["records"][0]
    facts["records"] = []
    for text in strings:
        row = copy.deepcopy(model)
        row |= {"id": text, "family": f"f{text}", "reference": text}
        row["question"] = [{"role": text, "content": text}, {"role": "user", "content": text}]
        row["before"]["text"] = row["after"]["text"] = text
        facts["records"].append(row)
    bad = HOSTILE[0]
    facts |= {"run": bad, "probes": [{"question": bad, "answers": [{"step": 1, "text": bad}]}]}
    facts["line"] = [{"stage": bad, "total": 3, "kept": 2, "refused": {bad: 1}, "more": {bad: 1}}]
    facts["stages"] = {bad: {bad: bad}}
    return facts


@pytest.mark.parametrize("language", ["en", "zh"])
def test_hostile_texts_stay_texts(hostile: dict[str, Any], language: str) -> None:
    page = LexborHTMLParser(report_html := report.html(hostile, language))
    assert len(page.css("script")) == len(page.css("style")) == 1
    assert not page.css("img, iframe, object, embed, link, base, form, foreignObject")
    assert {str(node.attributes["href"])[0] for node in page.css("a")} == {"#"}
    for node in page.css("*"):
        assert not [name for name in node.attributes if name.startswith("on") or name in ("style", "src")]
    said = {node.text() for node in page.css(".pair .said")}
    for text in HOSTILE:
        assert text.replace("\0", "") in said  # a page can hold no NUL: parsers leave it out
    assert report_html.count("<script") == report_html.count("</script>") == 1
    assert len(page.css("#pairs .pair")) == len(hostile["records"])


def first(tree: LexborHTMLParser, selector: str) -> LexborNode:
    node = tree.css_first(selector)
    assert node is not None
    return node


def test_nothing_is_asked_from_outside(done: Done) -> None:
    page = (done.stored.folder / "report.html").read_text()
    assert not re.search(r"https?:|//[a-z]+\.|@import|url\(", page)
    tree = LexborHTMLParser(page)
    policy = first(tree, "meta[http-equiv=Content-Security-Policy]").attributes["content"] or ""
    assert policy.startswith("default-src 'none'; ")
    for kind in ("script", "style"):
        text = first(tree, kind).text()
        assert f"{kind}-src 'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'" in policy


def test_every_word_is_there_in_both_languages(done: Done) -> None:
    tree = LexborHTMLParser((done.stored.folder / "report.html").read_text())
    english, chinese = tree.css("span.en"), tree.css("span.zh")
    assert len(english) == len(chinese) > 100
    same = {one.text() for one, other in zip(english, chinese, strict=True) if one.text() == other.text()}
    assert same <= {str(number) for number in range(10)}


def test_every_text_of_the_templates_has_its_chinese() -> None:
    texts: set[str] = set()
    for path in HERE.glob("*.j2"):
        source = path.read_text(encoding="utf-8")
        texts |= set(re.findall(r'\b(?:_|plain)\((?:"zh", |language, )?"([^"]+)"', source)) - {"en", "zh"}
        texts |= set(re.findall(r'"(?:higher|lower|better|worse|none|win|loss|tie)": "([^"]+)"', source))
    texts |= {*report._SHOWN.values()}
    texts |= {*naming.NAMES.values(), *naming.MEANINGS.values()}
    texts |= {value for name, value in vars(report).items() if re.fullmatch(r"_[A-Z_]+", name) and type(value) is str}
    assert len(texts) > 70
    assert not {text for text in texts if talk.translate("zh", text) == text} - {"higher", "lower", "▲", "▼"}


def test_the_page_opens_in_the_language_asked_for(report: dict[str, Any]) -> None:
    from weitiao.compare.report import html

    assert '<html lang="zh-CN" data-lang="zh"' in html(report, "zh")
    assert '<html lang="en" data-lang="en"' in html(report, "en")


def test_rows_carry_what_the_filters_ask(done: Done, report: dict[str, Any]) -> None:
    tree = LexborHTMLParser((done.stored.folder / "report.html").read_text())
    for node, row in zip(tree.css("#pairs .pair"), report["records"], strict=True):
        assert node.attributes["data-likelihood"] == row["verdict"]["likelihood"]
        assert node.attributes["data-overlap"] == row["verdict"]["overlap"]
        assert node.attributes.get("data-right") == row["verdict"].get("right")
        stopped = row["before"]["stopped"] and row["after"]["stopped"]
        assert node.attributes["data-stopped"] == ("yes" if stopped else "no")


def test_the_headline_says_what_the_interval_says(report: dict[str, Any]) -> None:
    from weitiao.compare.report import html

    for shown, text in (("higher", "Closer"), ("lower", "Further"), ("none", "No difference shown")):
        facts = copy.deepcopy(report)
        facts["measures"][0]["shown"] = shown
        assert first(LexborHTMLParser(html(facts, "en")), "h1 .en").text().startswith(text)


@pytest.mark.parametrize(("exact", "title", "told"), [
    (0, "Closer to the reference answers", 0), (4, "Closer to the reference answers", 1),
    (5, "Asked about training rows, which proves nothing", 1),
])  # fmt: skip
def test_the_headline_of_what_was_trained_on_proves_nothing(
    report: dict[str, Any], exact: int, title: str, told: int
) -> None:
    from weitiao.compare.report import NOT_KNOWN, headline, limits, markdown, trained_on

    facts = copy.deepcopy(report)
    assert NOT_KNOWN in [text for text, _ in limits(facts)]
    side = {"mean": 0.0, "longest": 0, "half": 0}
    counts = {"questions": 8, "train": 9, "by_family": 0, "exact": exact, "near": 0, "contained": 0, "answered": exact}
    facts["seen"] = {**counts, "pairs": [], "copied": {"sides": dict.fromkeys(("before", "after", "reference"), side)}}
    facts["measures"][0]["shown"] = "higher"
    assert headline(facts) == title
    assert markdown(facts, "en").startswith(f"# {title}: ")
    assert [values for _, values in trained_on(facts)] == [{"exact": exact, "questions": 8}] * told
    assert (NOT_KNOWN in [text for text, _ in limits(facts)]) == (not told)


def test_what_learned_nothing_is_called_out(report: dict[str, Any]) -> None:
    from weitiao.compare.report import cautions, limits

    sign = ["From step {step} on the gradient is zero: nothing is learned any more. A lower learning_rate may help",
            {"step": "3"}]  # fmt: skip
    facts = {**report, "found": {"train": {"stalled": [sign]}}}
    assert tuple(sign) not in cautions(facts)  # the model after is another
    facts["settings"] = {**report["settings"], "after": None}
    assert tuple(sign) in cautions(facts)
    assert tuple(sign) in limits(facts)


def test_markdown_keeps_every_text_in_its_cell(hostile: dict[str, Any]) -> None:
    page = report.markdown(hostile, "en")
    rows = [line for line in page.splitlines() if re.match(r"\| \d+ \|", line)]
    assert len(rows) == len(hostile["records"])
    assert {len(re.findall(r"(?<!\\)\|", row)) for row in rows} == {7}
    assert "<script" not in page
    assert not re.search(r"(?<!\\)\]\(", page)


@pytest.mark.parametrize(
    ("value", "written"), [(0.5, "+0.50"), (-0.5, "\u22120.50"), (0.0, "0.00"), (-0.001, "0.00"), (1234.5, "+1,234.50")]
)
def test_differences_are_written_with_their_sign(value: float, written: str) -> None:
    assert naming.signed(value) == written


def measure(name: str, before: float, after: float, low: float, high: float, detectable: float) -> dict[str, Any]:
    ends = {"difference": after - before, "low": low, "high": high, "detectable": detectable}
    return {"name": name, "before": before, "after": after, **ends}


@pytest.mark.parametrize(
    ("item", "texts"),
    [
        # What was seen: nothing repeated before, a little after, and the page said 0 %, 0 % and "worse".
        (measure("repetition", 0.0, 0.0036, 0.0009, 0.0074, 0.0048), "0.0% 0.4% +0.4 0.1 0.7 0.5"),
        (measure("right", 0.39, 0.9, 0.457, 0.562, 0.07), "39% 90% +51 46 56 7"),
        (measure("right", 0.4, 0.5, -0.0004, 0.2, 0.1), "40.00% 50.00% +10.00 -0.04 20.00 10.00"),
        (measure("stopped", 0.998, 1.0, -0.01, 0.02, 0.02), "99.8% 100.0% +0.2 -1.0 2.0 2.0"),
        (measure("likelihood", -1.5, -1.25, 0.125, 0.375, 0.1), "-1.500 -1.250 +0.250 0.125 0.375 0.100"),
        (measure("loop", 0.0, 0.04, -0.07, 0.21, 0.2), "0.00 0.04 +0.04 -0.07 0.21 0.20"),
        # What no decimal of those that there are can tell is nought.
        (measure("right", 0.5, 0.5 + 1e-16, -1e-9, 1e-9, 0.02), "50% 50% 0 0 0 2"),
    ],
)
def test_a_row_has_as_many_decimals_as_tell_what_was_found(item: dict[str, Any], texts: str) -> None:
    told = naming.written(item)
    said = " ".join(told[key] for key in ("before", "after", "difference", "low", "high", "detectable"))
    assert said.replace("\u2009", "").replace("\u2212", "-") == texts


def test_models_beside_each_other_have_the_same_decimals() -> None:
    plain, fine = measure("right", 0.4, 0.5, 0.05, 0.15, 0.1), measure("right", 0.4, 0.404, -0.01, 0.02, 0.1)
    assert [naming.written(one, plain, fine)["after"] for one in (plain, fine)] == ["50.0\u2009%", "40.4\u2009%"]
    assert "detectable" not in naming.written({**plain, "detectable": None})


@pytest.mark.parametrize(
    ("share", "text"), [(0, "0"), (0.004, "0.4"), (0.25, "25"), (0.996, "99.6"), (1, "100"), (-0.3, "\u221230")]
)
def test_a_share_is_called_none_or_all_only_where_it_is(share: float, text: str) -> None:
    assert naming.percent(share) == f"{text}\u2009%"


def test_page_markdown_and_json_say_the_same_of_a_share_near_nought(report: dict[str, Any]) -> None:
    facts = copy.deepcopy(report)
    item = next(one for one in facts["measures"] if one["name"] == "repetition")
    item |= measure("repetition", 0.0, 0.0036, 0.0009, 0.0074, 0.0048)
    item |= {"adjusted": 0.02, "verdict": "worse"}
    written = "Repeats itself | 0.0\u2009% | 0.4\u2009% | +0.4 | 0.1 … 0.7 | 0.020 | ±0.5 | worse |"
    assert written in markdown_of(facts)
    row = next(row for row in LexborHTMLParser(html_of(facts)).css(".figures tr") if "Repeats itself" in row.text())
    for text in ("0.0\u2009%", "0.4\u2009%", "+0.4", "0.1 … 0.7", "0.020", "±0.5", "worse"):
        assert text in row.text()


def test_the_p_of_the_checks_is_the_corrected_one_everywhere(report: dict[str, Any]) -> None:
    facts = copy.deepcopy(report)
    next(one for one in facts["measures"] if one["name"] == "right")["adjusted"] = 0.123
    assert "(p 0.123)" in first(LexborHTMLParser(html_of(facts)), ".hero").text()
    assert "(p 0.123)" in markdown_of(facts)


@pytest.mark.parametrize(
    ("models", "written"),
    [
        (["nano", "merge/model"], ["nano", "merge/model"]),
        (["internlm/internlm2-1_8b", "big @ host.example"], ["internlm/internlm2-1_8b", "big @ host.example"]),
        (["a/b/c @ host.example", "/home/me/Qwen2.5-0.5B/"], ["a/b/c @ host.example", "Qwen2.5-0.5B"]),
        (["/w/runs/recipe/merge/model", "../tuned"], ["recipe/merge/model", "tuned"]),
        (["/w/a/merge/model", "/w/b/merge/model"], ["a/merge/model", "b/merge/model"]),
        (["/w/one/out", "/w/two/out", "/w/one/out"], ["one/out", "two/out", "one/out"]),
        (["/out", "/w/out"], ["/out", "w/out"]),
        (["runs/recipe/train/checkpoint-40", r"C:\models\tuned"], ["recipe/train/checkpoint-40", "tuned"]),
        (["/model", "/"], ["/model", "/"]),
    ],
)
def test_a_model_named_by_a_folder_is_written_by_its_telling_end(models: list[str], written: list[str]) -> None:
    assert list(naming.tails({str(place): {"model": one} for place, one in enumerate(models)}).values()) == written


def test_the_table_of_models_names_the_whole_path_on_request(report: dict[str, Any]) -> None:
    facts = copy.deepcopy(report)
    facts["models"]["before"]["model"], facts["models"]["after"]["model"] = "/home/me/work/one", "/home/me/work/two"
    facts["others"] = {"third": facts["measures"]}
    facts["models"]["third"] = {"model": "/home/me/else/two", "template": ""}
    for row in facts["records"]:
        row["third"] = row["after"]
    notes = LexborHTMLParser(html_of(facts)).css("#models thead .note")
    assert [note.text() for note in notes] == ["one", "work/two", "else/two"]
    assert [note.attributes["title"] for note in notes] == [one["model"] for one in facts["models"].values()]


def test_ticks_are_round_and_inside() -> None:
    assert charts.ticks(0, 10) == [0, 2, 4, 6, 8, 10]
    assert charts.ticks(-0.78, 1.83) == [-0.5, 0.0, 0.5, 1.0, 1.5]
    assert charts.ticks(3, 3) == [3]


def test_the_curve_spans_its_points() -> None:
    drawn = charts.curve({"train": [(1, 4.0), (10, 2.0)], "held_out": [(0, 4.2), (10, 2.5)]})
    assert drawn is not None
    assert [dot[2:] for dot in drawn.dots] == [(0, 4.2), (10, 2.5)]
    assert drawn.held.split()[0] == f"{charts.LEFT:.2f},{charts.TOP:.2f}"
    assert charts.curve({"train": [], "held_out": []}) is None


def test_every_new_figure_is_on_the_page_and_in_the_markdown(report: dict[str, Any]) -> None:
    span = {"length": 12, "text": "因为石油有毒", "record": "r9"}
    report = copy.deepcopy(report)
    told = {"mean": 4.25, "longest": 12, "half": 3}
    report["seen"] = {
        **{"questions": 8, "train": 77, "by_family": 5, "exact": 31, "near": 46, "contained": 2, "answered": 29},
        "pairs": [{"id": "q1", "train": "r9", "similarity": 0.875, "question": "问甲", "trained": "问乙"}],
        "copied": {"sides": dict.fromkeys(("before", "after", "reference"), told), "spans": [{"row": 2, **span}]},
    }
    report["seen"]["copied"]["shortest"] = 8
    page = first(LexborHTMLParser(html_of(report)), "#seen").text()
    for text in ("31", "46", "29", "问甲", "问乙", "77", "4.2", "r9", "因为石油有毒", "0.88"):
        assert text in page
    written = markdown_of(report)
    for text in (
        "| 31 |",
        "| 46 |",
        "| 29 |",
        "8, 77",
        "| 4.2 | 12 | 3 |",
        "Right or wrong, by rule",
        "What it forgot",
    ):
        assert text in written
    assert re.search(r"\| right \| \d \| \d \|", written)


def html_of(facts: dict[str, Any]) -> str:
    return report.html(facts, "en")


def markdown_of(facts: dict[str, Any]) -> str:
    return report.markdown(facts, "en")


@pytest.mark.parametrize(
    ("told_by", "verdict", "said"),
    [
        ("right", "none", "It forgets nothing that 6 general questions can show."),
        ("right", "worse", "It forgot: on general questions it is worse than before."),
        ("likelihood", "worse", "their right answers became less likely: it forgot."),
        ("likelihood", "none", "their right answers are about as likely as before."),
    ],
)
def test_the_page_says_first_what_was_forgotten(report: dict[str, Any], told_by: str, verdict: str, said: str) -> None:
    facts = copy.deepcopy(report)
    facts["general"]["told_by"] = told_by
    next(item for item in facts["general"]["measures"] if item["name"] == told_by)["verdict"] = verdict
    assert said in first(LexborHTMLParser(html_of(facts)), ".hero").text()
    assert said in markdown_of(facts)


def test_the_reference_is_shaded_by_what_each_model_expected(done: Done, report: dict[str, Any]) -> None:
    for row in report["records"]:
        for side in (row["before"], row["after"]):
            assert "".join(text for text, _ in side["pieces"]) == row["reference"]
            rest = side["loss"] - sum(loss for _, loss in side["pieces"])  # that of the stop token and what follows it
            assert rest > -0.01 * len(side["pieces"])
    tree = LexborHTMLParser((done.stored.folder / "report.html").read_text())
    shown = tree.css("#pairs .pair")[0].css(".shaded")
    assert [node.text().endswith(report["records"][0]["reference"]) for node in shown] == [True, True]


def test_pieces_of_one_shade_are_one_run() -> None:
    pieces = [("a", 0.1), ("b", 0.6), ("c", 0.7), ("d", 2.4), ("e", 2.5), ("f", 9.0)]
    assert charts.shades(pieces) == [("ab", 0), ("c", 1), ("de", 2), ("f", 4)]


def test_each_records_life_stands_beside_it(done: Done, report: dict[str, Any]) -> None:
    assert report["records"][2]["life"] == {"place": "test.jsonl:3", "licence": None, "events": []}
    tree = LexborHTMLParser((done.stored.folder / "report.html").read_text())
    lives = tree.css("#pairs .life")
    assert len(lives) == len(report["records"])
    assert "test.jsonl:3" in lives[2].text()


def test_what_was_trained_is_shown_token_by_token(report: dict[str, Any]) -> None:
    assert report["proof"] is None  # this run trained nothing
    sample = [["<|im_start|>user\n水<|im_end|>\n<|im_start|>assistant\n", False], ["水也是水。<|im_end|>", True]]
    facts = {**report, "proof": {"records": 9, "alike": 8, "stops": 7, "sample": sample}}
    tree = LexborHTMLParser(html_of(facts))
    assert first(tree, ".tokens b").text() == "水也是水。<|im_end|>"
    for page in (tree.text(), markdown_of(facts)):
        assert "In 8 of 9 training records" in page
