"""The Data page: the funnel of the run, its records filtered, sorted and searched, and the life of one beside them."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlencode

from nicegui import ui
from nicegui.events import GenericEventArguments, KeyEventArguments

from weitiao.browse import Browser, Catalogue, Found, Label, Query
from weitiao.browse import Page as Records
from weitiao.studio import data_life
from weitiao.studio.aside import aside
from weitiao.studio.data_funnel import draw_funnel
from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import empty, icon_button, named, words
from weitiao.talk import t

_PATH = "/data"
_EVENT = "weitiao_back"
# A link that is followed here, unless it is to be opened elsewhere.
_FOLLOW = "(e) => { if (!e.ctrlKey && !e.metaKey && !e.shiftKey) { e.preventDefault(); emit() } }"
# The search field takes what is typed right behind `/`, and Enter and Esc leave it: the server would answer too late.
_KEYS_AT_ONCE = """
  const field = () => getHtmlElement(%s);
  addEventListener("keydown", (e) => {
    if (e.isComposing || e.keyCode === 229 || e.ctrlKey || e.altKey || e.metaKey) return;
    if (e.target === field() && (e.key === "Enter" || e.key === "Escape")) {
      e.preventDefault();
      e.target.blur();
    } else if (e.key === "/" && field() && !e.target.closest?.("input, select, textarea")) {
      e.preventDefault();
      field().focus();
    }
  });
"""
_KINDS = {
    "fate": "What became of it",
    "stage": "Came out of",
    "did": "What happened to it",
    "part": "Part of the split",
    "role": "Has a message of",
    "file": "File",
    "tag": "Fact",
}


@dataclass(frozen=True)
class Address:
    """What the address of the page says: the query, the page of it, and the record that is open."""

    query: Query = field(default_factory=Query)
    number: int = 1
    id: str = ""

    @classmethod
    def read(cls, text: str) -> "Address":
        """Read it off the part of an address behind the `?`; what makes no sense there is left out."""
        given = parse_qs(text.removeprefix("?"), max_num_fields=200)
        one = {name: values[-1] for name, values in given.items()}
        query = Query(
            text=one.get("q", "")[:200],
            labels=tuple(given.get("is", ())),
            shortest=_whole(one.get("min", "")),
            longest=_whole(one.get("max", "")),
            sort=one.get("sort", "order"),
            down="down" in one,
        )
        return cls(query, _whole(one.get("page", "")) or 1, one.get("id", ""))

    def write(self) -> str:
        """Write it as it stands in the browser."""
        query = self.query
        given: list[tuple[str, object]] = [
            ("q", query.text),
            *(("is", name) for name in query.labels),
            ("sort", query.sort.replace("order", "")),
        ]
        given += [("min", query.shortest or ""), ("max", query.longest or ""), ("down", "1" if query.down else "")]
        given += [("page", self.number if self.number > 1 else ""), ("id", self.id)]
        return _PATH + "?" + urlencode([(name, str(value)) for name, value in given if value])


@cache
def browser(folder: Path) -> Browser:
    """Return the one browser of a run that all visitors share."""
    return Browser(folder)


class _View:
    """The page as one visitor has it."""

    def __init__(self, browser: Browser, address: Address) -> None:
        self.browser, self.address = browser, address
        self.catalogue: Catalogue | None = None
        self.links: list[ui.link] = []
        self.ids: list[str] = []
        self.at = -1
        self.drawing = asyncio.Lock()
        with ui.element("div").classes("data"):
            self.funnel = ui.element("section").classes("funnel")
            with ui.element("div").classes("columns"):
                self.filters = named(ui.element("section").classes("filters"), t("Filters"))
                with ui.element("div").classes("middle"):
                    self.search = self._search()
                    self.state = ui.element("div").props("role=status").classes("note")
                    self.list = ui.element("div")
                self.panel = named(ui.element("section").classes("panel"), t("The record"))
        ui.keyboard(self._pressed, ignore=["input", "select", "textarea"])
        ui.run_javascript(_KEYS_AT_ONCE % self.search.id)
        ui.on(_EVENT, self._back)
        ui.run_javascript(f"addEventListener('popstate', () => emitEvent('{_EVENT}', location.search))")
        self.timer = ui.timer(0.5, self.look)

    async def look(self) -> None:
        """Look for a newer catalogue, and say how far the reading is."""
        found = await aside(self.browser.catalogue)
        if found is not self.catalogue or (found is None and not list(self.list)):
            self.catalogue = found
            await self.draw()
        self._tell()

    async def draw(self) -> None:
        """Draw all that depends on the catalogue and the address."""
        rows = await aside(self.browser.funnel)
        self.funnel.clear()
        with self.funnel:
            labels = self.catalogue.labels if self.catalogue else {}
            draw_funnel(rows, labels, self.filter_link, wide=self.address == Address())
        self.filters.clear()
        with self.filters:
            self._filters()
        await self.show()

    async def show(self) -> None:
        """Draw the records and the open one."""
        asked = self.address
        async with self.drawing:
            if self.catalogue is None or asked != self.address:  # something else was asked meanwhile
                return
            found = await aside(self.catalogue.page, asked.query, asked.number)
            if asked != self.address:
                return
            self.list.clear()
            with self.list:
                self._records(found)
        await self.open()

    async def open(self) -> None:
        """Draw the life of the record that is open, or nothing."""
        key = self.address.id
        told = await aside(self.browser.life, key) if key else None
        if key != self.address.id:
            return
        self.panel.clear()
        self.panel.classes(add="open" if key else "", remove="" if key else "open")
        self.at = self.ids.index(key) if key in self.ids else self.at
        for one, link in zip(self.ids, self.links, strict=True):
            link.props("aria-current=true" if one == key else "", remove="" if one == key else "aria-current")
        if told:
            with self.panel:
                data_life.draw(told, close=lambda: self.go(id=""), link=self.record_link)
            ui.run_javascript(f"document.getElementById('{self.panel.html_id}').scrollTop = 0")

    async def go(
        self, query: Query | None = None, *, id: str | None = None, number: int = 0, typed: bool = False
    ) -> None:
        """Ask something else, and let the address say it."""
        address = replace(self.address, id=self.address.id if id is None else id)
        address = replace(address, query=query, number=1) if query else address
        address = replace(address, number=number) if number else address
        if address == self.address:
            return
        moved = replace(address, id="") != replace(self.address, id="")
        self.address = address
        (ui.navigate.history.replace if typed else ui.navigate.history.push)(address.write())
        await (self.show() if moved else self.open())

    async def _back(self, event: GenericEventArguments) -> None:
        self.address = Address.read(str(event.args))
        await self._anew()

    async def _anew(self) -> None:
        """Draw all for an address that nobody typed."""
        self.search.value = self.address.query.text
        await self.draw()

    def filter_link(self, text: str, names: tuple[str, ...]) -> ui.link:
        """Draw a link to the records with one of these labels."""
        query = Query(labels=names)

        async def follow() -> None:
            await self.go(query, id="")
            await self._anew()

        return self._link(Address(query), follow, text)

    def record_link(self, text: str, key: str) -> ui.link:
        """Draw a link to the life of a record."""
        return self._link(replace(self.address, id=key), lambda: self.go(id=key), text)

    def _link(self, address: Address, follow: Callable[[], Any], text: str = "") -> ui.link:
        link = ui.link(text, address.write())
        link.on("click", follow, js_handler=_FOLLOW)
        return link

    def _search(self) -> ui.input:
        async def asked(event: Any) -> None:
            await self.go(replace(self.address.query, text=event.value or ""), typed=True)

        with ui.element("div").classes("bar"):
            field = ui.input(t("Search the texts"), value=self.address.query.text, on_change=asked)
            field.props("outlined dense clearable debounce=250 type=search").classes("search")
            shown = icon_button("tune", t("Filters"), lambda: self.filters.classes(toggle="open"))
            shown.classes("phone-only")
        return field

    def _filters(self) -> None:
        """Draw a choice for each kind of label, the lengths and the order."""
        catalogue, query = self.catalogue, self.address.query
        with ui.element("div").classes("bar"):
            words("h2", t("Filters"))
            icon_button("close", t("Close"), lambda: self.filters.classes(remove="open")).classes("phone-only")
        if catalogue is None:
            return
        for kind, title in _KINDS.items():
            some = [label for label in catalogue.labels.values() if label.kind == kind]
            if some:
                self._choice(t(title), kind, sorted(some, key=lambda label: -label.count))
        with ui.element("div").classes("pair"):
            for name, title in (("shortest", t("Length from")), ("longest", t("to"))):
                self._length(name, title)
        orders = {"order": t("As they were read"), "length": t("Length"), **{name: name for name in catalogue.scores}}
        sort = ui.select(orders, label=t("Order"), value=query.sort if query.sort in orders else "order")
        sort.props("outlined dense").on_value_change(lambda e: self.go(replace(self.address.query, sort=e.value)))
        down = ui.checkbox(t("The other way round"), value=query.down)
        down.on_value_change(lambda e: self.go(replace(self.address.query, down=e.value)))

    def _choice(self, title: str, kind: str, labels: list[Label]) -> None:
        chosen = [label.name for label in labels if label.name in self.address.query.labels]
        options = {label.name: f"{said(label)}  {label.count:,}" for label in labels}

        async def changed(event: Any) -> None:
            others = tuple(name for name in self.address.query.labels if not name.startswith(f"{kind}:"))
            await self.go(replace(self.address.query, labels=(*others, *event.value)))

        choice = ui.select(options, label=title, value=chosen, multiple=True, with_input=len(labels) > 12)
        choice.props("outlined dense use-chips options-dense").on_value_change(changed)

    def _length(self, name: str, title: str) -> None:
        async def changed(event: Any) -> None:
            query = self.address.query
            low, high = (int(event.value or 0) if name == one else old for one, old in _lengths(query).items())
            await self.go(replace(query, shortest=low, longest=high))

        field = ui.number(
            title, value=_lengths(self.address.query)[name] or None, min=0, precision=0, on_change=changed
        )
        field.props("outlined dense debounce=400")

    def _records(self, found: Records) -> None:
        self.links, self.ids, self.at = [], [one.id for one in found.found], -1
        if not found.total:
            hint = t("Fewer filters, or a shorter piece of the text, find more.")
            with empty(t("No record answers to this"), hint, icon="search_off"):
                self.filter_link(t("Show all records"), ()).classes("quiet button")
            return
        with ui.element("div").classes("bar"):
            words("h2", t("{count} records", count=f"{found.total:,}"))
            self._pager(found)
        with named(ui.element("ol").classes("found"), t("Records")):
            for one in found.found:
                with ui.element("li"):
                    self._record(one)
        if len(found.found) > 10:
            with ui.element("div").classes("bar"):
                ui.space()
                self._pager(found)

    def _pager(self, found: Records) -> None:
        with ui.element("div").classes("pager"):
            for icon, name, number in (
                ("chevron_left", t("Page before"), found.number - 1),
                ("chevron_right", t("Next page"), found.number + 1),
            ):
                button = icon_button(icon, name, lambda number=number: self.go(number=number))
                button.set_enabled(0 < number <= found.pages)
                if icon == "chevron_left":
                    words("span", t("page {number} of {pages}", number=f"{found.number:,}", pages=f"{found.pages:,}"))

    def _record(self, one: Found) -> None:
        link = self.record_link("", one.id).classes("record")
        self.links.append(link)
        with link:
            with words("p", "", "text"):
                data_life.marked(one.text, one.marks)
            with ui.element("div").classes("meta"):
                ended = one.fate.action if one.fate.action in data_life.ENDS else "went"
                words("span", data_life.fate(one.fate), "chip", ended)
                words("span", f"{one.uri}:{one.row}" if one.row else one.uri, "place")
                words("span", t("{count} characters", count=f"{one.chars:,}"))
                if one.score is not None:
                    words("span", f"{self.address.query.sort} {one.score:.4g}")

    def _tell(self) -> None:
        """Say how far the reading of the run is, where it is not done."""
        progress, said = self.browser.progress(), ""
        if self.browser.failed:
            said = t("The run could not be read; what went wrong stands where the server was started.")
        elif progress and progress.what == "index" and self.catalogue:
            share = f"{progress.done / max(1, progress.total):.0%}"
            said = t("{share} of the texts are indexed; until then a search takes longer", share=share)
        elif progress:
            said = t("Reading the run: {what}", what=_doing(progress.what))
            said += f" {progress.done / progress.total:.0%}" if progress.total else ""
        self.timer.interval = 0.5 if progress or self.catalogue is None else 3.0
        if said == (self.said if self.state.default_slot.children else ""):
            return
        self.said = said
        self.state.clear()
        with self.state:
            if said:
                words("span", said)
            if self.browser.failed:
                ui.button(t("Try again"), on_click=lambda: aside(self.browser.retry), color=None).classes("quiet")

    said = ""

    async def _pressed(self, event: KeyEventArguments) -> None:
        if not event.action.keydown or event.modifiers.ctrl or event.modifiers.alt or event.modifiers.meta:
            return
        if event.key == "Escape":
            self.filters.classes(remove="open")
            await self.go(id="")
        elif event.key in ("j", "k"):
            async with self.drawing:  # the next record is one of those that were asked for last
                pass
            if not self.links:
                return
            self.at = min(max(self.at + (1 if event.key == "j" else -1), 0), len(self.links) - 1)
            link = self.links[self.at]
            ui.run_javascript(f"document.getElementById('{link.html_id}').focus()")
            if self.address.id:
                await self.go(id=self.ids[self.at])


def _lengths(query: Query) -> dict[str, int]:
    return {"shortest": query.shortest, "longest": query.longest}


def _whole(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def _doing(what: str) -> str:
    known: Mapping[str, str] = {"ids": t("who is in it"), "ledger": t("the ledger"), "texts": t("the texts")}
    return known.get(what, "…")


def said(label: Label) -> str:
    """Say a label in words."""
    pieces = label.value.split("/", 2)
    if label.kind == "fate" and len(pieces) > 2:
        return f"{t(pieces[2])} · {pieces[1]}"
    if label.kind == "fate":
        return data_life.ENDS[label.value]()
    if label.kind == "did" and len(pieces) > 2:
        return f"{t(pieces[2])} · {pieces[1]}"
    return t(label.value) if label.kind in ("stage", "role") else label.value


async def _draw(studio: Studio) -> None:
    if not await aside(browser(studio.run).funnel):
        with empty(t("There is nothing to look at yet"), t("The records stand here when the first stage has run.")):
            words("code", f"weitiao run {studio.file.name}")
        return
    view = _View(browser(studio.run), Address.read(ui.context.client.request.url.query))
    await view.look()


_KEYS = (
    ("j", "Next record"),
    ("k", "Record before"),
    ("Enter", "Open the record"),
    ("/", "Search"),
)
PAGE = Page(_PATH, "Data", "table_rows", _draw, keys=_KEYS, wide=True)
