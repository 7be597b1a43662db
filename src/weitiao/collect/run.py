"""Which addresses are wanted, and each page kept the moment it arrives; what is there is not asked for again."""

import hashlib
import re
import zlib
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from queue import SimpleQueue
from typing import IO, Any
from urllib.parse import urldefrag, urlsplit
from xml.parsers.expat import ExpatError

import anyio
import orjson
from anyio.from_thread import start_blocking_portal

from weitiao.collect import Manners
from weitiao.collect.web import PRIVATE, Failed, Page, Web
from weitiao.errors import UserError
from weitiao.source import safe_xml
from weitiao.source.collected import INDEX, entries
from weitiao.stage import Reporter
from weitiao.store import make_folder, write_whole
from weitiao.talk import t

_XML = ("application/xml", "text/xml", "application/rss+xml", "application/gzip", "application/x-gzip", "text/plain")
_SITEMAP_BYTES = 50_000_000  # unpacked, by sitemaps.org
_DEEP = 3  # sitemaps of sitemaps of sitemaps


@dataclass
class Counts:
    """What came of the addresses: pages had now, pages that were there, and the others by reason."""

    kept: int = 0
    known: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """All addresses."""
        return self.kept + self.known + self.failed.total()


def collect(inputs: Sequence[str], folder: Path, manners: Manners, reporter: Reporter, *, again: bool) -> Counts:
    """Get the pages that `inputs` name (addresses, sitemaps, files with an address a line) into `folder`.

    Each address ends as a row of the folder's index, with its file or the reason why there is none. An address that has
    its page, or failed for good, is not asked again; `again` asks those that failed. Raises UserError for an input that
    is neither, and where no address at all gave a page.
    """
    named = list(dict.fromkeys(address for text in inputs for address in _named(text)))
    make_folder(folder)
    _mend(folder)
    counts = Counts()
    last = {row["address"]: row for row in entries(folder)}
    out: SimpleQueue[Any] = SimpleQueue()
    with start_blocking_portal() as portal:
        future = portal.start_task_soon(_Work(folder, manners, last, again, out).run, named)
        future.add_done_callback(lambda _: out.put(None))
        try:
            if found := out.get():  # nothing where the work has failed
                todo, counts.known, counts.failed = found
                for row in reporter.track(_arriving(out), todo, "addresses asked"):
                    counts.kept += "file" in row
                    counts.failed.update([row["reason"]] if "reason" in row else [])
            future.result()
        finally:
            future.cancel()
    if not counts.kept and not counts.known:
        reasons = ", ".join(f"{t(reason)} {count:,}" for reason, count in counts.failed.most_common(5))
        raise UserError(t("No page could be had: {reasons}", reasons=reasons or "-"), _hint(counts))
    return counts


def _hint(counts: Counts) -> str:
    if counts.failed[PRIVATE]:
        return t("--private lets addresses of this machine and of private networks be asked")
    return t("See {index} in the folder; the same command asks again what may come later", index=INDEX)


def _arriving(out: SimpleQueue[Any]) -> Iterator[dict[str, Any]]:
    while (row := out.get()) is not None:
        yield row


def _named(text: str) -> Iterator[str]:
    """Yield the addresses that an input is or, as a file, holds: one a line, `#` begins a remark."""
    if re.match(r"https?://", text, re.I):
        yield _plain(text)
        return
    path = Path(text).expanduser()
    if not path.is_file():
        raise UserError(
            t("`{text}` is neither a web address nor a file", text=text),
            t("Addresses begin with http:// or https://; a file has one a line"),
        )
    for number, line in enumerate(path.read_text(encoding="utf-8-sig", errors="replace").splitlines(), 1):
        line = line.strip()
        if not line or line.startswith("#"):
            continue
        if not re.match(r"https?://[^\s/]", line, re.I):
            raise UserError(
                t("{place}: no web address: {text}", place=f"{text}:{number}", text=line[:80]),
                t("Addresses begin with http:// or https://; a file has one a line"),
            )
        yield _plain(line)


def _plain(address: str) -> str:
    parts = urlsplit(urldefrag(address.strip()).url)
    return parts._replace(scheme=parts.scheme.lower(), netloc=parts.netloc.lower(), path=parts.path or "/").geturl()


@dataclass(frozen=True)
class _Work:
    """One run over some addresses; puts how many are asked, known and failed into `out`, then each one's row."""

    folder: Path
    manners: Manners
    last: dict[str, dict[str, Any]]  # what the index knows of an address
    again: bool
    out: SimpleQueue[Any]

    async def run(self, named: list[str]) -> None:
        """Ask what is left to ask: host by host, side by side."""
        known, failed = 0, Counter[str]()
        by_host: dict[str, list[str]] = defaultdict(list)
        places = anyio.CapacityLimiter(self.manners.hosts)
        async with Web(self.manners) as web:
            for address in await _expand(named, web, failed):
                row = self.last.get(address, {"later": True})
                if row.get("file"):
                    known += 1
                elif row["later"] or self.again:
                    by_host[urlsplit(address).netloc].append(address)
                else:
                    failed[row["reason"]] += 1
            self.out.put((sum(map(len, by_host.values())), known, failed))
            with (self.folder / INDEX).open("ab") as index:
                async with anyio.create_task_group() as group:
                    for some in by_host.values():
                        group.start_soon(self._ask, web, some, places, index)

    async def _ask(self, web: Web, some: list[str], places: anyio.CapacityLimiter, index: IO[bytes]) -> None:
        async with places:
            for address in some:
                row = await _row(web, address, self.folder)
                index.write(orjson.dumps(row, option=orjson.OPT_APPEND_NEWLINE))
                index.flush()
                self.out.put(row)


async def _expand(named: list[str], web: Web, failed: Counter[str]) -> list[str]:
    """Return the addresses of pages, each sitemap's in its place; counts sitemaps that gave none by reason."""
    found: dict[str, None] = {}
    for address in named:
        if not re.search(r"sitemap[^/]*$|\.xml(\.gz)?$", urlsplit(address).path, re.I):
            found[address] = None
            continue
        try:
            await _sitemap(address, web, found, _DEEP)
        except Failed as error:
            failed[error.reason] += 1
    return list(found)


async def _sitemap(address: str, web: Web, found: dict[str, None], deep: int) -> None:
    """Put the addresses of a sitemap (sitemaps.org) of its own host into `found`."""
    page = await web.page(address, (*_XML, "text/html"))
    data = page.body
    try:
        if data.startswith(b"\x1f\x8b"):
            unzip = zlib.decompressobj(wbits=31)
            data = unzip.decompress(data, _SITEMAP_BYTES)
            if unzip.unconsumed_tail:
                raise Failed("too large")
        inner, pages = (safe_xml.texts([data], path) for path in (("sitemap", "loc"), ("url", "loc")))
    except safe_xml.Doctype:
        raise Failed("the sitemap declares a document type") from None
    except (ExpatError, zlib.error):
        raise Failed("the sitemap is no XML") from None
    host = urlsplit(page.address).netloc.lower()
    for one in pages:
        if len(found) < web.manners.at_most and urlsplit(one).netloc.lower() == host:
            found[_plain(one)] = None
    for one in inner if deep > 1 else ():
        if len(found) < web.manners.at_most and urlsplit(one).netloc.lower() == host:
            with suppress(Failed):  # the others may be there
                await _sitemap(one, web, found, deep - 1)


async def _row(web: Web, address: str, folder: Path) -> dict[str, Any]:
    """Return the index's row of an address; its page is in the folder before."""
    time = datetime.now(UTC).isoformat(timespec="seconds")
    try:
        page = await web.page(address)
    except Failed as failed:
        later = failed.passing or failed.reason == PRIVATE  # which a setting may change
        return {"address": address, "time": time, "reason": failed.reason, "later": later}
    name = hashlib.blake2b(address.encode(), digest_size=10).hexdigest()
    file = f"pages/{name}.{'txt' if page.kind == 'text/plain' else 'html'}"
    (folder / "pages").mkdir(exist_ok=True)
    write_whole(folder / file, page.body)
    return {"address": address, "time": time, "file": file, **_said(page, web.manners)}


def _said(page: Page, manners: Manners) -> dict[str, Any]:
    licence = page.licence or manners.licence
    said = {"final": page.address, "bytes": len(page.body), "charset": page.charset, "licence": licence}
    return {key: value for key, value in said.items() if value not in ("", None)}


def _mend(folder: Path) -> None:
    """Cut off a last line of the index that a crash has left unfinished."""
    path = folder / INDEX
    if path.exists() and not (data := path.read_bytes()).endswith(b"\n"):
        write_whole(path, data[: data.rfind(b"\n") + 1])
