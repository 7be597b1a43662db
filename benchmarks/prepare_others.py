"""The prepare line in other libraries, by their own interpreter: `python prepare_others.py WAY FILE FOLDER`.

Each reads JSON Lines of Alpaca's shape, takes tags off the answer, normalises, converts to simplified, drops what is
short, drops exact and near-duplicates (MinHash, 16 bands of 8, five characters), and writes. What a library has of its
own is used; where it takes functions it is given the plain ones below. Prints how many rows are left.
"""

import hashlib
import html
import json
import re
import sys
import unicodedata
from collections.abc import Callable, Iterable
from functools import cache
from pathlib import Path
from typing import Any

WIDE = {code: code - 0xFEE0 for code in range(0xFF01, 0xFF5F)} | {0x3000: 0x20}
LEAST = 4  # characters of an answer
BANDS, DEEP = 16, 8


@cache
def simplifier() -> Any:
    from opencc import OpenCC

    return OpenCC("tw2s")


def clean(text: str) -> str:
    """Return the text without tags, normalised, in simplified characters."""
    if "<" in text or "&" in text:
        from selectolax.lexbor import LexborHTMLParser

        tree = LexborHTMLParser(re.sub(r"<br\s*/?>|</(?:p|li|div)>", "\n", text))
        for node in tree.css("script, style"):
            node.decompose()
        text = html.unescape(tree.text())
    text = unicodedata.normalize("NFC", text).translate(WIDE)
    text = re.sub(r"\n{3,}", "\n\n", re.sub(r"[ \t]+", " ", text)).strip()
    return str(simplifier().convert(text)) if re.search("[\u4e00-\u9fff]", text) else text


def digest(text: str) -> bytes:
    """Return what exact duplicates have in common."""
    return hashlib.blake2b(text.encode(), digest_size=16).digest()


@cache
def permutations() -> Any:
    import numpy as np

    draw = np.random.default_rng(0)
    return draw.integers(1, 1 << 32, (2, BANDS * DEEP, 1), dtype=np.uint32) | np.uint32(1)


def bands(text: str) -> list[bytes]:
    """Return the MinHash bands of a text's runs of five characters: numpy over all permutations at once."""
    import numpy as np

    units = np.frombuffer(text.encode("utf-32-le"), dtype=np.uint32)
    if len(units) < 5:
        return []
    pieces = np.zeros(len(units) - 4, dtype=np.uint32)
    for step in range(5):
        pieces = pieces * np.uint32(0x9E3779B1) + units[step : len(units) - 4 + step]
    times, plus = permutations()
    least = (pieces * times + plus).min(axis=1)
    return [least[at : at + DEEP].tobytes() for at in range(0, len(least), DEEP)]


def kept(rows: Iterable[tuple[int, bytes, Iterable[bytes]]]) -> set[int]:
    """Return the ids of the rows of which neither the digest nor a band was there before."""
    seen: set[tuple[int, bytes]] = set()
    ids = set()
    for number, whole, parts in rows:
        keys = [(-1, whole), *enumerate(parts)]
        if seen.isdisjoint(keys):
            ids.add(number)
        seen.update(keys)
    return ids


def daft(source: Path, target: Path) -> int:
    """Daft: its readers, its expressions and its MinHash; the cleaning as a function on batches."""
    import daft as library
    from daft import DataType, col

    @library.func.batch(return_dtype=DataType.string())  # type: ignore[untyped-decorator]
    def cleaned(texts: Any) -> Any:
        return [clean(text) for text in texts.to_pylist()]

    frame = library.read_json(str(source)).with_column("output", cleaned(col("output")))
    frame = frame.where(col("output").length() >= LEAST)
    frame = frame.with_column("text", col("instruction") + "\n" + col("output"))
    frame = frame.drop_duplicates("text")
    frame = frame.with_column("bands", col("text").minhash(num_hashes=BANDS * DEEP, ngram_size=5, seed=1))
    frame = frame._add_monotonically_increasing_id("number").collect()
    columns = frame.select("number", "bands").to_arrow()
    signed = columns["bands"].combine_chunks().flatten().to_numpy().reshape(-1, BANDS, DEEP)
    numbers = columns["number"].to_pylist()
    stays = kept(
        (number, number.to_bytes(8, "little"), [band.tobytes() for band in row])
        for number, row in zip(numbers, signed, strict=True)
    )
    flags = library.from_pydict({"number": sorted(stays)})
    result = frame.join(flags, on="number").select("instruction", "output")
    result.write_parquet(str(target), compression="zstd")
    return len(stays)


def ray(source: Path, target: Path) -> int:
    """Ray Data: functions on batches; hashes and bands are compared on the driver."""
    import os

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    import ray as library

    library.init(address="local", num_cpus=2, log_to_driver=False, include_dashboard=False)
    context = library.data.DataContext.get_current()
    context.enable_progress_bars = False

    def work(batch: dict[str, Any]) -> dict[str, Any]:
        import numpy as np

        answers = [clean(text) for text in batch["output"]]
        texts = [f"{one}\n{other}" for one, other in zip(batch["instruction"], answers, strict=True)]
        stays = np.array([len(answer) >= LEAST for answer in answers])
        columns = {
            "instruction": batch["instruction"],
            "output": np.array(answers, dtype=object),
            "digest": np.array([digest(text) for text in texts], dtype=object),
            "bands": np.array([b"".join(bands(text)) for text in texts], dtype=object),
        }
        return {name: column[stays] for name, column in columns.items()}

    data = library.data.read_json(str(source), lines=True).map_batches(work, batch_size=2000).materialize()
    width = DEEP * 4
    rows = data.select_columns(["digest", "bands"]).iter_rows()
    stays = kept(
        (number, row["digest"], [row["bands"][at : at + width] for at in range(0, len(row["bands"]), width)])
        for number, row in enumerate(rows)
    )
    seen = iter(range(10**12))
    import pyarrow as pa
    import pyarrow.parquet as pq

    writer = None
    for batch in data.select_columns(["instruction", "output"]).iter_batches(batch_format="pyarrow", batch_size=20_000):
        table = batch.filter(pa.array([next(seen) in stays for _ in range(len(batch))]))
        writer = writer or pq.ParquetWriter(target / "part.parquet", table.schema, compression="zstd")
        writer.write_table(table)
    if writer:
        writer.close()
    library.shutdown()
    return len(stays)


def datatrove(source: Path, target: Path) -> int:
    """datatrove: a formatter with the plain cleaning, its length filter and MinHash; it has no exact one."""
    from datatrove.executor import LocalPipelineExecutor
    from datatrove.pipeline import dedup
    from datatrove.pipeline.dedup.minhash import MinhashConfig
    from datatrove.pipeline.filters import LambdaFilter
    from datatrove.pipeline.formatters.base import BaseFormatter
    from datatrove.pipeline.readers import JsonlReader
    from datatrove.pipeline.writers import JsonlWriter
    from datatrove.utils.hashing import HashConfig

    class Clean(BaseFormatter):
        name = "clean"

        def format(self, text: str) -> str:
            return clean(text)

    hashes = HashConfig(hash_fc="sha1")  # with xxhash 4 its default fails
    config = MinhashConfig(num_buckets=BANDS, hashes_per_bucket=DEEP, n_grams=5, hash_config=hashes)
    place = {name: str(target / name) for name in ("clean", "signatures", "buckets", "remove", "out")}
    reader = JsonlReader(str(source.parent), text_key="output", glob_pattern=source.name)
    again = JsonlReader(place["clean"])
    stages = (
        (1, [reader, Clean(), LambdaFilter(lambda row: len(row.text) >= LEAST), JsonlWriter(place["clean"])]),
        (1, [again, dedup.MinhashDedupSignature(place["signatures"], config=config)]),
        (BANDS, [dedup.MinhashDedupBuckets(place["signatures"], place["buckets"], config=config)]),
        (1, [dedup.MinhashDedupCluster(place["buckets"], place["remove"], config=config)]),
        (1, [again, dedup.MinhashDedupFilter(place["remove"]), JsonlWriter(place["out"], compression=None)]),
    )
    for number, (tasks, pipeline) in enumerate(stages):
        LocalPipelineExecutor(
            pipeline, tasks=tasks, workers=min(tasks, 2), logging_dir=str(target / f"log-{number}")
        ).run()
    return sum(len(path.read_bytes().splitlines()) for path in (target / "out").glob("*.jsonl"))


def juicer(source: Path, target: Path) -> int:
    """Data-Juicer: its own operators, `dj-process` with its defaults but for the tokenisation that fits Chinese."""
    import subprocess

    text = target / "text.jsonl"
    with source.open() as file, text.open("w") as out:
        for line in file:
            row = json.loads(line)
            out.write(json.dumps({"text": row["instruction"] + "\n" + row["output"]}, ensure_ascii=False) + "\n")
    recipe = {
        "project_name": "bench",
        "dataset_path": str(text),
        "export_path": str(target / "out.jsonl"),
        "work_dir": str(target / "work"),
        "np": 2,
        "open_tracer": False,
        "process": [
            {"clean_html_mapper": {}},
            {"fix_unicode_mapper": {"normalization": "NFC"}},
            {"whitespace_normalization_mapper": {}},
            {"chinese_convert_mapper": {"mode": "tw2s"}},
            {"text_length_filter": {"min_len": LEAST}},
            {"document_deduplicator": {}},
            {"document_minhash_deduplicator": {
                "tokenization": "character", "window_size": 5, "num_permutations": 128, "jaccard_threshold": 0.8,
                "num_bands": BANDS, "num_rows_per_band": DEEP,
            }},
        ],
    }  # fmt: skip
    (target / "recipe.yaml").write_text(json.dumps(recipe))
    command = [str(Path(sys.executable).with_name("dj-process")), "--config", str(target / "recipe.yaml")]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return len((target / "out.jsonl").read_bytes().splitlines())


WAYS: dict[str, Callable[[Path, Path], int]] = {"daft": daft, "ray": ray, "datatrove": datatrove, "juicer": juicer}

if __name__ == "__main__":
    import prepare_others  # by its name, so that other processes find its functions

    way, source, target = sys.argv[1:]
    Path(target).mkdir(parents=True, exist_ok=True)
    print(prepare_others.WAYS[way](Path(source), Path(target)))
