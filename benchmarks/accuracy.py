"""How right the steps of prepare are, beside the library alone: `make bench-accuracy`.

Reads cases by others in `../shared/data` (a folder that is not there is skipped, and said) and prints a table.
"""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import ftfy
import polars as pl
from opencc import OpenCC

from benchmarks import pages, spelling
from prepare import test_drop_contaminated as contaminated
from prepare import test_keep_languages as spoken
from prepare.language_set import TEXTS
from prepare.name_set import WITH, WITHOUT
from prepare.refusal_set import ANSWERS, LATER_ANSWERS, LATER_REFUSALS, REFUSALS
from prepare.test_cluster_topics import cqia, purity
from prepare.test_drop_refusals import gone as refusing
from prepare.test_drop_toxic import gone as insulting
from prepare.test_near_duplicates_trial import long_pairs, posts, trial
from prepare.test_near_duplicates_trial import share as share_of_pieces
from prepare.test_normalise_numbers import UNTOUCHED
from prepare.test_redact import trial as personal_trial
from prepare.test_redact_names import named
from prepare.test_redact_names import trial as name_trial
from prepare.test_strip_lures import trial as lure_trial
from prepare.toxic_set import HARMLESS, TOXIC
from similar.test_large import on_disk
from weitiao.engine import local
from weitiao.prepare.drop_near_duplicates import DropNearDuplicates
from weitiao.prepare.drop_toxic import DropToxic
from weitiao.prepare.fix_mojibake import FixMojibake
from weitiao.prepare.normalise_numbers import NormaliseNumbers
from weitiao.prepare.personal import find
from weitiao.prepare.pick_diverse import PickDiverse
from weitiao.prepare.redact import Redact
from weitiao.prepare.strip_lures import StripLures
from weitiao.prepare.to_simplified import ToSimplified
from weitiao.similar.vectors import buckets

DATA = Path(__file__).parents[2] / "shared" / "data"
KINDS = frozenset(Redact().kinds)


@dataclass(frozen=True)
class Row:
    """One line of the table; `target` as the issue words it."""

    what: str
    ours: str
    beside: str
    target: str
    met: bool


def share(good: int, total: int) -> str:
    return f"{good} of {total} ({good / total:.1%})"


def near_duplicates() -> Iterator[Row]:
    for seed in range(3):
        caught, originals = trial(posts(), seed)
        wrong = [pair for pair in originals if not _alike(*pair)]
        met = caught >= 198 and not wrong
        yield Row(
            f"near-duplicates, short posts, seed {seed}", f"{caught} of 200, {len(wrong)} wrong", "", "198, 0", met
        )


def long_near_duplicates() -> Iterator[Row]:
    """Judge pairs at every likeness: in memory, and, where they are more than that is allowed to hold, on disk."""
    for what, count in (("in memory", 2_000), ("on disk", 8_000)):
        one, other = long_pairs(1, count)
        alike = {place for place, pair in enumerate(zip(one, other, strict=True)) if share_of_pieces(*pair) >= 0.8}
        rows = pl.DataFrame({"id": [str(number) for number in range(2 * count)], "text": [*one, *other]})
        rows = rows.with_columns(length=pl.col("text").str.len_chars())
        with TemporaryDirectory() as folder:
            gone = DropNearDuplicates(margin=0).judge_parts(on_disk(rows, Path(folder), 4_000), local)
        found = {int(name) - count for name in gone["id"].to_list()}
        right = len(found & alike)
        for name, total, least in (("recall", len(alike), 0.99), ("precision", len(found), 0.98)):
            met = right >= least * total
            yield Row(f"near-duplicates, long, {what}, {name}", share(right, total), "", f"{least:.0%}", met)


def _alike(one: str, other: str) -> bool:
    a, b = ({re.sub(r"\W", "", text)[at : at + 2] for at in range(len(text))} for text in (one, other))
    return len(a & b) >= 0.5 * len(a | b)


def simplified() -> Iterator[Row]:
    folder = DATA / "text" / "opencc"
    original = (folder / "us_constitution_zhs.txt").read_text(encoding="utf-8").splitlines()
    alone = OpenCC("t2s")
    for variant in ("s2t", "s2tw", "s2hk"):
        lines = (folder / f"us_constitution_zhs.{variant}.txt").read_text(encoding="utf-8").splitlines()
        ours = sum(ToSimplified().rewrite_one(line) == want for line, want in zip(lines, original, strict=True))
        theirs = sum(alone.convert(line) == want for line, want in zip(lines, original, strict=True))
        beside = f"OpenCC t2s {share(theirs, len(lines))}"
        yield Row(f"simplified, {variant}", share(ours, len(lines)), beside, "all", ours == len(lines))


GARBLED = (
    *(("utf-8", wrong, False) for wrong in ("latin-1", "cp437", "gb18030")),
    ("gb18030", "latin-1", False),
    ("gb18030", "big5", False),
    ("big5", "gb18030", True),
)


def mojibake() -> Iterator[Row]:
    clean = random.Random(0).sample(posts(), 1000)
    traditional = OpenCC("s2t").convert
    ours, theirs = (_changed(fix, clean) for fix in (_mend, ftfy.fix_text))
    yield Row("mojibake, sound posts changed", f"{ours} of 1000", f"ftfy {theirs}", "no more", ours <= theirs)
    for real, wrong, old in GARBLED:
        pairs = []
        for post in clean[:300]:
            text = traditional(post) if old else post
            try:
                pairs.append((text.encode(real).decode(wrong), text))
            except UnicodeError:  # that table cannot have made it
                continue
        good, alone = (sum(fix(garbled) == text for garbled, text in pairs) for fix in (_mend, ftfy.fix_text))
        beside = f"ftfy {share(alone, len(pairs))}"
        yield Row(f"mojibake, {real} read as {wrong}", share(good, len(pairs)), beside, "more", good > alone)
    for name in ("synthetic", "negative", "language-names"):
        rows = json.loads((DATA / "text" / "ftfy" / f"{name}.json").read_text(encoding="utf-8"))
        good = sum(_mend(row["original"]) in (row["fixed"], row.get("fixed-encoding")) for row in rows)
        yield Row(f"mojibake, ftfy's {name}", share(good, len(rows)), "ftfy all", "all", good == len(rows))


def _mend(text: str) -> str:
    return FixMojibake().rewrite_one(text)


def _changed(fix: Callable[[str], str], texts: list[str]) -> int:
    return sum(fix(text) != text for text in texts)


# Their written form put in ours, where the two differ in the signs alone; others name what our form does not cover.
_FORMS: tuple[tuple[str, str], ...] = (
    (r"(\d{4}|\d\d)/(\d\d)/(\d\d)", r"\1年\2月\3日"),
    (r"(\d{4})/(\d\d)(?![\d/])", r"\1年\2月"),
    (r"(?<![\d/])(\d\d)/(\d\d)(?![\d/])", r"\1月\2日"),
    (r"(?<!\d)0(?=\d[月日:])|(?<!\d)0(?=0:)", ""),
    (r"(A\$|HKD|CNY|¥|\$)([\d.]+)", r"\2\1"),
    (r"[ap]\.m\.|上午|下午|早上|晚上", ""),
    (r"([\d.]+)块(\d)毛", r"\1.\2元"),
    (r"(\d+)~(\d+)%", r"\1%到\2%"),
    (r"~", "到"),
    (r"^每小时(.*)", r"\1/h"),
    (r"每小时$", "/h"),
)
_COVERED = ("date", "time", "money", "fraction", "measure", "normalizer")
_SIGNS = {
    "A$": "澳元",
    "HKD": "港元",
    "CNY": "人民币",
    "¥": "元",
    "$": "美元",
    "kg": "千克",
    "km": "千米",
    "公里": "千米",
}
_SIGNS |= {"g": "克", "m²": "平方米", "°C": "摄氏度", "ms": "毫秒", "号": "日"}


def numbers() -> Iterator[Row]:
    """Judge what the step changes; ranges by guess, numbers read aloud and small counts it leaves in words."""
    right = left = 0
    wrong: list[str] = []
    step, folder = NormaliseNumbers(), DATA / "text" / "number_format_zh"
    for name in _COVERED:
        for line in (folder / "written" / f"{name}.txt").read_text(encoding="utf-8").splitlines():
            said, _, wanted = line.partition(" => ")
            written = step.rewrite_one(said)
            left += written == said
            if written == said or not wanted or len(said) > 50:  # of a long line each number is a case of its own
                continue
            right += _signs(written) == _signs(wanted)
            wrong += [f"{said} → {written}"] if _signs(written) != _signs(wanted) else []
    done = right + len(wrong)
    print(*(f"<!-- {line} -->" for line in wrong), sep="\n")
    beside = f"{left} left in words"
    yield Row(
        "numbers, written as others do, of those changed", share(right, done), beside, "95 %", right >= 0.95 * done
    )
    kept = UNTOUCHED
    damaged = [text for text in kept if step.rewrite_one(text) != text]
    yield Row("numbers, lines not to touch that changed", f"{len(damaged)} of {len(kept)}", "", "0", not damaged)


def _signs(text: str) -> str:
    """Return a case's result with the differences of form taken out."""
    for pattern, form in _FORMS:
        text = re.sub(pattern, form, text)
    for sign, word in _SIGNS.items():
        text = text.replace(sign, word)
    return text


def personal() -> Iterator[Row]:
    wanted = found = wrong = 0
    for seed in range(3):
        want, have, extra, _ = personal_trial(seed)
        wanted, found, wrong = wanted + want.total(), found + have.total(), wrong + extra.total()
    for what, value in (("recall", found / wanted), ("precision", found / (found + wrong))):
        yield Row(f"personal data, drawn, {what}", f"{value:.4f}", "", "0.98", value >= 0.98)
    names = {
        "CNPhone": "phone",
        "CNIDCard": "id_card",
        "CNBankCard": "bank_card",
        "CNEmail": "email",
        "CNPassport": "passport",
    }
    rows = [
        json.loads(line) for line in (DATA / "text" / "pii_zh" / "cases.jsonl").read_text(encoding="utf-8").splitlines()
    ]
    rows = [row for row in rows if row["kind"] == "text,expected_count"]
    good = sum(
        sum(one.kind == names[row["entity"]] for one in find(row["args"][0], KINDS)) == row["args"][1] for row in rows
    )
    yield Row("personal data, Chinese cases by others", share(good, len(rows)), "", "98 %", good >= 0.98 * len(rows))


def names() -> Iterator[Row]:
    """Judge names of people on our own lines, and on posts, which name one."""
    total, right, wrong, taken = name_trial()
    yield Row("names of people, recall", share(right, total), "", "90 %", right >= 0.9 * total)
    false = f"{wrong + taken} in {len(WITH) + len(WITHOUT)} lines"
    yield Row("names of people, words taken for one", false, "", "0", not wrong + taken)
    false_posts = [name for post in posts() for name in named(post)]
    yield Row("names of people, in posts that name one", f"{len(false_posts)}", "", "1", len(false_posts) == 1)


def contamination() -> Iterator[Row]:
    for questions in (contaminated.cmmlu, contaminated.gsm8k):
        ours, words = (
            contaminated.trial(questions(), 0, method) for method in (contaminated.by_us, contaminated.by_words)
        )
        target, name = {"wrong": ours["others"] // 50}, questions.__name__
        for way in (*contaminated.WAYS, "wrong"):
            total = ours["others"] if way == "wrong" else 100
            met = ours[way] <= target[way] if way == "wrong" else ours[way] >= words[way]
            wanted = f"at most {target[way]}" if way == "wrong" else "no less"
            beside = f"13 words {words[way]}"
            yield Row(f"contamination, {name}, {way}", f"{ours[way]} of {total}", beside, wanted, met)


def languages() -> Iterator[Row]:
    def library(texts: list[str]) -> list[str]:
        return [spoken.alone(text) for text in texts]

    wanted = [name for _, name in TEXTS if name not in ("und", "yue")]
    texts = [text for text, name in TEXTS if name not in ("und", "yue")]
    ours, theirs = spoken.told([text for text, _ in TEXTS]), library(texts)
    good = sum(name == said for (_, name), said in zip(TEXTS, ours, strict=True))
    alone = sum(name[:2] == said for name, said in zip(wanted, theirs, strict=True))
    beside = f"py3langid {share(alone, len(texts))}, no yue"
    yield Row("languages, by hand", share(good, len(ours)), beside, "95 %", good >= 0.95 * len(ours))
    for name in ("zh", "ja", "ko", "en", "de", "fr", "ru"):
        pairs = spoken.words("word_pairs", name)
        ours, theirs = spoken.told(pairs), library(pairs)
        left = ours.count("und")
        wrong = len(pairs) - left - sum(one.startswith(name) for one in ours)
        beside = f"py3langid {share(len(pairs) - theirs.count(name), len(pairs))}"
        met = wrong <= len(pairs) - theirs.count(name)
        yield Row(f"languages, pairs of words, {name}, wrong", f"{wrong} ({left} left open)", beside, "no more", met)


def by_words() -> Iterator[Row]:
    """Judge refusals and insults, on the sets that were written with the rules and on the one that came later."""
    for name, bad, good, recall in (
        ("refusals, the set of the patterns", REFUSALS, ANSWERS, 0.95),
        ("refusals, a later set", LATER_REFUSALS, LATER_ANSWERS, 0.6),
    ):
        found, wrong = len(refusing(*bad)), len(refusing(*good))
        met = found >= recall * len(bad) and wrong <= 0.05 * len(good)
        yield Row(name, f"{share(found, len(bad))}, {wrong} of {len(good)} wrong", "", f"{recall:.0%}, 5 %", met)
    found, wrong = len(insulting(DropToxic(), *TOXIC)), len(insulting(DropToxic(), *HARMLESS))
    said = f"{share(found, len(TOXIC))}, {wrong} of {len(HARMLESS)} wrong"
    yield Row("insults, by a list", said, "", "none: a list", True)


def lures() -> Iterator[Row]:
    """Judge the labelled lines, which are our own, and posts without ads by others."""
    counts = lure_trial()
    found, wrong = counts["ad found"], counts["ok found"]
    yield Row("contact lures, recall", share(found, counts["ad"]), "", "98 %", found >= 0.98 * counts["ad"])
    yield Row("contact lures, precision", share(found, found + wrong), "", "98 %", found >= 0.98 * (found + wrong))
    changed = _changed(StripLures().rewrite_one, posts())
    yield Row("contact lures, posts without any changed", f"{changed} of {len(posts())}", "", "0", changed == 0)


def articles() -> Iterator[Row]:
    """Judge what is found in pages that people have marked the text of."""
    known = pages.cases(DATA / "web")
    ours, theirs = (
        pages.mean([pages.score(take(case.html), case.expected) for case in known])
        for take in (pages.of_weitiao, pages.of_trafilatura)
    )
    beside = f"trafilatura {theirs.f1:.3f}"
    yield Row(f"text of {len(known)} pages, F1", f"{ours.f1:.3f}", beside, "no less", ours.f1 >= theirs.f1)
    beside = f"trafilatura {theirs.precision:.3f}"
    met = ours.precision >= theirs.precision
    yield Row("text of pages, share that is text", f"{ours.precision:.3f}", beside, "no less: ads", met)


def picks() -> Iterator[Row]:
    """Judge how near records are to the nearest picked one, beside a random pick."""
    texts = posts()
    for name in ("logi_qa", "segmentfault"):
        rows = map(json.loads, (DATA / "cqia" / f"{name}.jsonl").read_text(encoding="utf-8").splitlines())
        texts += [f"{row['instruction']}\n{row['output']}" for row in rows]
    pieces = buckets(pl.DataFrame({"id": [f"{number:05d}" for number in range(len(texts))], "text": texts}))
    for keep in (250, 1000):
        figures = PickDiverse(keep=keep).picked(pieces)[1]
        for what, name in (("mean", "mean"), ("p95", "95 % within")):
            ours, chance = figures[what], figures[f"random_{what}"]
            said = f"{keep} of {len(texts)} picked, distance to the nearest, {name}"
            yield Row(said, f"{ours:.3f}", f"by chance {chance:.3f}", "less", ours < chance)


def slips() -> Iterator[Row]:
    """Judge corrections of English words, with a slip in every hundredth word."""
    ours, alone = spelling.english(spelling.ours), spelling.english(spelling.alone)
    met = ours.precision >= 0.9 and ours.changed <= 5
    said = f"{ours.f05:.2f} (precision {ours.precision:.2f}), {ours.changed} clean words changed"
    beside = f"pyspellchecker {alone.f05:.2f} ({alone.precision:.2f}), {alone.changed}"
    yield Row("spelling, English, F0.5", said, beside, "precision 0.9, 5 words", met)


def topics() -> Iterator[Row]:
    """Judge topics by the file that a record comes from."""
    labelled = cqia()
    most = max(Counter(label for label, _ in labelled).values()) / len(labelled)
    pure = [purity(labelled, 20, seed) for seed in range(3)]
    ours = f"{min(pure):.1%} to {max(pure):.1%}"
    yield Row("topics, records under its main file, 3 seeds", ours, f"one for all {most:.1%}", "90 %", min(pure) >= 0.9)


PARTS: tuple[tuple[Callable[[], Iterator[Row]], str], ...] = (
    (near_duplicates, "ruozhiba/posts"),
    (long_near_duplicates, ""),
    (articles, "web"),
    (simplified, "text/opencc"),
    (mojibake, "ruozhiba/posts"),
    (numbers, "text/number_format_zh"),
    (personal, "text/pii_zh"),
    (names, "ruozhiba/posts"),
    (contamination, "decontamination"),
    (languages, "text/language_id"),
    (by_words, "text"),
    (lures, "ruozhiba/posts"),
    (slips, "formats/alpaca"),
    (picks, "cqia"),
    (topics, "cqia"),
)


def main() -> None:
    """Print the table; the status is 1 where a target is missed."""
    print("| what | ours | beside | target | met |\n|---|---|---|---|---|")
    missed = False
    for part, folder in PARTS:
        if not (DATA / folder).exists():
            print(f"| {part.__name__} | skipped: no {DATA / folder} | | | |")
            continue
        for row in part():
            missed |= not row.met
            print(
                f"| {row.what} | {row.ours} | {row.beside} | {row.target} | {'yes' if row.met else 'NO'} |", flush=True
            )
    raise SystemExit(int(missed))


if __name__ == "__main__":
    main()
