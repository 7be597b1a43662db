"""The pages of a PDF as Markdown blocks: lines joined to paragraphs, headings by their size, tables by their rules."""

import itertools
import logging
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import pdfplumber
from pdfminer.layout import LTChar, LTPage, LTTextBox, LTTextBoxVertical, LTTextLine
from pdfminer.pdfdocument import PDFPasswordIncorrect
from pdfplumber.utils.exceptions import PdfminerException

for _name in ("pdfminer", "pdfplumber"):
    logging.getLogger(_name).setLevel(logging.ERROR)

_SAMPLE = 10  # pages from which the size of the running text, and what stands on every page, are taken
_MARGIN = 0.08  # of the page's height: where numbers and running titles stand
_WIDE = re.compile(r"[\u2e80-\u9fff\uf900-\ufaff\uff00-\uffef\U00020000-\U0003ffff]")
_BULLET = re.compile(r"^[•●▪◦‣∙○■□▶➢\uf0b7\uf06c·]\s*")
_ITEM = re.compile(r"^(?:- |\d{1,3}[.)、．]\s*\S|[（(][\d一二三四五六七八九十]{1,3}[)）])")
_NUMBERED = re.compile(
    r"^(?:第[\d一二三四五六七八九十百零]+[章节篇部条]|\d+(?:\.\d+)*\.?\s|[一二三四五六七八九十]+、|Chapter\s|Appendix\s)"
)
_MONO = re.compile(r"Courier|Mono|Consol|Menlo|Code|Typewriter|CMTT", re.I)
_BOLD = re.compile(r"Bold|Black|Heavy|SimHei|HeiTi|-Hei", re.I)
_NUMBER = re.compile(r"[-—·\s第页]*\d{1,4}[-—·\s页]*(?:/\s*\d+)?|[ivxlc]{1,6}")
# Letters that fonts draw as one, and the radicals that Chinese fonts name instead of the characters they look like.
_SAME = {code: unicodedata.normalize("NFKC", chr(code)) for code in [*range(0xFB00, 0xFB07), *range(0x2F00, 0x2FD6)]}


@dataclass(frozen=True)
class Line:
    """A line of a page: its text, how large it is drawn, its font, and where it lies (from the top, in points)."""

    text: str
    size: float
    left: float
    right: float
    top: float
    mono: bool
    bold: bool
    box: int  # lines of one box stand together
    edges: tuple[float, float]  # of the box


@dataclass(frozen=True)
class Page:
    """A page's lines in reading order; a table stands between them as a line of its own box with no size."""

    number: int
    height: float
    lines: list[Line]
    unmapped: float  # share of glyphs that stand for no letter


def pages(path: str, after: int, skip: set[int], begin: Callable[[int], None]) -> Iterator[dict[str, Any]]:
    """Yield, for the reader: how many pages there are, then each page after `after` with its blocks, or a problem.

    Pages of `skip` are left out; `begin` is told of each page before it is read.
    """
    try:
        pdf = pdfplumber.open(path, laparams={"detect_vertical": True, "line_margin": 0.9})
    except PdfminerException as error:
        if not isinstance(error.args[0], PDFPasswordIncorrect):
            raise
        yield {"problem": "encrypted"}
        return
    title = pdf.metadata.get("Title")
    yield {"pages": len(pdf.pages), "title": title.strip() if isinstance(title, str) else ""}
    waiting = (_page(page, begin) for page in pdf.pages[after:] if page.page_number not in skip)
    first = list(itertools.islice(waiting, _SAMPLE))
    body, running = _body(first), _running(first)
    for page in itertools.chain(first, waiting):
        said = {"page": page.number, "place": str(page.number)}
        if page.unmapped > 0.2:
            yield {**said, "blocks": [], "problem": "no letters"}
        else:
            kept = [line for line in page.lines if _key(line, page) not in running and not _is_number(line, page)]
            yield {**said, "blocks": list(_blocks(kept, body))}


def _page(page: Any, begin: Callable[[int], None]) -> Page:
    begin(page.page_number)
    tables = [table for table in page.find_tables() if len(table.rows) > 1 and len(table.rows[0].cells) > 1]
    layout: LTPage = page.layout
    height = float(page.height)
    lines: list[Line] = []
    glyphs = unmapped = 0
    for number, box in enumerate(item for item in layout if isinstance(item, LTTextBox)):
        for found in box:
            inside = next((t for t in tables if _within(found, t.bbox, height)), None)
            letters = [char for char in found if isinstance(char, LTChar)]
            glyphs += len(letters)
            unmapped += sum(char.get_text().startswith("(cid:") for char in letters)
            if inside is None and letters:
                lines.append(_line(found, letters, box, number, height))
    for table in tables:
        text = _table(table.extract())
        at = next((n for n, line in enumerate(lines) if line.top > table.bbox[1]), len(lines))
        lines.insert(at, Line(text, 0, table.bbox[0], table.bbox[2], table.bbox[1], False, False, -1, (0, 0)))
    page.close()
    return Page(page.page_number, height, lines, unmapped / glyphs if glyphs else 0)


def _within(line: LTTextLine, bbox: tuple[float, float, float, float], height: float) -> bool:
    middle = height - (line.y0 + line.y1) / 2
    return bbox[0] <= (line.x0 + line.x1) / 2 <= bbox[2] and bbox[1] <= middle <= bbox[3]


def _line(found: LTTextLine, letters: list[LTChar], box: LTTextBox, number: int, height: float) -> Line:
    upright = isinstance(box, LTTextBoxVertical)
    sizes = Counter(round(char.width if upright else char.size, 1) for char in letters)
    fonts = [char.fontname for char in letters if not char.get_text().isspace()]
    edges = (height - box.y1, height - box.y0) if upright else (box.x0, box.x1)
    left, right = (height - found.y1, height - found.y0) if upright else (found.x0, found.x1)
    return Line(
        _spaced(found),
        sizes.most_common(1)[0][0],
        left,
        right,
        height - found.y1,
        all(_MONO.search(name) for name in fonts) and bool(fonts),
        bool(fonts) and all(_BOLD.search(name) for name in fonts),
        number,
        edges,
    )


def _spaced(line: LTTextLine) -> str:
    """Return the text of a line, without the blanks that layout finds between wide characters set apart a little."""
    text, last = "", None
    gap = False
    for item in line:
        if not isinstance(item, LTChar):
            gap = gap or item.get_text() == " "
            continue
        letter = item.get_text().translate(_SAME)
        letter = "\ufffd" if letter.startswith("(cid:") else letter
        near = last is None or item.x0 - last.x1 < item.size
        if gap and text and not (near and _WIDE.match(letter) and _WIDE.match(text[-1])):
            text += " "
        text, last, gap = text + letter, item, False
    return text.strip()


def _table(cells: list[list[str | None]]) -> str:
    rows = [[_cell(cell or "") for cell in row] for row in cells]
    lines = ["| " + " | ".join(row) + " |" for row in rows]
    return "\n".join([lines[0], "|" + " --- |" * len(rows[0]), *lines[1:]])


def _cell(text: str) -> str:
    return _joined(text.translate(_SAME).split("\n")).replace("|", "\\|")


def _body(sample: list[Page]) -> float:
    """Return the size in which most letters are set."""
    sizes: Counter[float] = Counter()
    for line in itertools.chain.from_iterable(page.lines for page in sample):
        if line.size:
            sizes[line.size] += len(line.text)
    return sizes.most_common(1)[0][0] if sizes else 0


def _key(line: Line, page: Page) -> str:
    """Return what a line in the margin says, numbers aside; "" for any other line."""
    inner = _MARGIN * page.height < line.top < (1 - _MARGIN) * page.height
    return "" if inner or not line.size else re.sub(r"\d+", "0", line.text)


def _running(sample: list[Page]) -> set[str]:
    """Return what the margins of three pages or more say."""
    counts = Counter(key for page in sample for key in {_key(line, page) for line in page.lines} if key)
    return {key for key, count in counts.items() if count >= 3}


def _is_number(line: Line, page: Page) -> bool:
    return bool(_key(line, page)) and bool(_NUMBER.fullmatch(line.text))


def _blocks(lines: list[Line], body: float) -> Iterator[str]:
    for _, group in itertools.groupby(_parted(lines), key=lambda numbered: numbered[0]):
        held = [line for _, line in group]
        first = held[0]
        if not first.size:
            yield first.text
        elif first.mono:
            yield "```\n" + "\n".join(_code(held)) + "\n```"
        else:
            text = _joined(line.text for line in held)
            level = _level(first, text, body)
            yield "#" * level + (" " if level else "") + (_BULLET.sub("- ", text) if not level else text)


def _parted(lines: list[Line]) -> Iterator[tuple[int, Line]]:
    """Yield each line with the number of its paragraph."""
    number = 0
    for last, line in itertools.pairwise([None, *lines]):
        assert line
        if last and not (last.mono and line.mono and last.size == line.size):
            number += last.box != line.box or _begins(last, line)
        yield number, line


def _begins(last: Line, line: Line) -> bool:
    """Tell whether a line begins a paragraph: an item, another size, an indent, or after a line that ends short."""
    size = line.size or 1
    return (
        bool(_BULLET.match(line.text) or _ITEM.match(line.text))
        or abs(last.size - line.size) > 0.1 * size
        or (last.mono, last.bold) != (line.mono, line.bold)
        or (line.left - last.left > 1.2 * size and not _BULLET.match(last.text) and not _ITEM.match(last.text))
        or (line.edges[1] - last.right > 4 * size and last.text[-1:] in "。！？.!?：:；”")
    )


def _level(line: Line, text: str, body: float) -> int:
    """Return the level of a heading, 0 for a paragraph: it is short, and larger than the text or bold and numbered."""
    if len(text) > 80 or not any(letter.isalpha() for letter in text) or text.endswith(("。", "；", "，", ",", ";")):
        return 0
    share = line.size / body if body else 1
    if share >= 1.12:
        return 1 if share >= 1.6 else 2 if share >= 1.25 else 3
    return 3 if line.bold and share > 0.95 and _NUMBERED.match(text) else 0


def _code(held: list[Line]) -> Iterator[str]:
    left = min(line.left for line in held)
    for line in held:
        width = (line.right - line.left) / max(len(line.text), 1) or 1
        yield " " * round((line.left - left) / width) + line.text


def _joined(texts: Iterable[str]) -> str:
    """Join the lines of a paragraph: nothing between wide characters, and no hyphen where a word was broken."""
    whole = ""
    for text in texts:
        text = text.strip()
        if not whole or not text:
            whole += text
        elif re.search(r"[a-z]-$", whole) and text[0].islower():
            whole = whole[:-1] + text
        elif _WIDE.match(whole[-1]) and _WIDE.match(text):
            whole += text
        else:
            whole += " " + text
    return whole
