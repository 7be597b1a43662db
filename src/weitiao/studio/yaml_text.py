"""Changes one value in the text of a recipe and leaves every other character, the comments too, as it stands."""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import yaml

from weitiao.errors import UserError
from weitiao.recipe import Location, outline, plain_value
from weitiao.talk import t

Change = tuple[int, int, str]  # the text from … to … becomes …


def written(value: object) -> str:
    """Return a value as it is written on one line, in block and flow alike; it reads as the same value."""
    plain = ""
    if isinstance(value, list):
        plain = f"[{', '.join(written(item) for item in value)}]"
    elif isinstance(value, dict):
        plain = f"{{{', '.join(f'{written(key)}: {written(item)}' for key, item in value.items())}}}"
    elif isinstance(value, str):
        plain = value
    if plain and _reads_as(plain, value):
        return plain
    found = json.dumps(value, ensure_ascii=False)
    return "".join(one if one.isprintable() else f"\\U{ord(one):08x}" for one in found)


def typed(text: str) -> str:
    """Return what somebody typed as a value of YAML, as it is where that reads alone as it reads in a recipe."""
    text = text.strip()
    return text if _reads_as(text, plain_value(text)) else written(plain_value(text))


def values(text: str) -> dict[Location, str]:
    """Return how each value is written, by the way to it; nothing of a text that is no YAML."""
    try:
        root = outline(text)
    except yaml.YAMLError:
        return {}
    return {way: _shown(text, node) for way, node in _walk(root, ())} if root else {}


def put(text: str, location: Location, value: str) -> str:
    """Return the text with `value`, as `written` or `typed`, at `location`; mappings on the way to it are made."""
    return _changed(text, location, plain_value(value), lambda root: _putting(text, root, location, value))


def drop(text: str, location: Location) -> str:
    """Return the text without the key or the item at `location`; comments right above an item go along."""
    *way, last = location

    def change(root: yaml.Node | None) -> Change:
        parent = _find(root, tuple(way))
        place = _place(parent, last)
        if parent.flow_style:  # type: ignore[union-attr]
            spans = _spans(parent)
            if len(spans) == 1:
                return spans[0].start, spans[0].end, ""
            if place:
                return spans[place - 1].end, spans[place].end, ""
            return spans[0].start, spans[1].start, ""
        chunks = _chunks(text, parent) if isinstance(last, int) else _lines(text, parent)
        return chunks[place].start, chunks[place].end, ""

    return _changed(text, location, _GONE, change)


def move(text: str, location: Location, to: int) -> str:
    """Return the text with the item at `location` at the place `to` of its list, its comments with it."""
    *way, here = location
    assert isinstance(here, int)
    root = _outline(text)
    parent = _find(root, tuple(way))
    flow = bool(parent.flow_style)  # type: ignore[union-attr]
    spans = _spans(parent) if flow else _chunks(text, parent)
    pieces = [text[span.start : span.end] for span in spans]
    if not flow and not pieces[-1].endswith("\n"):
        pieces[-1] += "\n"
    gaps = [text[one.end : other.start] for one, other in pairwise(spans)]
    pieces.insert(to, pieces.pop(here))
    moved = "".join(piece + gap for piece, gap in zip(pieces, [*gaps, ""], strict=True))
    new = text[: spans[0].start] + moved + text[spans[-1].end :]
    expected = _data(text)
    items: Any = _value(expected, tuple(way))
    items.insert(to, items.pop(here))
    return _held(new, expected)


def add(text: str, location: Location, value: str) -> str:
    """Return the text with one more item in the list at `location`."""
    items = _value(_data(text), location)
    return put(text, (*location, len(items)), value)


def add_section(text: str, name: str, order: Sequence[str]) -> str:
    """Return the text with an empty section, where `order` has it among those that are there."""
    root, line = _outline(text), f"{name}: {{}}\n"
    if root is None:
        return text + line if not text or text.endswith("\n") else f"{text}\n{line}"
    assert isinstance(root, yaml.MappingNode)
    before = {*order[: order.index(name)]}
    places = [place for place, (key, _) in enumerate(root.value) if key.value in before or key.value not in order]
    lines = _lines(text, root)
    after = lines[places[-1]].end if places else lines[0].start
    gap = "\n" if after and text[after - 1] != "\n" else ""
    new = f"{text[:after]}{gap}{line}{text[after:]}" if not places else f"{text[:after]}{gap}\n{line}{text[after:]}"
    return _held(new, {**_data(text), name: {}})


@dataclass(frozen=True)
class _Span:
    start: int
    end: int


def _walk(node: yaml.Node, way: Location) -> Iterator[tuple[Location, yaml.Node]]:
    if way:
        yield way, node
    if isinstance(node, yaml.MappingNode):
        for key, value in node.value:
            yield from _walk(value, (*way, key.value))
    elif isinstance(node, yaml.SequenceNode):
        for place, value in enumerate(node.value):
            yield from _walk(value, (*way, place))


def _shown(text: str, node: yaml.Node) -> str:
    """Return what a value is on one line: as it is written, where that is one."""
    found = text[node.start_mark.index : _end(node)]
    if "\n" not in found and (isinstance(node, yaml.ScalarNode) or node.flow_style or not node.value):  # type: ignore[attr-defined]
        return found
    start = text.rfind("\n", 0, node.start_mark.index) + 1
    column = node.start_mark.index - start
    return written(plain_value(" " * column + found))


class _Gone:
    """Stands for the value of what is dropped."""


_GONE = _Gone()


def _reads_as(text: str, value: object) -> bool:
    if "\n" in text:
        return False
    try:
        return bool(plain_value(f"[{{a: {text}}}]") == [{"a": value}] and plain_value(f"a: {text}") == {"a": value})
    except yaml.YAMLError:
        return False


def _outline(text: str) -> yaml.Node | None:
    try:
        return outline(text)
    except yaml.YAMLError:
        raise UserError(t("The text is not YAML now: mend it there first")) from None


def _data(text: str) -> dict[str, Any]:
    found = plain_value(text)
    return found if isinstance(found, dict) else {}


def _changed(text: str, location: Location, value: object, change: Any) -> str:
    start, end, new = change(_outline(text))
    expected = _apart(_data(text))
    *way, last = location
    here: Any = expected
    for key in way:
        there: Any = here.get(key) if isinstance(here, dict) else here[key]
        if not isinstance(there, (dict, list)):
            here[key] = {}
        here = here[key]
    if value is _GONE:
        del here[last]
    elif isinstance(here, list) and last == len(here):
        here.append(value)
    else:
        here[last] = value
    return _held(text[:start] + new + text[end:], expected)


def _held(text: str, expected: dict[str, Any]) -> str:
    """Return the text if it says what was meant, and raise UserError if it says anything else: anchors may do that."""
    if _plain(_data(text)) == _plain(expected):
        return text
    raise UserError(t("That cannot be changed from here"), t("Change it in the text"))


def _apart(value: Any) -> Any:
    """Return a copy in which nothing stands twice: what an anchor names is then two values."""
    if isinstance(value, dict):
        return {key: _apart(item) for key, item in value.items()}
    return [_apart(item) for item in value] if isinstance(value, list) else value


def _plain(value: Any) -> Any:
    """Return data in which nothing, an empty list and an empty mapping are one: a block that lost its last line."""
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()} or None
    if isinstance(value, list):
        return [_plain(item) for item in value] or None
    return value


def _find(node: yaml.Node | None, location: Location) -> yaml.Node | None:
    for key in location:
        if isinstance(node, yaml.MappingNode):
            node = next((value for name, value in node.value if name.value == key), None)
        elif isinstance(node, yaml.SequenceNode) and isinstance(key, int) and key < len(node.value):
            node = node.value[key]
        else:
            return None
    return node


def _value(data: Any, location: Location) -> Any:
    for key in location:
        data = data[key]
    return data


def _place(parent: yaml.Node | None, key: str | int) -> int:
    pairs = _pairs(parent)
    return key if isinstance(key, int) else [name.value for name, _ in pairs].index(key)


def _pairs(node: yaml.Node | None) -> list[tuple[yaml.Node, yaml.Node]]:
    """Return the first and the last node of each entry."""
    assert isinstance(node, yaml.CollectionNode)
    return node.value if isinstance(node, yaml.MappingNode) else [(item, item) for item in node.value]


def _spans(node: yaml.Node | None) -> list[_Span]:
    return [_Span(first.start_mark.index, _end(last)) for first, last in _pairs(node)]


def _end(node: yaml.Node) -> int:
    """Return where the last character of a node stands: PyYAML ends a block where the next thing begins."""
    if isinstance(node, yaml.CollectionNode) and not node.flow_style and node.value:
        return _end(_pairs(node)[-1][1])
    return int(node.end_mark.index)


def _line_end(text: str, place: int) -> int:
    """Return where the line of a place ends, its newline included."""
    if place and text[place - 1] == "\n":  # a block of text ends behind its newline
        return place
    found = text.find("\n", place)
    return len(text) if found < 0 else found + 1


def _lines(text: str, node: yaml.Node | None) -> list[_Span]:
    """Return the lines of each entry of a block, from its key or dash on."""
    return [
        _Span(text.rfind("\n", 0, first.start_mark.index) + 1, _line_end(text, _end(last)))
        for first, last in _pairs(node)
    ]


def _chunks(text: str, node: yaml.Node | None) -> list[_Span]:
    """Return the lines of each entry of a block with the comments above it; those of the first are as far indented."""
    lines = _lines(text, node)
    first, column = lines[0].start, node.start_mark.column  # type: ignore[union-attr]
    while text[text.rfind("\n", 0, first - 1) + 1 :].startswith(" " * column + "#"):
        first = text.rfind("\n", 0, first - 1) + 1
    starts = [first, *(line.end for line in lines[:-1])]
    return [_Span(start, line.end) for start, line in zip(starts, lines, strict=True)]


def _putting(text: str, root: yaml.Node | None, location: Location, value: str) -> Change:
    for length in range(len(location), -1, -1):
        node, rest = _find(root, location[:length]), location[length:]
        if node is not None or not length:
            break
    for key in reversed(rest[1:]):
        value = f"{{{key}: {value}}}"
    if node is None or (isinstance(node, yaml.ScalarNode) and rest):  # nothing yet, or a name alone: `train:`
        new = f"{{{rest[0]}: {value}}}" if node is not None else f"{rest[0]}: {value}\n"
        return _replacing(text, node, new)
    if not rest:
        return _replacing(text, node, value)
    entry = value if isinstance(node, yaml.SequenceNode) else f"{rest[0]}: {value}"
    return _entering(text, node, entry)


def _replacing(text: str, node: yaml.Node | None, value: str) -> Change:
    if node is None:
        gap = "" if not text or text.endswith("\n") else "\n"
        return len(text), len(text), gap + value
    start, end = node.start_mark.index, _end(node)
    if isinstance(node, yaml.CollectionNode) and not node.flow_style:  # what stood on lines of its own
        start = len(text[:start].rstrip(" \n-")) if text[:start].rstrip(" \n-").endswith(":") else start
    elif isinstance(node, yaml.ScalarNode) and node.style in ("|", ">"):
        return start, end, f"{value}\n"
    gap = " " if start and text[start - 1] in ":-" else ""
    return start, end, gap + value


def _entering(text: str, node: yaml.Node, entry: str) -> Change:
    """Add an entry to a list or a mapping."""
    assert isinstance(node, yaml.CollectionNode)
    if node.flow_style or not node.value:
        spans = _spans(node)
        place = spans[-1].end if spans else node.start_mark.index + 1
        return place, place, f", {entry}" if spans else entry
    last = _lines(text, node)[-1]
    dash = "- " if isinstance(node, yaml.SequenceNode) else ""
    gap = "" if text[last.end - 1] == "\n" else "\n"
    return last.end, last.end, f"{gap}{' ' * node.start_mark.column}{dash}{entry}\n"
