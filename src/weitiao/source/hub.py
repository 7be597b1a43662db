"""Data sets of Hugging Face and ModelScope by name: their files are fetched and read here, their code is never run."""

import hashlib
import logging
import os
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import orjson

from weitiao.errors import UserError
from weitiao.source.publisher import head_of, licence_of
from weitiao.store import write_whole
from weitiao.talk import t

PREFIXES = ("hf:", "modelscope:")
_NAME = re.compile(r"(hf|modelscope):([\w.-]+/[\w.-]+)(?:@([\w./-]+?))?(?::([\w.-]*))?(?::([\w.-]*))?")
_SLICE = re.compile(r"(.*?)\[(.*)\]", re.S)
_ENDINGS = (".parquet", ".jsonl", ".ndjson", ".json", ".csv", ".tsv", ".xlsx")
_PACKED = (".gz", ".zst", ".zstd")
# Files about the data, and what `datasets` writes beside them.
_ABOUT = re.compile(
    r"(?:^|/)(?:\.|dataset_infos?\.json|dataset_dict\.json|state\.json|(?:config|metadata|croissant)\.json)", re.I
)
# The words for a split in the name of a file or folder, as `datasets` knows them.
_SPLITS = {
    "train": "train",
    "training": "train",
    "test": "test",
    "testing": "test",
    "eval": "test",
    "evaluation": "test",
}
_SPLITS |= dict.fromkeys(("validation", "valid", "val", "dev"), "validation")


@dataclass(frozen=True)
class Remote:
    """A file of a data set on a hub; `revision` is what it was asked for and stays."""

    name: str  # `hf:OWNER/NAME`
    revision: str
    path: str
    licence: str = ""
    digest: str = ""  # SHA-256 of the content, where the hub tells it
    limit: int = 0  # so many first rows are read of all files of its input together; 0: all
    input: str = ""  # which input that is

    @property
    def address(self) -> str:
        """Return the address of the file: the data set, its revision, and the path in it."""
        return f"{self.name}@{self.revision}/{self.path}"

    @property
    def extent(self) -> str:
        """Return the address, and how much of the input is read."""
        return f"{self.address}[:{self.limit}]" if self.limit else self.address

    @property
    def can_be_read_in_part(self) -> bool:
        """Whether the hub gives parts of a file, and it is not here whole; ModelScope gives files whole."""
        if not self.name.startswith("hf:"):
            return False
        from huggingface_hub import try_to_load_from_cache

        repo = self.name.removeprefix("hf:")
        known = try_to_load_from_cache(repo, self.path, repo_type="dataset", revision=self.revision)
        return not isinstance(known, str)

    def fetch(self) -> Path:
        """Return the file on this machine, from the hub's cache or the hub; raise UserError if it cannot be had.

        What has come goes into the cache at once, and a file that broke off goes on where it was.
        """
        return (_fetch_hugging_face if self.name.startswith("hf:") else _fetch_modelscope)(self)


@dataclass(frozen=True)
class Listing:
    """What a data set's repository holds at one revision: its files with their digests, and the head of its card."""

    revision: str
    files: dict[str, str]
    card: dict[str, Any]


def files_of(text: str) -> list[Remote]:
    """Return the files of `hf:OWNER/NAME[@REVISION][:CONFIG][:SPLIT]` or `modelscope:…`, in order of their names.

    With `[:N]` at the end only the first N rows are wanted. Raises UserError where there is no such data set, where it
    holds no data to read, and where it has several configurations or splits and the name says not which.
    """
    whole, limit = _limit(text)
    match = _NAME.fullmatch(whole)
    if not match:
        raise UserError(
            t("{name} is no name of a data set", name=text),
            t("Write hf:OWNER/NAME or modelscope:OWNER/NAME, then @REVISION, :CONFIG and :SPLIT as needed"),
        )
    hub, repo, revision, *wanted = match.groups()
    name = f"{hub}:{repo}"
    listing = _listing(name, revision or "")
    data = [path for path in sorted(listing.files) if _is_data(path)]
    if not data:
        scripts = [path for path in listing.files if path.endswith(".py")]
        raise UserError(
            t("{name} has no files of data that are read here", name=name),
            t("It is made by a program of its own, {file}, which was not run", file=scripts[0])
            if scripts
            else t("It reads {kinds}, also with .gz or .zst", kinds=" ".join(_ENDINGS)),
        )
    chosen = _chosen(name, data, listing.card, [part or "" for part in wanted])
    licence = licence_of(listing.card)
    of = text if limit else ""
    return [Remote(name, listing.revision, path, licence, listing.files[path], limit, of) for path in chosen]


def _limit(text: str) -> tuple[str, int]:
    """Return a name without its `[:N]`, and N; 0 where there is none."""
    match = _SLICE.fullmatch(text)
    if not match:
        return text, 0
    whole, part = match.groups()
    if not re.fullmatch(r":0*[1-9][0-9]*", part):
        raise UserError(
            t("{name}: [{part}] is no beginning of a data set", name=text, part=part),
            t(
                "Write {example} for its first 1000 rows; other parts are not read by themselves",
                example=f"{whole}[:1000]",
            ),
        )
    return whole, int(part[1:])


def _is_data(path: str) -> bool:
    plain = path.lower()
    for ending in _PACKED:
        plain = plain.removesuffix(ending)
    return plain.endswith(_ENDINGS) and not _ABOUT.search(path)


def _chosen(name: str, data: list[str], card: dict[str, Any], wanted: list[str]) -> list[str]:
    """Return the files of the configuration and split that are wanted; a single word may name either."""
    configs = _configs(data, card)
    config, split = wanted
    if config and not split and config not in configs:
        config, split = "", config
    if not config:
        config = "default" if "default" in configs else next(iter(configs)) if len(configs) == 1 else ""
    if config not in configs:
        raise _which(name, "configurations", configs, config)
    splits = configs[config]
    split = split or (next(iter(splits)) if len(splits) == 1 else "")
    if split not in splits:
        raise _which(name, "splits", splits, split)
    return splits[split]


def _which(name: str, what: str, there: Iterable[str], wanted: str) -> UserError:
    known = sorted(there, key=lambda one: (one != "train", one))
    values = {"name": name, "wanted": wanted, "names": ", ".join(known)}
    said = {
        ("splits", False): t("{name} has several splits: {names}", **values),
        ("splits", True): t("{name} has no split `{wanted}`; it has: {names}", **values),
        ("configurations", False): t("{name} has several configurations: {names}", **values),
        ("configurations", True): t("{name} has no configuration `{wanted}`; it has: {names}", **values),
    }
    return UserError(said[what, bool(wanted)], t("Name one: {example}", example=f"{name}:{known[0]}"))


def _configs(data: list[str], card: dict[str, Any]) -> dict[str, dict[str, list[str]]]:
    """Return files by configuration and split: as the card says, else by the words in their paths."""
    found: dict[str, dict[str, list[str]]] = {}
    for config in card.get("configs") or []:
        files = config.get("data_files") or [{"split": "train", "path": f"{config.get('data_dir', '')}/**".lstrip("/")}]
        if not isinstance(files, list) or all(isinstance(item, str) for item in files):
            files = [{"split": "train", "path": files}]
        splits: dict[str, list[str]] = {}
        for item in files:
            patterns = [item["path"]] if isinstance(item["path"], str) else item["path"]
            matching = [path for path in data if any(_matches(path, pattern) for pattern in patterns)]
            if matching:
                splits.setdefault(str(item.get("split", "train")), []).extend(matching)
        if splits:
            found["default" if config.get("default") else str(config.get("config_name", "default"))] = splits
    if found:
        return found
    by_split: dict[str, list[str]] = {}
    for path in data:
        words = re.findall(r"[a-z]+", path.lower())
        by_split.setdefault(next((_SPLITS[word] for word in words if word in _SPLITS), "train"), []).append(path)
    return {"default": by_split}


def _matches(path: str, pattern: str) -> bool:
    """Tell whether a path matches a pattern of the card: `*` within a name, `**` across folders."""
    parts = re.split(r"(\*\*/|\*\*|\*|\?)", pattern.removeprefix("./"))
    marks = {"**/": "(?:.*/)?", "**": ".*", "*": "[^/]*", "?": "[^/]"}
    return re.fullmatch("".join(marks.get(part, re.escape(part)) for part in parts), path) is not None


@lru_cache(maxsize=64)
def _listing(name: str, revision: str) -> Listing:
    """Return what a repository holds, from the hub; where there is no network, as it was when it was last asked."""
    kept = _kept(name, revision)
    pinned = re.fullmatch(r"[0-9a-f]{40}", revision)
    try:
        if pinned and kept.exists():
            raise _NoNetwork("")
        ask = _list_hugging_face if name.startswith("hf:") else _list_modelscope
        listing = ask(name.partition(":")[2], revision)
    except _NoNetwork as none:
        if not kept.exists():
            raise _nowhere(name, str(none)) from None
        return Listing(**orjson.loads(kept.read_bytes()))
    kept.parent.mkdir(parents=True, exist_ok=True)
    write_whole(kept, orjson.dumps(asdict(listing)))
    return listing


class _NoNetwork(Exception):
    """The hub could not be asked; what it said before may stand."""


def cache() -> Path:
    """Return the folder of what is kept of hubs, besides their own caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser() / "weitiao" / "hub"


def _kept(name: str, revision: str) -> Path:
    return cache() / (re.sub(r"[:/@]", "--", f"{name}@{revision or 'latest'}") + ".json")


def _list_hugging_face(repo: str, revision: str) -> Listing:
    need("huggingface_hub", "hub")
    from huggingface_hub import HfApi, constants, errors

    try:
        info = HfApi().dataset_info(repo, revision=revision or None, timeout=30)
    except errors.GatedRepoError:
        raise _gated(f"hf:{repo}", f"{constants.ENDPOINT}/datasets/{repo}") from None
    except errors.RevisionNotFoundError:
        raise UserError(t("{name} has no revision {revision}", name=f"hf:{repo}", revision=revision)) from None
    except errors.RepositoryNotFoundError:
        raise _nowhere(f"hf:{repo}", t("there is none at {place}", place=constants.ENDPOINT)) from None
    except (errors.HfHubHTTPError, errors.OfflineModeIsEnabled, OSError, errors.HTTPError) as error:  # type: ignore[attr-defined]
        raise _NoNetwork(_line(error)) from None
    card = dict(vars(info.card_data)) if info.card_data else {}
    files = {item.rfilename: "" for item in info.siblings or []}
    return Listing(str(info.sha), files, orjson.loads(orjson.dumps(card, default=str)))


def _fetch_hugging_face(remote: Remote) -> Path:
    from huggingface_hub import hf_hub_download

    repo = remote.name.removeprefix("hf:")
    with told(remote):
        return Path(hf_hub_download(repo, remote.path, repo_type="dataset", revision=remote.revision))


@contextmanager
def told(remote: Remote) -> Iterator[None]:
    """Turn what goes wrong while Hugging Face is asked for a file into words."""
    from huggingface_hub import constants, errors

    try:
        yield
    except errors.GatedRepoError:
        repo = remote.name.removeprefix("hf:")
        raise _gated(remote.name, f"{constants.ENDPOINT}/datasets/{repo}") from None
    except (OSError, ValueError, errors.HTTPError) as error:  # type: ignore[attr-defined]
        raise _unfetched(remote, _line(error)) from None


def _list_modelscope(repo: str, revision: str) -> Listing:
    need("modelscope_hub", "modelscope")
    logging.getLogger("modelscope_hub").setLevel(logging.WARNING)  # it tells each page of a listing
    from modelscope_hub import HubApi, NetworkError, NotExistError, PermissionDeniedError
    from modelscope_hub.errors import APIError, HubError

    try:
        items = HubApi().list_repo_files(repo, "dataset", revision=revision or None)
        files = {item.path: item.sha256 or "" for item in items if item.type != "tree"}
        card = (
            HubApi().download_file(repo, "dataset", "README.md", revision=revision or None)
            if "README.md" in files
            else None
        )
    except (NotExistError, PermissionDeniedError) as error:
        raise _nowhere(f"modelscope:{repo}", _line(error)) from None
    except (NetworkError, APIError, HubError, OSError) as error:
        raise _NoNetwork(_line(error)) from None
    head = head_of(card.read_text("utf-8", "replace")) if card else {}
    # The hub names no commit for a data set: what its files are stands for it, and each is checked when it comes.
    digest = hashlib.sha1(orjson.dumps(sorted(files.items()))).hexdigest()
    return Listing(f"{revision or 'master'}-{digest[:12]}", files, orjson.loads(orjson.dumps(head, default=str)))


def _fetch_modelscope(remote: Remote) -> Path:
    from modelscope_hub import HubApi, HubError

    revision = remote.revision.rpartition("-")[0]
    try:
        return Path(
            HubApi().download_file(
                remote.name.removeprefix("modelscope:"), "dataset", remote.path, revision=revision,
                expected_sha256=remote.digest or None,
            )
        )  # fmt: skip
    except (HubError, OSError, ValueError) as error:
        raise _unfetched(remote, _line(error)) from None


def need(package: str, extra: str) -> None:
    """Raise UserError where a package is not installed; `extra` brings it."""
    from importlib.util import find_spec

    if find_spec(package) is None:
        raise UserError(
            t("A data set by name needs the package {name}", name=package), f"pip install 'weitiao[{extra}]'"
        )


def _gated(name: str, page: str) -> UserError:
    return UserError(
        t("The data set {name} is given only to those who asked for it", name=name),
        t("Ask for it on its page at {place}, then `hf auth login`", place=page),
    )


def _nowhere(name: str, why: str) -> UserError:
    tool = "hf download --repo-type dataset" if name.startswith("hf:") else "modelscope download --dataset"
    repo = name.partition(":")[2]
    return UserError(
        t("No data set {name} to be had: {why}", name=name, why=why or t("there is no network")),
        t("On a machine with network: {tool} {repo} --local-dir DIR; then give DIR", tool=tool, repo=repo),
    )


def _unfetched(remote: Remote, why: str) -> UserError:
    return UserError(
        t("{address} could not be fetched: {why}", address=remote.address, why=why),
        t("Run the same command again: what has come is kept, and it goes on from there"),
    )


def _line(error: Exception) -> str:
    return str(error).strip().split("\n")[0][:300] or type(error).__name__


def is_name(text: str) -> bool:
    """Tell whether an input is the name of a data set on a hub."""
    return text.startswith(PREFIXES)
