"""Bytes to text: which encoding a file is in, and compressed files unpacked aside."""

import codecs
import gzip
import hashlib
import io
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO

import charset_normalizer
import zstandard

from weitiao.errors import UserError
from weitiao.formats import Problem
from weitiao.talk import t

SAMPLE = 1 << 18  # bytes looked at; 250 KB tell Chinese encodings apart without doubt
LONGEST = 1 << 24  # characters of a line of a text or of a row of a table, which take a dozen times that in memory
_BLOCK = 1 << 17
_SIP = 1 << 11  # bytes of Zstandard at a time, of which four may become 128 KB
# What a compressed file may become: texts shrink to a tenth, repetitive ones to a fiftieth, bombs to a thousandth.
UNPACKED, RATIO = 1 << 30, 200

_MARKS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16, whose mark it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
# The commonest characters of written Chinese, simplified and traditional. Chinese decoded with the wrong table gives
# rare characters, so the share of these tells the right one.
_COMMON = frozenset(
    "的一是了我不人在他有这个上们来到时大地为子中你说生国年着就那和要她出也得里后自以会家可下而过天去能对小多然于心学么之都好看起"
    "发当没成只如事把还用第样道想作种开美总从无情己面最女但现前些所同日手又行意动方期它头经长儿回位分爱老因很给名法间知世什两次使"
    "身者被高已亲其进此话常与活正感问题答为何吗呢吧啊这個們來時為說國著會過對學麼開從無現動頭經長兒愛給間兩進與發當還樣種總後裡話問題"
    "，。、；：？！“”（）《》…—　"
)
_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
DAMAGED = (EOFError, zlib.error, gzip.BadGzipFile, zstandard.ZstdError)  # what `blocks` raises over a compressed file


@dataclass(frozen=True, slots=True)
class Encoding:
    """A codec's name, and whether it was found by judging the text rather than by a mark, the setting or certainty."""

    name: str
    guessed: bool = False


def named(name: str) -> Encoding:
    """Return the encoding of this name; raises UserError if there is none."""
    try:
        found = codecs.lookup(name).name
        "".encode(found)
    except (LookupError, TypeError):
        raise UserError(
            t("No encoding is called `{name}`", name=name), "utf-8, gb18030, big5, utf-16, shift_jis, cp1252"
        ) from None
    if found in ("gb2312", "gbk"):
        found = "gb18030"  # holds all of both
    return Encoding({"utf-8-sig": "utf-8", "utf-16": "utf-16-le", "utf-32": "utf-32-le"}.get(found, found))


def detect(path: Path, declared: str = "") -> Encoding:
    """Judge the encoding of a text file; `declared` is what the file says of itself."""
    sample, whole = _sample(path)
    for mark, name in _MARKS:
        if sample.startswith(mark):
            return Encoding(name)
    if _is_utf8(sample, whole):
        return Encoding("utf-8")
    if name := _wide(sample):
        return Encoding(name, guessed=True)
    if declared:
        try:
            return named(declared)
        except UserError:  # a page may say anything
            pass
    return _judge(sample)


def strip_mark(data: bytes, encoding: str) -> bytes:
    """Return the head of a file without its byte order mark."""
    return next((data[len(mark) :] for mark, name in _MARKS if name == encoding and data.startswith(mark)), data)


def reader(path: Path, encoding: str) -> io.TextIOWrapper:
    """Open a text file without its mark; a byte that does not decode becomes a lone surrogate, to be found later."""
    file = path.open("rb")
    head = file.read(4)
    file.seek(len(head) - len(strip_mark(head, encoding)))
    return io.TextIOWrapper(file, encoding=encoding, errors="surrogateescape", newline="")


def lines(file: IO[str], most: int) -> Iterator[tuple[str, bool]]:
    """Yield the lines of a text, each with whether it was cut: of one longer than `most` only the beginning is kept."""
    while line := file.readline(most):
        cut = len(line) == most and line[-1] not in "\r\n"
        while cut and (rest := file.readline(_BLOCK)) and rest[-1] not in "\r\n":
            pass
        yield line, cut


def undecoded(text: str, encoding: str) -> Problem | None:
    """Return the problem of a text read by `reader` that holds a byte which did not decode."""
    try:
        text.encode("utf-8")
        return None
    except UnicodeEncodeError as error:
        at, code = error.start, ord(text[error.start])
    if not 0xDC80 <= code <= 0xDCFF:
        return Problem(
            "lone surrogate",
            "a lone surrogate, half of a character, at character {at}",
            "Write the character whole, or remove it",
            values={"at": at + 1},
        )
    return not_text(at, code - 0xDC00, encoding, unit="character")


def not_text(at: int, byte: int, encoding: str, unit: str = "byte") -> Problem:
    """Return the problem of a byte that is not in the encoding; `at` counts from 0 and is shown from 1."""
    return Problem(
        "wrong encoding",
        "not {encoding}: byte {byte} at {unit} {at}",
        "Save the file as UTF-8, or set `encoding:` to what it is: gb18030, big5, shift_jis, cp1252 …",
        values={"encoding": encoding.upper(), "byte": f"0x{byte:02x}", "at": at + 1, "unit": unit},
    )


def too_large(what: str, most: int) -> Problem:
    """Return the problem of what is not read as a whole, since that would fill the memory or the disk."""
    mend = "Cut it into smaller pieces; a text can be read line by line with `shape: lines`"
    return Problem("too large", "{what} is longer than {most} MB", mend, values={"what": what, "most": most >> 20})


def unpack(path: Path, aside: Path, recode: str = "") -> tuple[Path, Problem | None]:
    """Return the file itself, or a copy of it in folder `aside`, unpacked if compressed and as UTF-8 if `recode`.

    A file that breaks off gives what could be read, and the problem.
    """
    with path.open("rb") as file:
        magic = file.read(4)
    packed = magic.startswith(_GZIP) or magic == _ZSTD
    if not packed and not recode:
        return path, None
    name = hashlib.blake2b(f"{path.absolute()} {recode}".encode(), digest_size=8).hexdigest()
    copy = aside / (name + path.name.lower().removesuffix(".gz").removesuffix(".zst").removesuffix(".zstd")[-80:])
    problem = _copy(path, copy, magic, recode)
    return copy, problem


def _copy(path: Path, copy: Path, magic: bytes, recode: str) -> Problem | None:
    problem = None
    with path.open("rb") as raw, copy.open("wb") as target:
        decoder = codecs.getincrementaldecoder(recode)("replace") if recode else None
        room = max(UNPACKED, RATIO * path.stat().st_size)
        try:
            for block in blocks(raw, magic):
                room -= len(block)
                if room < 0:
                    return too_large("the unpacked file", max(UNPACKED, RATIO * path.stat().st_size))
                target.write(decoder.decode(block).encode("utf-8", "replace") if decoder else block)
        except DAMAGED as error:
            problem = Problem(
                "broken archive",
                "the compressed file is damaged or breaks off: {error}",
                "Get the file again; what stands before the damage can be read with `skip_bad`",
                values={"error": str(error)},
            )
        if decoder:
            target.write(decoder.decode(b"", final=True).encode("utf-8", "replace"))
    return problem


def blocks(raw: BinaryIO, magic: bytes) -> Iterator[bytes]:
    """Yield the bytes of a file, unpacked; whatever can be had before a break comes before the error."""
    if magic.startswith(_GZIP):
        with gzip.GzipFile(fileobj=raw) as unzipped:
            while block := unzipped.read1(_BLOCK):
                yield block
        return
    frame = None
    while block := raw.read(_SIP if magic == _ZSTD else _BLOCK):
        if magic != _ZSTD:
            yield block
            continue
        while block:
            # By frames: zstandard's own stream reader takes a file that breaks off for one that ends.
            frame = frame or zstandard.ZstdDecompressor().decompressobj()
            yield frame.decompress(block)
            block = frame.unused_data if frame.eof else b""
            frame = None if frame.eof else frame
    if frame:
        raise EOFError("it ends inside a frame")


def _sample(path: Path) -> tuple[bytes, bool]:
    """Return the first bytes, or if these are all ASCII the first block that is not; and whether that is all."""
    with path.open("rb") as file:
        first = sample = file.read(SAMPLE)
        while len(sample) == SAMPLE and sample.isascii() and b"\0" not in sample:
            sample = file.read(SAMPLE)
        whole = not file.read(1)
    if sample.isascii():
        return first, whole
    if sample is not first:  # it may begin inside a character: begin with a line, or with ASCII
        sample = sample[sample.find(b"\n") + 1 :] or sample
    return sample, whole


def _is_utf8(sample: bytes, whole: bool) -> bool:
    """Tell whether a sample is UTF-8, or UTF-8 with broken lines: fewer than half of those not ASCII."""
    if b"\0" in sample and _wide(sample):
        return False
    try:
        codecs.getincrementaldecoder("utf-8")().decode(sample, final=whole)
        return True
    except UnicodeDecodeError:
        pass
    lines = [line for line in sample.split(b"\n") if not line.isascii()]
    right = sum(_decodes(line, "utf-8") for line in lines)
    return 2 * right > len(lines)


def _decodes(data: bytes, encoding: str) -> bool:
    try:
        data.decode(encoding)
    except UnicodeDecodeError:
        return False
    return True


def _wide(sample: bytes) -> str:
    """Return which UTF-16 a text without a mark is: the one that makes plain ASCII, kana and common Chinese of it."""
    best, share = "", 0.4
    if sample.count(0) < 2:
        return best
    for name in ("utf-16-le", "utf-16-be"):
        text = sample[: len(sample) // 2 * 2].decode(name, "replace")
        plain = sum(" " <= char <= "~" or char in "\r\n\t" or "぀" <= char <= "ヿ" or char in _COMMON for char in text)
        if plain > share * len(text):
            best, share = name, plain / len(text)
    return best


def _judge(sample: bytes) -> Encoding:
    """Return the encoding that makes common Chinese of the sample, else what charset-normalizer says, else UTF-8."""
    best, share = "", 0.3
    for name in ("gb18030", "big5hkscs"):
        text = sample.decode(name, "replace")
        foreign = [char for char in text if not char.isascii()]
        found = (sum(char in _COMMON for char in foreign) - 5 * text.count("\ufffd")) / max(len(foreign), 1)
        if found > share:
            best, share = name, found
    if best:
        return Encoding("big5" if best == "big5hkscs" and _decodes(sample, "big5") else best, guessed=True)
    match = charset_normalizer.from_bytes(sample).best() if len(sample) > 100 else None
    # That it is UTF-8 after all is no judgement: its rows will say which bytes are not.
    return Encoding(named(match.encoding).name, guessed=True) if match else Encoding("utf-8")
