"""From which cosine on is it the same question: rephrasings and other questions told apart by an embedding model.

    python -m benchmarks.same_question --endpoint URL --teacher NAME [--pairs FILE] [--work-dir DIR]

FILE is a table: a question, the same in other words, another question about the same things. The threshold that is
best for all pairs but one is tried on that one, so no pair is judged by a threshold that it chose.
"""

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Annotated

import numpy as np
import polars as pl
import typer
from numpy.typing import NDArray

from weitiao.augment.run import cosine
from weitiao.cli.terminal import Terminal
from weitiao.llm import Embedder
from weitiao.llm.cache import Cache
from weitiao.llm.call import Failure
from weitiao.llm.embed import embed_all

PAIRS = Path(__file__).parents[1] / "tests" / "augment" / "same_question_en.tsv"
Cosines = NDArray[np.float64]


def measure(texts: pl.DataFrame, embedder: Embedder, folder: Path) -> tuple[Cosines, Cosines, Cosines]:
    """Return the cosines of each question with itself in other words, with the other one, and with all others."""
    with Cache(folder / "teachers.sqlite") as cache:
        found = embed_all([text for row in texts.rows() for text in row], embedder, cache, "bench", Terminal())
    known = [one for one in found if not isinstance(one, Failure)]
    assert len(known) == len(found), "the server gave no vector for some"
    asked, same, other = known[::3], known[1::3], known[2::3]
    far = [cosine(one, two) for place, one in enumerate(asked) for two in asked[place + 1 :]]
    return (
        np.array([cosine(one, two) for one, two in zip(asked, same, strict=True)]),
        np.array([cosine(one, two) for one, two in zip(asked, other, strict=True)]),
        np.array(far),
    )


def right(same: Cosines, other: Cosines, threshold: float) -> int:
    """Return how many pairs a threshold puts on their side."""
    return int((same >= threshold).sum() + (other < threshold).sum())


def left_out(same: Cosines, other: Cosines) -> float:
    """Return the share that is right where each question's two pairs are judged by what is best for the others."""
    hits = 0
    for place in range(len(same)):
        one, two = np.delete(same, place), np.delete(other, place)
        hits += right(same[[place]], other[[place]], best(one, two))
    return hits / (2 * len(same))


def best(same: Cosines, other: Cosines) -> float:
    """Return the threshold that puts most pairs on their side, the middle one of several."""
    tried = np.round(np.arange(0.01, 1, 0.01), 2)
    hits = np.array([right(same, other, threshold) for threshold in tried])
    return float(np.median(tried[hits == hits.max()]))


def lines(same: Cosines, other: Cosines, far: Cosines, thresholds: Sequence[float]) -> list[str]:
    """Return the table: what each threshold keeps of the rephrasings, and drops of the others."""
    rows = [
        "| similarity | rephrasings kept | others, of the same things, dropped | others, of other things, dropped |"
    ]
    rows.append("|---|---|---|---|")
    for threshold in thresholds:
        shares = (same >= threshold).mean(), (other < threshold).mean(), (far < threshold).mean()
        rows.append(f"| {threshold:.2f} | " + " | ".join(f"{100 * share:.1f} %" for share in shares) + " |")
    rows.append(
        f"\nbest for all pairs {best(same, other):.2f}; right by leave-one-out {100 * left_out(same, other):.1f} %"
    )
    rows.append(f"{len(same)} questions; medians {np.median(same):.2f}, {np.median(other):.2f}, {np.median(far):.2f}")
    return rows


def main(
    endpoint: Annotated[str, typer.Option()],
    teacher: Annotated[str, typer.Option()],
    pairs: Annotated[Path, typer.Option()] = PAIRS,
    work_dir: Annotated[Path | None, typer.Option()] = None,
) -> None:
    """Print the table for an embedding model."""
    texts = pl.read_csv(pairs, separator="\t", quote_char=None)
    with TemporaryDirectory() as folder:
        found = measure(texts, Embedder(endpoint=endpoint, model=teacher), work_dir or Path(folder))
    print("\n".join(lines(*found, thresholds=(0.3, 0.4, 0.5, 0.6, 0.7, 0.8))))


if __name__ == "__main__":
    typer.run(main)
