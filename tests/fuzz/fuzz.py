"""Feed a reader or a step with what atheris makes up, from the corpus on; what it trips over is written beside.

    pip install atheris
    PYTHONPATH=src nice python tests/fuzz/fuzz.py TARGET [--seconds 60] [--out FOLDER]

Without a target it names them. A finding, made small with `-minimize_crash=1`, belongs into `corpus/TARGET/`, which the
tests replay.
"""

import argparse
import importlib
import os
import sys
from pathlib import Path

import atheris

CORPUS = Path(__file__).parent / "corpus"


def main() -> None:
    """Fuzz one target."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?")
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--out", type=Path, default=Path("fuzz-findings"))
    given, more = parser.parse_known_args()
    os.environ["WEITIAO_WORKERS"] = "1"
    sys.path.insert(0, str(Path(__file__).parents[1]))
    with atheris.instrument_imports(include=["weitiao"]):
        found = importlib.import_module("fuzz_targets").TARGETS
    if given.target is None:
        print("\n".join(found))
        return
    place = given.out / given.target
    place.mkdir(parents=True, exist_ok=True)
    (CORPUS / given.target).mkdir(parents=True, exist_ok=True)
    flags = [f"-max_total_time={given.seconds}", "-timeout=20", "-rss_limit_mb=4000", "-max_len=4096"]
    # New inputs go into the first folder; the second is the corpus.
    places = [f"-artifact_prefix={place}/", str(place), str(CORPUS / given.target)]
    atheris.Setup([sys.argv[0], *flags, *more, *places], found[given.target])
    atheris.Fuzz()


if __name__ == "__main__":
    main()
