"""Feed the readers of PDF, DOCX and EPUB with documents of the corpus in which a few places are changed.

    PYTHONPATH=src nice python tests/fuzz/documents.py read_pdf|read_docx|read_epub [--seconds 60] [--seed 1]

A process of its own converts each, where atheris sees nothing, so changes are drawn by chance: bytes of a PDF, and of
the files inside a DOCX or EPUB. What is tripped over, or takes more than ten seconds, is written to `fuzz-findings`.
"""

import argparse
import io
import os
import random
import sys
import time
import zipfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))
from fuzz_targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
_SLOW = 10.0  # seconds


def main() -> None:
    """Fuzz one reader."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", choices=["read_pdf", "read_docx", "read_epub"])
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    given = parser.parse_args()
    os.environ["WEITIAO_WORKERS"] = "1"
    luck, count, slowest = random.Random(given.seed), 0, 0.0
    seeds = [path.read_bytes() for path in sorted((CORPUS / given.target).iterdir())]
    end = time.monotonic() + given.seconds
    while time.monotonic() < end:
        data = changed(luck.choice(seeds), luck)
        start, what = time.monotonic(), ""
        try:
            TARGETS[given.target](data)
        except Exception as error:  # this is what is looked for
            what = f"{type(error).__name__}: {error}"
        took = time.monotonic() - start
        count, slowest = count + 1, max(slowest, took)
        if what or took > _SLOW:
            kept = Path("fuzz-findings") / given.target / f"{given.seed}-{count}"
            kept.parent.mkdir(parents=True, exist_ok=True)
            kept.write_bytes(data)
            print(f"{kept}: {took:.1f} s {what}")
    print(f"{given.target}: {count} documents, the slowest took {slowest:.1f} s")


def changed(data: bytes, luck: random.Random) -> bytes:
    """Change bytes here and there; of a ZIP file, mostly those of a file inside."""
    if not zipfile.is_zipfile(io.BytesIO(data)) or luck.random() < 0.1:
        return _bytes(data, luck)
    target = io.BytesIO()
    with zipfile.ZipFile(io.BytesIO(data)) as old, zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as new:
        chosen = luck.choice(old.namelist())
        for name in old.namelist():
            inside = old.read(name)
            if name != chosen:
                new.writestr(name, inside)
            elif luck.random() < 0.9:  # else it is missing
                new.writestr(name, _bytes(inside, luck))
    return target.getvalue()


def _bytes(data: bytes, luck: random.Random) -> bytes:
    """Change, cut out, or repeat up to eight short places, or end the bytes early."""
    made = bytearray(data)
    for _ in range(luck.randint(1, 8)):
        place, length = luck.randrange(len(made) + 1), luck.choice((1, 1, 1, 2, 4, 16, 64))
        piece = bytes(made[place : place + length])
        other = luck.choice(
            (luck.randbytes(len(piece)), b"", piece * luck.choice((2, 2, 100)), b"0", b"-1", b"<", b"9" * 12)
        )
        made[place : place + length] = other
    return bytes(made[: luck.randrange(len(made))] if made and luck.random() < 0.05 else made)


if __name__ == "__main__":
    main()
