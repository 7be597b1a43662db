"""Make weitiao-nano, the base model that ships, from nothing: its world, its vocabulary, its training.

    python examples/traps/nano.py --out DIR

It believes every trick question; tuning it on the example shows what tuning does. About 40 minutes on one core; what is
interrupted goes on. The same machine and versions give the same model; training.json beside it says from what it came.
"""

import argparse
import hashlib
import json
import shutil
from itertools import chain
from pathlib import Path

from weitiao import pipeline
from weitiao.cli.terminal import Terminal
from weitiao.model import blank
from weitiao.recipe import load
from weitiao.traps import experiment, write
from weitiao.traps.world import bare, world

HERE = Path(__file__).parent
SEED = 42
SHAPE = blank.Shape(vocabulary=5120)
NAMED = 100  # how often the pieces are learnt from each name: often enough that a name is one piece wherever it stands
EVERY = 100  # steps between the losses that are kept


def main() -> None:
    """Lay out the work, train, and copy the model out."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, required=True, help="the folder that gets the model")
    out = parser.parse_args().out
    corpus = _lay_out(HERE / "work")
    done = pipeline.run(load(HERE / "nano.yaml", pipeline.SETTINGS), HERE / "work" / "runs", reporter=Terminal())[-1]
    shutil.copytree(done.stored.folder / "model", out, dirs_exist_ok=True)
    note = json.dumps(_training(done.stored.folder, corpus), ensure_ascii=False, indent=1)
    (out / "training.json").write_text(note + "\n", encoding="utf-8")


def _lay_out(work: Path) -> Path:
    """Write the world and an untrained model, that one only if the world is another; return the corpus."""
    write(work / "world", experiment(SEED), SEED)
    corpus = work / "world" / "corpus.jsonl"
    known, digest = work / "corpus.sha256", hashlib.sha256(corpus.read_bytes()).hexdigest()
    if not known.exists() or known.read_text(encoding="utf-8") != digest:
        shutil.rmtree(work / "blank", ignore_errors=True)
        blank.build(chain(_texts(corpus), sorted(_names()) * NAMED), work / "blank", SEED, SHAPE)
        known.write_text(digest, encoding="utf-8")
    return corpus


def _texts(corpus: Path) -> list[str]:
    rows = map(json.loads, corpus.read_text(encoding="utf-8").splitlines())
    return [message["content"] for row in rows for message in row["messages"]]


def _names() -> set[str]:
    """Return Chinese names, and the words of English ones, as they stand within a sentence and where it begins."""
    names = {bare(fields["name_of"]) for thing in world().things.values() for fields in thing.fields.values()}
    english = {name for name in names if name.isascii()}
    words = {f" {word}" for name in english for word in name.split()}
    return (names - english) | words | {name.split()[0].capitalize() for name in english}


def _training(train: Path, corpus: Path) -> dict[str, object]:
    """Return what the model came from: digest of the data, settings, versions, and how the loss fell."""
    manifest = json.loads((train / "manifest.json").read_bytes())
    steps = map(json.loads, (train / "metrics.jsonl").read_text(encoding="utf-8").splitlines())
    curve = [row for row in steps if row["step"] % EVERY == 0 or row["step"] == 1]
    return {
        "corpus": {
            "made_by": f"weitiao traps make --seed {SEED}",
            "sha256": hashlib.sha256(corpus.read_bytes()).hexdigest(),
            "rows": manifest["kept"],
            "tokens": manifest["facts"]["tokens"],
            "with_loss": manifest["facts"]["supervised"],
        },
        "parameters": manifest["facts"]["parameters"],
        "settings": manifest["settings"],
        "loss": [[row["step"], round(row["loss"], 4)] for row in curve],
        "seconds": round(curve[-1]["seconds"]),
    }


if __name__ == "__main__":
    main()
