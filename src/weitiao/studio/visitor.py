"""Who looks at a page: the language and the colours that they read in, and a name by which to know them again."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from weitiao.talk import LANGUAGES, language, t

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
LANGUAGE_COOKIE, THEME_COOKIE, VISITOR_COOKIE = "weitiao_language", "weitiao_theme", "weitiao_visitor"
_YEAR = 365 * 86400
_ID = re.compile(r"[\w-]{32}", re.ASCII)


@dataclass(frozen=True)
class Visitor:
    """What a browser asks for."""

    language: str
    theme: Theme
    id: str
    fresh: bool  # the browser does not know the id yet

    @property
    def dark(self) -> bool | None:
        """Whether the page is dark; None as the browser likes it."""
        return {"light": False, "dark": True}.get(self.theme)


visitor: ContextVar[Visitor] = ContextVar("visitor")


def other_language() -> tuple[str, str]:
    """Return the language that is offered, and what it calls itself."""
    return ("en", "English") if visitor.get().language == "zh" else ("zh", "中文")


def theme_name(theme: Theme) -> str:
    """Say how a page is coloured."""
    names = {"auto": t("Colours as the system has them"), "light": t("Light colours"), "dark": t("Dark colours")}
    return names[theme]


def next_theme(theme: Theme) -> Theme:
    """Return the way to colour a page that is offered next."""
    return THEMES[(THEMES.index(theme) + 1) % len(THEMES)]


def chosen(name: str, value: str) -> str:
    """Return the cookie by which a choice is known again, as a script sets it."""
    return f"{name}={value}; path=/; max-age={_YEAR}; samesite=strict"


def read(headers: Headers) -> Visitor:
    """Return what the cookies say, else the browser's languages, else the language of the server."""
    cookies = cookie_parser(headers.get("cookie", ""))
    theme: Theme = next((name for name in THEMES if name == cookies.get(THEME_COOKIE)), "auto")
    asked = cookies.get(LANGUAGE_COOKIE, "")
    spoken = asked if asked in LANGUAGES else _liked(headers.get("accept-language", ""))
    known = cookies.get(VISITOR_COOKIE, "")
    fresh = not _ID.fullmatch(known)
    return Visitor(spoken, theme, secrets.token_urlsafe(24) if fresh else known, fresh)


def _liked(languages: str) -> str:
    """Return the first language that we speak; browsers name those they like most first."""
    for part in languages.split(","):
        if (name := part.strip()[:2].lower()) in LANGUAGES:
            return name
    return language()
