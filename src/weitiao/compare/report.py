"""Writes the report: one page that needs nothing else, and the same as Markdown."""

import base64
import hashlib
import math
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from weitiao.compare import charts, naming
from weitiao.compare.filters import became, choices
from weitiao.compare.learning import learning
from weitiao.compare.naming import fixed, percent, signed
from weitiao.compare.statistics import FEWEST
from weitiao.talk import translate

HERE = Path(__file__).parent
# More pairs than this make a page that browsers scroll badly; all of them are in report.json, and the page says so.
MOST_PAIRS = 2000

_TINY = (
    "The base is a tiny model made on the spot, which has seen no text but the training data. This page shows that the "
    "whole line works, not that the model is of use."
)
_ENDLESS = (
    "{count} of {total} answers of the model after did not end by themselves, they were cut after {tokens} tokens or "
    "where the model can hold no more. Longer answers may be needed, or more training."
)
_LEFT_OUT = (
    "{left} of {all} questions are not in this report: {long} need more tokens than a model holds, or its server "
    "refused them; {limit} lie beyond the limit that was set."
)
_UNSEEN = (
    "The questions were set aside before training, together with everything nearly the same as them. That the base "
    "model met them in its own pretraining cannot be ruled out; before and after share that."
)
_TRAINED = (
    "{exact} of {questions} questions stand word for word in the training records. That the reference answers became "
    "likelier there is what training does; it says nothing of questions that training never saw."
)
_NOTHING = "Asked about training rows, which proves nothing"
_SHOWN = {
    "higher": "Closer to the reference answers",
    "lower": "Further from the reference answers",
    "none": "No difference shown",
}
NOT_KNOWN = "Whether either model was trained on these questions is not known here: no split stands in this run."
_COUNTED = (
    "The questions come from a file of their own. How many of them stand on the train side too is counted here; that "
    "the base model met them in its own pretraining cannot be ruled out."
)
_FEW = "{count} questions are few. Where an interval holds 0, a real difference may still be there, unseen."
_TOO_FEW = "{count} questions are too few for any verdict; the intervals cannot be trusted."
_MANY = "The intervals speak of questions like these {count}, not of other kinds of questions."
_LIKELIHOOD = (
    "The likelihood says how well the model expects the reference answers, word by word. It does not say that the "
    "answers it writes itself are true or good."
)
_OVERLAP = (
    "The overlap counts character sequences shared with one reference. A good answer in other words scores low, a "
    "wrong one in the same words high."
)
_UNJUDGED = "Nobody has judged these answers: read some of the pairs."
_JUDGED = (
    "The judge {model} is a model too. It may be wrong, and may like answers such as it would write itself: read some "
    "of the pairs."
)
_ORDER = (
    "The judge looks at the order: where its two verdicts on a pair differ, it took the answer that stood first {yes} "
    "of {count} times ({share}, 95 % interval {low} to {high}). Such pairs count as ties."
)
_SECOND = (
    "The judge looks at the order: where its two verdicts on a pair differ, it took the answer that stood second {no} "
    "of {count} times ({share}, 95 % interval {low} to {high}). Such pairs count as ties."
)
_LONGER = (
    "The judge prefers the longer answer: {yes} of {count} times ({share}, 95 % interval {low} to {high}). If the "
    "longer ones are not truly better, that is a bias, and so are its verdicts."
)
_SHORTER = (
    "The judge prefers the shorter answer: {no} of {count} times ({share}, 95 % interval {low} to {high}). If the "
    "shorter ones are not truly better, that is a bias, and so are its verdicts."
)
_UNHEARD = "{left} of {total} pairs have no verdict of the judge: a call in one of the orders or both brought none."
_QUANTISED = (
    "The adapter was trained on the base in {bits} bits. The model after is the adapter on the full-precision base, "
    "which is what is handed on; before is that base without it."
)
_ONE_RUN = "This is one training run with one seed; another seed gives somewhat other figures."

_BOTH = Markup('<span class="en" lang="en">{}</span><span class="zh" lang="zh-CN">{}</span>')


def html(facts: Mapping[str, Any], language: str) -> str:
    """Return the report as one page in both languages, opening in `language`; no part of it is asked from elsewhere."""
    style, script = ((HERE / name).read_text(encoding="utf-8") for name in ("report.css", "report.js"))
    rows, learned = facts["records"], learning(facts)
    selects, marks = choices(rows[:MOST_PAIRS], facts["settings"]["group_by"])
    page = _environment(autoescape=True).get_template("report.html.j2")
    return page.render(
        **facts,
        language=language,
        style=Markup(style),
        script=Markup(script),
        style_hash=_csp_hash(style),
        script_hash=_csp_hash(script),
        pairs=rows[:MOST_PAIRS],
        selects=selects,
        marks=marks,
        picked=picked(rows),
        analysis=analysis,
        headline=headline(facts),
        limits=limits(facts),
        cautions=cautions(facts),
        blind=blind(facts),
        across=across(facts),
        tables=tables(facts["found"]),
        naming=naming,
        bars=charts.bars(rows),
        shades=charts.shades,
        learned=learned,
        lines=charts.curve(
            facts["curve"],
            [one.step for one in learned.checkpoints] if learned else [],
            learned.rise if learned else None,
        ),
        today=datetime.now().strftime("%Y-%m-%d %H:%M"),
        _=lambda message, **values: _BOTH.format(*(translate(name, message, **values) for name in ("en", "zh"))),
        plain=lambda name, message: translate(name, message),
        whisker=charts.whisker,
    )


def markdown(facts: Mapping[str, Any], language: str) -> str:
    """Return the report as Markdown in `language`: the figures, then question, before, after and reference."""
    page = _environment(autoescape=False).get_template("report.md.j2")
    say = lambda message, **values: translate(language, message, **values)  # noqa: E731
    return page.render(
        **facts,
        naming=naming,
        headline=headline(facts),
        limits=limits(facts),
        learned=learning(facts),
        analysis=analysis,
        blind=blind(facts),
        across=across(facts),
        _=say,
    )


def card(facts: Mapping[str, Any], language: str, text: str) -> str:
    """Return the model card `text` with the figures of this comparison added."""
    page = _environment(autoescape=False).get_template("card.md.j2")
    say = lambda message, **values: translate(language, message, **values)  # noqa: E731
    return page.render(
        **facts, card=text, naming=naming, limits=limits(facts), blind=blind(facts), across=across(facts), _=say
    )


def headline(facts: Mapping[str, Any]) -> str:
    """Return the verdict in a few words; where most questions were trained on there is none."""
    if facts["seen"] and 2 * facts["seen"]["exact"] > facts["seen"]["questions"]:
        return _NOTHING
    return _SHOWN[next(one["shown"] for one in facts["measures"] if one["name"] == "likelihood")]


def trained_on(facts: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what is to be said of questions that were trained on: texts, with their values."""
    seen = facts["seen"]
    return [(_TRAINED, {key: seen[key] for key in ("exact", "questions")})] if seen and seen["exact"] else []


def blind(facts: Mapping[str, Any]) -> list[str]:
    """Return the further models of which no likelihood is known."""
    return [name for name, items in facts["others"].items() if all(item["name"] != "likelihood" for item in items)]


def across(facts: Mapping[str, Any]) -> list[tuple[str, str, list[tuple[str, dict[str, str]] | None]]]:
    """Return a row for each measure with a good side: its name, before, then each model's verdict and what it says."""
    models = [facts["measures"], *facts["others"].values()]
    found = []
    for measure in facts["measures"]:
        if measure["better"] != "neither":
            items = [next((one for one in model if one["name"] == measure["name"]), None) for model in models]
            known = [one for one in items if one]
            cells = [one and (one["verdict"], naming.written(one, *known)) for one in items]
            found.append((measure["name"], naming.written(measure, *known)["before"], cells))
    return found


def picked(rows: list[dict[str, Any]]) -> list[tuple[int, dict[str, Any]]]:
    """Return three pairs to look at first, numbered: the greatest gain, the middle one, the greatest loss."""
    order = sorted(enumerate(rows, start=1), key=lambda item: -item[1]["change"]["likelihood"])
    places = dict.fromkeys((0, len(order) // 2, len(order) - 1))
    return [order[place] for place in places]


def limits(facts: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what must be known before the figures are believed: texts, with their values."""
    total = len(facts["records"])
    few = _TOO_FEW if facts["families"] < FEWEST else _FEW if total < 100 else _MANY
    if facts["settings"]["questions"] and facts["seen"]:
        origin = [_COUNTED]
    elif trained_on(facts):  # stands among the cautions
        origin = []
    else:
        origin = [_UNSEEN if facts["unseen"] else NOT_KNOWN]
    bits = None if facts["settings"]["after"] else facts["found"].get("train", {}).get("bits")
    quantised: list[tuple[str, dict[str, Any]]] = [(_QUANTISED, {"bits": bits})] if bits else []
    return [
        *cautions(facts),
        *quantised,
        *((text, {}) for text in origin),
        (few, {"count": total}),
        (_LIKELIHOOD, {}),
        (_OVERLAP, {}),
        *(
            [(_JUDGED, {"model": facts["judge"]["model"]})]
            if facts["judge"]
            else []
            if facts["people"]
            else [(_UNJUDGED, {})]
        ),
        (_ONE_RUN, {}),
    ]


def cautions(facts: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what must be known before the headline is believed: texts, with their values."""
    rows = facts["records"]
    endless = sum(not row["after"]["stopped"] for row in rows)
    values = {"count": endless, "total": len(rows), "tokens": facts["settings"]["max_new_tokens"]}
    found = [*trained_on(facts), *([(_TINY, dict[str, Any]())] if facts["made_here"] else [])]
    if not facts["settings"]["after"]:
        found += [(text, dict(shown)) for text, shown in facts["found"].get("train", {}).get("stalled", ())]
    if endless > len(rows) / 10:
        found.append((_ENDLESS, values))
    left = {"long": facts["asked"] - len(rows), "limit": facts["candidates"] - facts["asked"]}
    if any(left.values()):
        found.append((_LEFT_OUT, {**left, "left": sum(left.values()), "all": facts["candidates"]}))
    if facts["judge"]:
        found += doubts(facts["judge"], len(rows))
    learned = None if facts["settings"]["after"] else learning(facts)
    return [*found, *(learned.signs if learned and learned.by_heart else [])]


def doubts(judge: Mapping[str, Any], total: int) -> list[tuple[str, dict[str, Any]]]:
    """Return what speaks against the judge's verdicts: texts, with their values."""
    found: list[tuple[str, dict[str, Any]]] = []
    if judge["judged"] < 0.9 * total:  # fewer gaps are told beside the figures
        found.append((_UNHEARD, {"left": total - judge["judged"], "total": total}))
    for name, first, other in (("order", _ORDER, _SECOND), ("length", _LONGER, _SHORTER)):
        lean = judge[name]
        if lean and lean["shown"]:
            ends = {key: lean[key] for key in ("share", "low", "high")}
            if lean["share"] < 0.5:
                ends = {"share": 1 - lean["share"], "low": 1 - lean["high"], "high": 1 - lean["low"]}
            counts = {"yes": lean["yes"], "no": lean["count"] - lean["yes"], "count": lean["count"]}
            shares = {key: percent(value) for key, value in ends.items()}
            found.append((first if lean["share"] >= 0.5 else other, {**counts, **shares}))
    return found


def analysis(row: Mapping[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    """Return what was measured on a pair in words, where no judge says it: texts, with their values."""
    before, after = row["before"], row["after"]
    found: list[tuple[str, dict[str, Any]]] = [(_CHANGED[row["verdict"]["likelihood"]], {})]
    found += [(text, {}) for text in became(row)]
    if before["text"].strip() == after["text"].strip():
        found.append(("Both say the same", {}))
    if not after["stopped"]:
        found.append(("After did not end by itself", {}))
    if "copies" in row and (length := row["copies"]["after"]["length"]):
        found.append(("{count} characters as in a training answer", {"count": length}))
    return found


_CHANGED = {
    "win": "The reference is likelier",
    "loss": "The reference is less likely",
    "tie": "The reference is about as likely",
}


def tables(found: Mapping[str, Any]) -> list[tuple[str, list[tuple[str, str]]]]:
    """Return what split, train and merge found out: titles, each with names and values."""
    train, merge, split = (found.get(name) for name in ("train", "merge", "split"))
    made = []
    if split:
        rows = [
            ("families, none of which is in two parts", count(split["families"])),
            ("records in the largest", count(split["largest_family"])),
            ("near-duplicate pairs", count(split["near_duplicate_pairs"])),
            ("of them across parts", count(split["leaks"])),
            ("would be across parts had rows been drawn at random", tick(split["expected_leaks_of_a_random_split"])),
        ]
        made.append(("Unseen or not: what the split found", rows))
    if merge:
        rows = [
            ("answers the same as base + adapter", f"{count(merge['same'])} / {count(merge['prompts'])}"),
            ("largest difference of two logits", scale(merge["difference"])),
            ("number format", merge["dtype"]),
        ]
        if on := merge.get("trained_on"):
            told = f"{count(on['same'])} / {count(merge['prompts'])}, {scale(on['divergence'])}"
            rows.append(("answers as on the base in few bits; nats a token apart", told))
        made.append(("Merge check", rows))
    if train:
        rows = [
            ("base model", "tiny" if "tiny" in train else train["base"]),
            ("records", count(train["rows"])),
            ("tokens, and of them with loss", f"{count(train['tokens'])}, {count(train['supervised'])}"),
            ("records that train every stop token", f"{count(train['stops_trained'])} / {count(train['rows'])}"),
            ("optimizer steps", count(train["steps"])),
            *((name, tick(value)) for name, value in _chosen(train)),
            ("parameters trained", f"{count(train['trained'])} / {count(train['parameters'])}"),
            ("chat template", train["template"]),
            ("training loss, first and last step", _pair(train["loss"])),
        ]
        if train.get("remote_code"):
            rows.append(("code of the model's own that ran", ", ".join(train["remote_code"])))
        held = [("held-out loss, before and after", _pair(train["held_out_loss"]))] if "held_out_loss" in train else []
        made.append(("Training", rows + held))
    return made


def _chosen(train: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the settings that size decides, as they were taken."""
    names = ("learning_rate", "epochs", "max_length", "accumulate")
    return [(name, train["chosen"][name]) for name in names if "chosen" in train]


def _pair(values: Sequence[float]) -> str:
    return " \u2192 ".join(fixed(value, 3) for value in values)


@cache
def _environment(*, autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=autoescape,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {
        "fixed": fixed,
        "signed": signed,
        "percent": percent,
        "cell": cell,
        "count": count,
        "tick": tick,
        "exp": math.exp,
        "single": naming.single,
        "chance": naming.chance,
    }
    return environment


def count(value: int) -> str:
    """Write a number of things."""
    return f"{value:,}"


def scale(value: float | None) -> str:
    """Write a small number by its size; JSON has none for what is not a number."""
    return "–" if value is None else f"{value:.1e}"


def tick(value: float) -> str:
    """Write the number at a tick of an axis, no longer than it must be."""
    return f"{value:,g}".replace("-", "\u2212")


def cell(text: str) -> str:
    """Write a text so that it stays in its cell of a Markdown table and starts no markup."""
    for character in "\\`*_[]<>|&#~$":
        text = text.replace(character, f"\\{character}" if character not in "<>&" else _ENTITIES[character])
    return "<br>".join(text.splitlines())


_ENTITIES = {"<": "&lt;", ">": "&gt;", "&": "&amp;"}


def _csp_hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
