"""Who looks at a page: the language and the colours that they read in."""

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Literal, get_args

from starlette.datastructures import Headers
from starlette.requests import cookie_parser

from weitiao.talk import LANGUAGES, language

Theme = Literal["auto", "light", "dark"]
THEMES: tuple[Theme, ...] = get_args(Theme)
LANGUAGE_COOKIE, THEME_COOKIE = "weitiao_language", "weitiao_theme"


@dataclass(frozen=True)
class Visitor:
    """What a browser asks for."""

    language: str
    theme: Theme

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
    return Visitor(chosen if chosen in LANGUAGES else _liked(headers.get("accept-language", "")), theme)


def _liked(languages: str) -> str:
    """Return the first language that we speak; browsers name those they like most first."""
    for part in languages.split(","):
        if (name := part.strip()[:2].lower()) in LANGUAGES:
            return name
    return language()
