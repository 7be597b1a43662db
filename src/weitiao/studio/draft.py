"""A recipe as somebody edits it: its text, checked as the command line checks it, and saved if nobody else did."""

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS, chosen
from weitiao.recipe import Recipe, plain_value, read
from weitiao.store import write_whole
from weitiao.talk import t

_FAR = re.compile(r"~|/|[A-Za-z]:\\|(.*[/\\])?\.\.([/\\]|$)|.*://")


class Draft:
    """What one visitor makes of the recipe."""

    def __init__(self, file: Path, *, near: bool = False) -> None:
        """With `near`, values may not newly lead out of the project: those who only have the token edit."""
        self.file, self._near = file, near
        self.reload()

    def reload(self) -> None:
        """Take what stands on disk now."""
        self._base = self._on_disk()
        self.saved = self.text = self._base.removeprefix("\ufeff").replace("\r\n", "\n")

    @property
    def changed(self) -> bool:
        """Whether there is something to save."""
        return self.text != self.saved

    @property
    def overtaken(self) -> bool:
        """Whether the file was changed by somebody else meanwhile."""
        return self._on_disk() != self._base

    def check(self) -> Recipe:
        """Return the checked recipe; raises UserError for the first thing that is wrong."""
        recipe = read(self.text, Path(self.file.name), SETTINGS)
        chosen(recipe, None, None)
        if self._near:
            self._hold_near()
        return replace(recipe, folder=self.file.parent)

    def save(self) -> None:
        """Write the file; raises UserError where it was changed meanwhile, and nothing is lost on either side."""
        self.check()
        if self.overtaken:
            raise UserError(
                t("Somebody else changed {name} meanwhile", name=self.file.name),
                t("Copy what you changed, load the file anew, and change it there"),
            )
        ends = "\r\n" if "\r\n" in self._base else "\n"
        mark = "\ufeff" if self._base.startswith("\ufeff") else ""
        content = mark + self.text.replace("\n", ends)
        write_whole(self.file, content.encode())
        self._base, self.saved = content, self.text

    def _on_disk(self) -> str:
        try:
            return self.file.read_bytes().decode()
        except FileNotFoundError:
            return ""

    def _hold_near(self) -> None:
        old, new = plain_value(self.saved), plain_value(self.text)
        known = {*_texts(old)}
        for text in _texts(new):
            if text not in known and _FAR.match(text):
                raise UserError(
                    t("`{text}` leads out of the project", text=text),
                    t("In a studio with a token, only files of the project can be named; edit it on its machine"),
                )  # fmt: skip
        if new.get("trust_remote_code") is True and old.get("trust_remote_code") is not True:
            raise UserError(t("trust_remote_code can only be set on the recipe's own machine"))


def _texts(value: Any) -> Iterator[str]:
    """Yield all texts of plain data, keys too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, item in value.items():
            yield from _texts(key)
            yield from _texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
