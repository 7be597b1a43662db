"""Which files the inputs name: files, folders and glob patterns, in a fixed order, each with its address."""

import difflib
import glob
import hashlib
import os
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import chain, islice
from pathlib import Path

import orjson

from weitiao.errors import UserError
from weitiao.source import hub, publisher
from weitiao.source.collected import INDEX, Collected, pages
from weitiao.source.hub import Remote
from weitiao.store import file_digest
from weitiao.talk import escaped, t

# By the end of its name; what a file really is, its content says.
KINDS = {
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".json": "json",
    ".csv": "csv",
    ".tsv": "tsv",
    ".xlsx": "xlsx",
    ".xlsm": "xlsx",
    ".parquet": "parquet",
    ".html": "html",
    ".htm": "html",
    ".xhtml": "html",
    ".txt": "text",
    ".text": "text",
    ".md": "text",
    ".markdown": "text",
    ".pdf": "pdf",
    ".docx": "docx",
    ".epub": "epub",
}
PACKED = (".gz", ".zst", ".zstd")
LISTED = 1_000  # files that a manifest names one by one
_OPEN = "~$"  # how the names begin of what Office leaves beside a file that is open
# Names that speak of the folder; they are read only where they are named.
_ABOUT = ("readme", "license", "licence", "copying", "notice", "changelog", _OPEN)


@dataclass(frozen=True, slots=True)
class Input:
    """A file to read. `uri` is its path relative to the recipe's folder, with `/`; `collected` where it was had.

    `file` is its path as text: a folder may hold a million files, and a Path takes four times as much memory.
    """

    uri: str
    file: str
    collected: Collected | None = None
    remote: Remote | None = None  # on a hub; `path` is then only its name

    @property
    def path(self) -> Path:
        """Where it lies."""
        return Path(self.file)

    @property
    def kind(self) -> str:
        """What the name says it is; "" for a name that says nothing."""
        return kind_of(self.file)


@dataclass(frozen=True, slots=True)
class Found:
    """The files to read, and the files of folders that are left alone because nothing here reads them."""

    files: list[Input]
    left: list[str]

    def note(self) -> str:
        """Return what is to be said of the files that are left alone, "" if there are none."""
        if not self.left:
            return ""
        shown = ", ".join(self.left[:3]) + (" …" if len(self.left) > 3 else "")
        return t("Not read, by their names: {names} ({count})", names=shown, count=len(self.left))

    @property
    def revisions(self) -> dict[str, str]:
        """The data sets of hubs among them, and the revision of each."""
        return {item.remote.name: item.remote.revision for item in self.files if item.remote}


def kind_of(path: Path | str) -> str:
    """Return what a file's name says it is, whether compressed or not; "" if it says nothing."""
    name = os.path.basename(path).lower()  # noqa: PTH119 - a Path for each of a million files takes a minute
    for ending in PACKED:
        name = name.removesuffix(ending)
    # The other files of a dump hold no posts.
    return "stack_exchange" if name.endswith("posts.xml") else KINDS.get(os.path.splitext(name)[1], "")  # noqa: PTH122


def find(inputs: Iterable[str], folder: Path) -> Found:
    """Return the files that `inputs` name, each once: in the order of the inputs, sorted within a folder or pattern.

    Raises UserError for a name or pattern that matches nothing, for a folder that holds nothing readable, and for a
    file that cannot be opened or whose name is no text.
    """
    files: dict[str, Input] = {}
    left: list[str] = []
    for text in inputs:
        if hub.is_name(text):
            for remote in hub.files_of(text):
                _once(files.get(remote.address), remote)
                files[remote.address] = _remote(remote)
            continue
        path = folder / Path(text).expanduser()
        if path.is_dir():
            found = _walk(path, folder)
        elif path.exists() or path.is_symlink():
            found = Found([_input(path, folder)], [])
        else:
            found = _match(text, path, folder)
        left += map(escaped, found.left)
        for item in found.files:
            files.setdefault(os.path.abspath(item.file), item)  # noqa: PTH100 - `..` is resolved, links are not
    for item in files.values():
        if not item.remote and not os.access(item.file, os.R_OK):
            raise _unreadable(item.path)
        if (name := escaped(item.file)) != item.file:
            raise UserError(t("The name {name} is not UTF-8", name=name), t("Rename it"))
    return Found(list(files.values()), left)


def digests(inputs: Iterable[str], folder: Path) -> list[list[str]]:
    """Return address and digest of every file that `inputs` name; of a file on a hub the revision.

    Of more than `LISTED` files it is their number, and one digest of all.
    """
    rows = (
        [item.uri, item.remote.extent if item.remote else file_digest(item.path)]
        + ([item.collected.licence] if item.collected and item.collected.licence else [])
        for item in find(inputs, folder).files
    )
    listed = list(islice(rows, LISTED + 1))
    if len(listed) <= LISTED:
        return listed
    whole, count = hashlib.blake2b(digest_size=12), 0
    for row in chain(listed, rows):
        whole.update(orjson.dumps(row))
        count += 1
    return [[str(count), whole.hexdigest()]]


def _unreadable(path: Path) -> UserError:
    if path.exists():
        return UserError(t("{path} may not be read", path=path), t("Its permissions are not yours: chmod +r lets you"))
    return UserError(t("{path} is a link that leads nowhere", path=path), t("Mend it, or take it out of the inputs"))


def _once(before: Input | None, remote: Remote) -> None:
    """Hold that no file is in two inputs that want different parts of it."""
    if before and before.remote and before.remote.input != remote.input:
        raise UserError(
            t("{address} is in two inputs, and not all of it is wanted", address=remote.address),
            t("Name it once, with [:N] or without"),
        )


def _remote(remote: Remote) -> Input:
    from_hub = Collected(remote.address, "", remote.licence)
    return Input(f"{remote.name}/{remote.path}", remote.path, from_hub, remote)


def _input(path: Path, folder: Path) -> Input:
    return Input(Path(os.path.relpath(path, folder)).as_posix(), str(path))


def _walk(top: Path, folder: Path) -> Found:
    files: list[Input] = []
    left: list[str] = []
    known = pages(top)
    stated = publisher.licence(top)
    for here, folders, names in os.walk(top):
        folders[:] = sorted(name for name in folders if not name.startswith("."))
        address, inside = (_prefix(os.path.relpath(here, start)) for start in (folder, top))
        for name in sorted(names):
            if name.startswith(".") or inside + name == INDEX:
                continue
            uri = address + name
            collected = known.get(inside + name) or (Collected(uri, "", stated) if stated else None)
            readable = kind_of(name) and not name.lower().startswith(_ABOUT)
            files.append(Input(uri, f"{here}/{name}", collected)) if readable else left.append(uri)
    if not files:
        raise UserError(
            t("Nothing readable in {path}", path=top),
            t("It reads {kinds}, also with .gz or .zst", kinds=" ".join([*sorted(KINDS), "Posts.xml"]))
            if left
            else t("The folder is empty"),
        )
    files.sort(key=lambda item: item.uri.replace("/", "\0"))  # as if by folder, then by name
    return Found(files, left)


def _prefix(folder: str) -> str:
    return "" if folder == "." else Path(folder).as_posix() + "/"


def _match(text: str, path: Path, folder: Path) -> Found:
    if glob.has_magic(text):
        matches = sorted(Path(match) for match in glob.glob(str(path), recursive=True))  # noqa: PTH207 - it may be absolute
        found = [_input(match, folder) for match in matches if match.is_file() or not match.exists()]
        left = [item.uri for item in found if item.path.name.startswith(_OPEN)]
        if files := [item for item in found if item.uri not in left]:
            return Found(files, left)
        raise UserError(t("Nothing matches {text}", text=text), t("Patterns start from {folder}", folder=folder))
    beside = sorted(path.parent.iterdir()) if path.parent.is_dir() else []
    # By its name without the ending too: `.jsonl` alone makes short names alike.
    alike = [item.name for item in beside if difflib.get_close_matches(path.stem, [item.stem])]
    near = difflib.get_close_matches(path.name, alike, n=3)
    hint = t("Did you mean `{name}`?", name=near[0]) if near else t("Paths start from {folder}", folder=folder)
    raise UserError(t("No file at {path}", path=path), hint)
