"""The Compare page: the report of the run, live, in a frame that can reach nothing around it, and blind voting."""

import re
from pathlib import Path

from fastapi import FastAPI
from nicegui import ui
from starlette.responses import HTMLResponse, Response

from weitiao.compare.votes import Box, export
from weitiao.studio.nothing_yet import nothing_yet
from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import named, words
from weitiao.studio.visitor import visitor
from weitiao.studio.vote import KEYS, VOTES, Voting, ballot_of
from weitiao.talk import language, t

_REPORT = "/report"
_LOOK = 2.0  # seconds between looks for a new report
# The page names the hashes of its own style and script; here it is told once more, where markup cannot lift it.
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')
_LANGUAGE = re.compile(r'(<html[^>]* data-lang=")\w+')
_CHOICE = re.compile(r'(<button type="button" value="(zh|en)"[^>]* aria-pressed=")\w+')
_FRAME = "sandbox allow-scripts; frame-ancestors 'self'"


class _View:
    """The page as one visitor has it: the report, or the voting."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.voting = Voting(studio, studio.memories.of(visitor.get().id), self.read)
        self._stamp = 0

    async def draw(self) -> None:
        """Draw the page; who has begun to vote goes on with it."""
        with named(ui.element("div").classes("switch").props("role=group"), t("What is shown")):
            self._buttons = [
                ui.button(t(name), on_click=opened, color=None).props("flat no-caps dense").classes("tab")
                for name, opened in (("The report", self._asked_for), ("Vote blind", self.vote))
            ]
        with ui.element("p").classes("note hint") as self._hint:
            words("span", t("The report names the sides: who means to vote does it before reading."))
        self._report = ui.element("iframe").classes("report").props("sandbox=allow-scripts")
        self._report.props["title"] = t("The report")
        self.voting.draw()
        self._warn()
        ui.timer(_LOOK, self._look)
        await (self.vote() if await self.voting.begun() else self.read())

    async def read(self) -> None:
        """Show the report."""
        self.voting.hide()
        self._hint.visible = await self.voting.due()
        self._press(0)
        self._load()

    async def vote(self) -> None:
        """Show the voting."""
        self._hint.visible = False
        self._press(1)
        self._report.props.pop("src", None)
        await self.voting.show()

    async def _asked_for(self) -> None:
        if await self.voting.begun():
            self._dialog.open()
        else:
            await self.read()

    def _warn(self) -> None:
        """Ask before the report is opened in mid-vote."""

        async def anyway() -> None:
            self._dialog.close()
            await self.read()

        with ui.dialog() as self._dialog, ui.card().classes("keys"):
            words("h2", t("The report names the sides"))
            words("p", t("You have not voted on all pairs yet. Votes after this are no longer blind."))
            with ui.element("div").classes("ends"):
                go_on = ui.button(t("Go on voting"), on_click=self._dialog.close, color=None)
                go_on.props("flat no-caps autofocus").classes("firm")
                ui.button(t("Read the report"), on_click=anyway, color=None).props("flat no-caps").classes("quiet")
        named(self._dialog, t("The report names the sides"))

    def _press(self, chosen: int) -> None:
        self._report.visible = chosen == 0
        for number, button in enumerate(self._buttons):
            button.props["aria-pressed"] = str(number == chosen).lower()

    def _load(self) -> None:
        report = _file(self.studio)
        self._stamp = report.stat().st_mtime_ns if report.is_file() else 0
        self._report.props["src"] = f"{_REPORT}?language={language()}&made={self._stamp}"

    def _look(self) -> None:
        """Load the report anew where it is another."""
        report = _file(self.studio)
        if self._report.visible and report.is_file() and report.stat().st_mtime_ns != self._stamp:
            self._load()


async def _draw(studio: Studio) -> None:
    if _file(studio).is_file():
        await _View(studio).draw()
        return
    hint = t("The report stands here when the stage `compare` has run.")
    nothing_yet(studio, "compare", t("Nothing is compared yet"), hint, "balance")
    ui.timer(_LOOK, lambda: ui.navigate.reload() if _file(studio).is_file() else None)


def put_report(app: FastAPI, studio: Studio) -> None:
    """Serve the report of the run, and the votes on it."""

    @app.get(VOTES)
    def voted() -> Response:
        ballot, box = ballot_of(studio), Box(studio.run)
        headers = {"Content-Disposition": f'attachment; filename="{Path(VOTES).name}"', "Cache-Control": "no-cache"}
        told = export(ballot.rows.values() if ballot else (), box.votes())
        return Response(told, media_type="application/x-ndjson", headers=headers)

    @app.get(_REPORT)
    async def report() -> Response:
        path = _file(studio)
        if not path.is_file():
            return HTMLResponse(t("Nothing is compared yet"), 404)
        text = path.read_text(encoding="utf-8")
        found = _POLICY.search(text)
        policy = "; ".join((found[1] if found else "default-src 'none'", _FRAME))
        text = _LANGUAGE.sub(rf"\g<1>{language()}", text, count=1)
        text = _CHOICE.sub(lambda button: f"{button[1]}{str(button[2] == language()).lower()}", text)
        headers = {"Content-Security-Policy": policy, "X-Frame-Options": "SAMEORIGIN", "Cache-Control": "no-cache"}
        return HTMLResponse(text, headers=headers)


def _file(studio: Studio) -> Path:
    return studio.run / "compare" / "report.html"


PAGE = Page("/compare", "Compare", "balance", _draw, keys=KEYS, wide=True)
