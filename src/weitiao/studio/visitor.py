"""Who looks at a page: the language and the colours that they read in, and a name by which to know them again."""

import re
import secrets
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from weitiao.talk import LANGUAGES, language

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
LANGUAGE_COOKIE, THEME_COOKIE, VISITOR_COOKIE = "weitiao_language", "weitiao_theme", "weitiao_visitor"
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


def read(headers: Headers) -> Visitor:
    """Return what the cookies say, else the browser's languages, else the language of the server."""
    cookies = cookie_parser(headers.get("cookie", ""))
    theme: Theme = next((name for name in THEMES if name == cookies.get(THEME_COOKIE)), "auto")
    chosen = cookies.get(LANGUAGE_COOKIE, "")
    spoken = chosen if chosen in LANGUAGES else _liked(headers.get("accept-language", ""))
    known = cookies.get(VISITOR_COOKIE, "")
    fresh = not _ID.fullmatch(known)
    return Visitor(spoken, theme, secrets.token_urlsafe(24) if fresh else known, fresh)


def _liked(languages: str) -> str:
    """Return the first language that we speak; browsers name those they like most first."""
    for part in languages.split(","):
        if (name := part.strip()[:2].lower()) in LANGUAGES:
            return name
    return language()
