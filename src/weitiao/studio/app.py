"""Puts the studio's pages beside the API, on the same application."""

import logging
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Literal

from fastapi import FastAPI
from nicegui import app as pages_app
from nicegui import ui
from starlette.middleware.gzip import GZipMiddleware
from starlette.responses import RedirectResponse, Response

from weitiao.errors import UserError
from weitiao.recipe import Recipe
from weitiao.serve.door import LOOPBACK, App
from weitiao.serve.refusal import Refusal
from weitiao.serve.run import Address, Pages
from weitiao.studio import compare, frame
from weitiao.studio.gate import Gate
from weitiao.studio.nothing_yet import nothing_yet
from weitiao.studio.page import Page, Studio
from weitiao.studio.pages import PAGES
from weitiao.studio.parts import empty, words
from weitiao.studio.reviewers import Reviewers
from weitiao.studio.runner import Runner
from weitiao.studio.visitor import visitor
from weitiao.talk import t

_STYLE = "/studio.css"
_FAVICON = (
    '<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 32 32"><rect width="32" height="32" rx="7" fill="#176574"/>'
    '<path d="M7 11l4 11 5-12 5 12 4-11" fill="none" stroke="#fff" stroke-width="2.6" stroke-linejoin="round"/></svg>'
)


def _nowhere(studio: Studio) -> None:
    ui.context.client.status_code = 404
    with empty(t("There is no such page"), t("The menu has all that there are."), icon="explore_off"):
        pass


def _broken(error: Exception) -> None:
    """Say that a page could not be drawn; the traceback stands in the terminal."""
    with empty(t("This page has a bug"), t("What it is stands where the server was started."), icon="bug_report"):
        words("code", type(error).__name__)


def _is_bug(said: logging.LogRecord) -> bool:
    """Tell whether a line of the log is worth the terminal: what a visitor got wrong is told to them alone."""
    return not (said.exc_info and isinstance(said.exc_info[1], (UserError, Refusal)))


def _lacking(page: Page) -> Page:
    """Return what stands in the place of a page whose stage was not in the recipe when the studio was started."""

    def draw(studio: Studio) -> None:
        hint = t("It is there when the studio is started anew.")
        nothing_yet(studio, page.needs, t("This page is not there yet"), hint, page.icon, "serve")

    return replace(page, draw=draw, keys=())


_NOWHERE = Page("/{rest:path}", "No such page", "explore_off", _nowhere)


class _Route(ui.page):
    """A page whose title, language and colours are the visitor's."""

    def __init__(self, page: Page, studio: Studio, menu: Sequence[Page]) -> None:
        super().__init__(page.path, response_timeout=20)
        self._page, self._studio = page, studio

        async def drawn() -> None:
            await frame.draw(studio, page, menu)

        self(drawn)

    def resolve_title(self) -> str:
        return f"{t(self._page.title)} · {self._studio.recipe.title}"

    def resolve_language(self) -> Literal["en-US", "zh-CN"]:
        return "zh-CN" if visitor.get().language == "zh" else "en-US"

    def resolve_dark(self) -> bool | None:
        return visitor.get().dark


def pages(recipe: Recipe, file: Path, run: Path, address: Address) -> Pages:
    """Return what puts the pages of a recipe beside the API; `run` is the folder of its run."""
    reviewers = Reviewers(recipe, run) if "review" in recipe.sections else None
    runner = Runner(file, run)
    return lambda app, desk: _put(app, Studio(recipe, file, run, desk, runner, bool(address.token), reviewers), address)


def _put(app: FastAPI, studio: Studio, address: Address) -> App:
    menu = [page for page in PAGES if not page.needs or page.needs in studio.recipe.sections]
    for page in (*menu, *(_lacking(page) for page in PAGES if page not in menu), _NOWHERE):
        _Route(page, studio, menu)
    pages_app.on_page_exception(_broken)
    style = resources.files("weitiao.studio").joinpath("studio.css").read_bytes()

    @app.get("/")
    async def first() -> Response:
        return RedirectResponse(menu[0].path, 303)

    @app.get(_STYLE)
    async def styled() -> Response:
        return Response(style, media_type="text/css", headers={"Cache-Control": "no-cache"})

    @app.get("/favicon.ico")  # browsers ask for it beside what is no page: the report, the votes
    async def marked() -> Response:
        return Response(_FAVICON, media_type="image/svg+xml")

    compare.put_report(app, studio)
    ui.add_head_html(f'<link rel="stylesheet" href="{_STYLE}">', shared=True)
    logging.getLogger("nicegui").setLevel(logging.ERROR)  # a page that is not there is the visitor's affair
    logging.getLogger("nicegui").addFilter(_is_bug)
    pages_app.config.socket_io_js_transports[:] = ["websocket"]
    pages_app.colors(primary="#176574", dark="#1c1f23", dark_page="#15171a")
    alone = app.router.lifespan_context
    ui.run_with(
        app,
        title="weitiao",
        favicon=_FAVICON,
        dark=None,
        tailwind=False,
        binding_refresh_interval=None,
        show_welcome_message=False,
        gzip_middleware_factory=None,
    )

    @asynccontextmanager
    async def together(app: FastAPI) -> AsyncIterator[None]:
        async with pages_app.router.lifespan_context(pages_app), alone(app):
            yield

    # What `run_with` has put here looks for the server among all objects there are, and wakes up warnings of torch.
    app.router.lifespan_context = together
    return GZipMiddleware(Gate(app, token=address.token, hosts={*LOOPBACK, address.host}, reviewers=studio.reviewers))
