"""The rows of training: each record's tokens and where it came from; what is too long is cut, dropped or an error."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from pathlib import Path

from weitiao.errors import UserError
from weitiao.model.template import Encoded, Template, Turns
from weitiao.record import Record
from weitiao.talk import t
from weitiao.train import Chosen

_SHOWN = 10


@dataclass(frozen=True)
class Row:
    """One training record as tokens; `cut` says how many tokens it lost."""

    id: str
    place: str  # file:line
    encoded: Encoded
    cut: int = 0

    @property
    def supervised(self) -> int:
        """How many tokens carry loss; the first token of a record never does, nothing stands before it."""
        return sum(self.encoded.mask[1:])


@dataclass(frozen=True)
class Rows:
    """What is trained on, what the held-out loss is measured on, and what was dropped and why, by record id."""

    train: list[Row]
    validation: list[Encoded]
    dropped: dict[str, tuple[str, int]]  # reason, tokens


def parts(records: Iterable[Record], validation: Sequence[str], folder: Path) -> dict[str, list[Record]]:
    """Return the records to train on and those held out; what no split assigned is trained on.

    `validation` names files, relative to `folder`, whose records are held out.
    """
    held = {(folder / name).resolve() for name in validation}
    found: dict[str, list[Record]] = {"train": [], "validation": []}
    for record in records:
        assigned = record.facts.get("split", {}).get("part")
        part = assigned or ("validation" if (folder / record.uri).resolve() in held else "train")
        if part in found:
            found[part].append(record)
    _need(found["train"])
    return found


def read(found: dict[str, list[Record]], template: Template, settings: Chosen) -> Rows:
    """Encode the records; raise UserError that names every kind of row that cannot be trained on."""
    encoded = _encode(found["train"], template, settings.turns)
    kept: list[Row] = []
    dropped: dict[str, tuple[str, int]] = {}
    for record, item in zip(found["train"], encoded, strict=True):
        row = Row(record.id, f"{record.uri}:{record.row}", item)
        length = len(item.ids)
        if length > settings.max_length and settings.overlong == "cut":
            shorter = cut(item, settings.max_length, template.stop_ids[0])
            row = replace(row, encoded=shorter, cut=length - len(shorter.ids))
        if length > settings.max_length and (settings.overlong == "drop" or not row.encoded.ids):
            dropped[record.id] = ("too long", length)
        else:
            kept.append(row)
    _check(kept, settings.max_length)
    return Rows(kept, _encode(found["validation"], template, settings.turns), dropped)


def _encode(records: Sequence[Record], template: Template, turns: Turns) -> list[Encoded]:
    try:
        encoded = template.encode_all([record.messages for record in records], turns)
        _prove(records, encoded, template)
        return encoded
    except UserError:
        for record in records:  # once more, one by one: which was it?
            try:
                template.encode(record.messages, turns)
            except UserError as error:
                place = f"{record.uri}:{record.row}"
                raise UserError(f"{place}: {error.message}", error.hint) from None
        raise


def _prove(records: Sequence[Record], encoded: Sequence[Encoded], template: Template) -> None:
    """Hold that what trains is what chats, record by record, and that every answer trains where it ends."""
    for index, theirs in template.differing([record.messages for record in records], encoded):
        ours = encoded[index].ids
        pairs = enumerate(zip(ours, theirs, strict=False))
        first = next((place for place, (a, b) in pairs if a != b), min(len(ours), len(theirs)))
        shown = [repr(template.tokenizer.decode(ids[max(0, first - 8) : first + 8])) for ids in (ours, theirs)]
        raise UserError(
            t(
                "{place}: from token {first} on, training would see {ours}, chatting {theirs}",
                place=f"{records[index].uri}:{records[index].row}",
                first=first,
                ours=shown[0],
                theirs=shown[1],
            ),
            t("Name a template (template: …) that this tokenizer renders in one way"),
        )


def cut(item: Encoded, length: int, stop: int) -> Encoded:
    """Shorten a record to `length` tokens so that it still ends in a stop token that carries loss.

    Where the cut falls into an answer, the answer ends there; else the record ends with the answer before. A record of
    which no answer is left comes back empty.
    """
    ids, mask = item.ids[: length - 1], item.mask[: length - 1]
    inside = item.mask[length - 1] and mask[-1:] == [True]
    while mask and not mask[-1]:
        del mask[-1], ids[-1]
    if inside:
        ids, mask = [*ids, stop], [*mask, True]
    turns = sum(now and not before for before, now in pairwise([False, *mask]))
    return Encoded(ids, mask, min(turns, item.stops + inside), turns)


def _check(rows: Sequence[Row], length: int) -> None:
    _need(rows)
    if long := [row for row in rows if len(row.encoded.ids) > length]:
        raise UserError(
            t(
                "{count} records are longer than max_length {length}: {places}",
                count=len(long),
                length=length,
                places=places(long),
            ),
            t(
                "Set max_length to {longest}, or overlong to cut or drop",
                longest=max(len(row.encoded.ids) for row in long),
            ),
        )
    if silent := [row for row in rows if not row.supervised]:
        raise UserError(
            t("{count} records have no token that carries loss: {places}", count=len(silent), places=places(silent)),
            t("Each needs an answer by the assistant"),
        )
    _check_stops(rows)


def _check_stops(rows: Sequence[Row]) -> None:
    if endless := [row for row in rows if row.encoded.stops < row.encoded.turns]:
        raise UserError(
            t(
                "{count} records have answers that end in no stop token: {places}",
                count=len(endless),
                places=places(endless),
            ),
            t("A model trained on them would answer without end; name a template (template: …)"),
        )


def _need(some: Sequence[object]) -> None:
    if not some:
        raise UserError(t("There is no record to train on"), t("Records need an answer and the part `train`"))


def places(rows: Sequence[Row]) -> str:
    """Name rows by id, file and line; a few of them if they are many."""
    shown = ", ".join(f"{row.place} ({row.id}, {len(row.encoded.ids)})" for row in rows[:_SHOWN])
    return shown + (", …" if len(rows) > _SHOWN else "")
