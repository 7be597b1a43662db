"""The Compare page: the report of the run, live, in a frame of its own that can reach nothing around it."""

import re
from pathlib import Path

from fastapi import FastAPI
from nicegui import ui
from starlette.responses import HTMLResponse, Response

from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import empty, words
from weitiao.talk import language, t

_REPORT = "/report"
# The page names the hashes of its own style and script; here it is told once more, where markup cannot lift it.
_POLICY = re.compile(r'<meta http-equiv="Content-Security-Policy" content="([^"]+)">')
_LANGUAGE = re.compile(r'(<html[^>]* data-lang=")\w+')
_CHOICE = re.compile(r'(<button type="button" value="(zh|en)"[^>]* aria-pressed=")\w+')
_FRAME = "sandbox allow-scripts; frame-ancestors 'self'"


def _draw(studio: Studio) -> None:
    report = _file(studio)
    if not report.is_file():
        with empty(
            t("Nothing is compared yet"),
            t("The report stands here when the stage `compare` has run."),
            icon="balance",
        ):
            words("code", f"weitiao run {studio.recipe.project.name}.yaml")
        return
    stamp = report.stat().st_mtime_ns
    frame = ui.element("iframe").classes("report").props("sandbox=allow-scripts")
    frame.props["src"] = f"{_REPORT}?language={language()}&made={stamp}"
    frame.props["title"] = t("The report")

    def look() -> None:
        nonlocal stamp
        if report.is_file() and (now := report.stat().st_mtime_ns) != stamp:
            stamp = now
            frame.props["src"] = f"{_REPORT}?language={language()}&made={stamp}"

    ui.timer(2.0, look)


def put_report(app: FastAPI, studio: Studio) -> None:
    """Serve the report of the run."""

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


PAGE = Page("/compare", "Compare", "balance", _draw, wide=True)
