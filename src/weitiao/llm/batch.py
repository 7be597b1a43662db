"""Offline batches: the Batch API's files, written for what is not known yet and read into the cache."""

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import orjson

from weitiao.errors import UserError
from weitiao.llm import Teacher
from weitiao.llm.answer import judge
from weitiao.llm.cache import Cache, keys
from weitiao.llm.call import Failure, Request, Said, Usage
from weitiao.llm.dialect import Dialect, Trouble, read
from weitiao.llm.money import cost, most, stage_of
from weitiao.store import write_whole
from weitiao.talk import t

# What the Batch API takes in one file: 50,000 requests, and 100 MB where a service takes least.
_LINES, _BYTES = 50_000, 100_000_000


def write_batch(requests: Sequence[Request], teacher: Teacher, cache: Cache, step: str, folder: Path) -> list[Path]:
    """Write the requests that have no answer yet to `folder` as `batch-*.jsonl`, as far as the budget surely goes.

    Each line's `custom_id` is the digest of the request's key. Returns the files; the user uploads them.
    """
    dialect = Dialect(teacher)
    spent = cache.spent(stage_of(step)).cost
    files: list[list[bytes]] = [[]]
    size = 0
    for key, request in dict(zip(keys(teacher, requests), requests, strict=True)).items():
        if cache.known(key, request):
            continue
        body = dialect.body(request)
        spent += _batch_cost(teacher, most(teacher, orjson.dumps(body)))
        if teacher.budget is not None and spent > teacher.budget:
            break
        call = {"custom_id": key.digest, "method": "POST", "url": "/v1/chat/completions", "body": body}
        line = orjson.dumps(call, option=orjson.OPT_APPEND_NEWLINE)
        if len(files[-1]) == _LINES or size + len(line) > _BYTES:
            files.append([])
            size = 0
        files[-1].append(line)
        size += len(line)
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"batch-{number:05}.jsonl" for number, lines in enumerate(files) if lines]
    for path, lines in zip(paths, files, strict=False):
        write_whole(path, b"".join(lines))
    return paths


def read_batch(
    paths: Sequence[Path], requests: Sequence[Request], teacher: Teacher, cache: Cache, step: str
) -> Counter[str]:
    """Keep what came back for `requests`: the Batch API's output and error files, in any order, once or again.

    Returns how many were answered, how many failed by reason, and how many lines belong to no request (`stranger`).
    """
    asked = {key.digest: (key, request) for key, request in zip(keys(teacher, requests), requests, strict=True)}
    counts: Counter[str] = Counter()
    for row in _rows(paths):
        if row["custom_id"] not in asked:
            counts["stranger"] += 1
            continue
        key, request = asked[row["custom_id"]]
        if cache.find(key, request):
            counts["answered"] += 1
            continue
        met = _met(row)
        outcome = judge(request, met) if isinstance(met, Said) else Failure(met.reason, met.raw, met.message)
        if isinstance(met, Said) and cache.failure(key) != outcome:  # a file that is read again costs nothing
            cache.charge(step, teacher.model, met.usage, _batch_cost(teacher, met.usage), known=True)
        cache.keep(key, outcome, step)
        counts[outcome.reason if isinstance(outcome, Failure) else "answered"] += 1
    return counts


def worst(paths: Sequence[Path], teacher: Teacher) -> float:
    """Return the most that the calls in files of `write_batch` can cost together."""
    lines = (orjson.loads(line) for path in paths for line in path.read_bytes().splitlines())
    return sum(_batch_cost(teacher, most(teacher, orjson.dumps(line["body"]))) for line in lines)


def _batch_cost(teacher: Teacher, usage: Usage) -> float:
    return cost(teacher.price, usage) * (teacher.price.batch if teacher.price else 0)


def _met(row: dict[str, object]) -> Said | Trouble:
    response = row.get("response")
    if isinstance(response, dict):
        return read(int(response.get("status_code") or 0), {}, orjson.dumps(response.get("body")))
    return read(500, {}, orjson.dumps({"error": row.get("error")}))


def _rows(paths: Sequence[Path]) -> Iterator[dict[str, object]]:
    for path in paths:
        with path.open("rb") as file:
            for number, line in enumerate(file, 1):
                try:
                    row = orjson.loads(line)
                except orjson.JSONDecodeError:
                    row = None
                if not isinstance(row, dict) or "custom_id" not in row:
                    raise UserError(
                        t("{path}:{line} is no line of a batch's results: it has no custom_id", path=path, line=number),
                        t("Give the output and error files that the Batch API let you download"),
                    )
                yield row
