"""What the publisher of a data set says of it: the head of its card, or OpenDataLab's metafile."""

import re
from pathlib import Path
from typing import Any

import yaml

METAFILES = ("metafile.yaml", "metafile.yml")
_MOST = 1 << 20  # bytes; such a file is a page long


def licence(folder: Path) -> str:
    """Return the licence that a downloaded folder states of its data; "" if it states none."""
    for name in METAFILES:
        if (folder / name).is_file() and (said := licence_of(_yaml(_text(folder / name)))):
            return said
    card = folder / "README.md"
    return licence_of(head_of(_text(card))) if card.is_file() else ""


def licence_of(card: dict[str, Any]) -> str:
    """Return the licence of a card: one name or several, each alone or with its address.

    Creative Commons in the form of SPDX, a licence of its own by its name.
    """
    said = card.get("license") or card.get("licence") or ""
    given = [item.get("name") or item.get("url") if isinstance(item, dict) else item for item in _list(said)]
    names = [name for name in (str(one or "").strip() for one in given) if name]
    if names == ["other"] and card.get("license_name"):
        names = [str(card["license_name"])]
    return " AND ".join(name.upper() if re.match(r"cc[-0]", name, re.I) else name for name in names)


def head_of(text: str) -> dict[str, Any]:
    """Return the YAML head of a card; nothing where there is none that can be read."""
    match = re.match(r"\ufeff?---\s*\n(.*?)\n---\s*(?:\n|\Z)", text, re.DOTALL)
    return _yaml(match[1]) if match else {}


def _list(value: object) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(path: Path) -> str:
    with path.open("rb") as file:
        return file.read(_MOST).decode("utf-8", "replace")


class _Plain(yaml.SafeLoader):
    """YAML without aliases, by which a short text can stand for a very long one."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        """Refuse an alias."""
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError("alias")
        return super().compose_node(parent, index)


def _yaml(text: str) -> dict[str, Any]:
    try:
        value = yaml.load(text, Loader=_Plain)
    except (yaml.YAMLError, ValueError, RecursionError):  # a date that is none; brackets a thousand deep
        return {}
    return value if isinstance(value, dict) else {}
