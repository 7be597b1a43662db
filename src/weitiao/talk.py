"""What the program says, in the language of the user: English in the code, other languages in `locale/`."""

import json
import locale
import os
import re
from contextvars import ContextVar
from functools import cache
from pathlib import Path

LANGUAGES = ("en", "zh")

# A count and what is counted, in an English text, where no verb follows that would have to change too.
_COUNTED = re.compile(
    r"\{(\w+)\} (exact duplicate|reference answer|decision|record|row|answer|call|token|step|question|post|pack|famil)"
    r"(ies|s)\b(?! (?:have|hold|are|were|do)\b)"
)

_language: ContextVar[str] = ContextVar("language", default="en")


def t(message: str, /, **values: object) -> str:
    """Give `message` in the language in force, with `{name}` fields filled from `values`.

    The English text is the key. A missing translation falls back to English; a test holds the catalogues complete.
    """
    return translate(_language.get(), message, **values)


def translate(language: str, message: str, /, **values: object) -> str:
    """Give `message` in `language`, whatever language is in force: a report speaks both."""
    text = _catalogue(language).get(message, message)
    if text is message:
        text = _COUNTED.sub(lambda found: _one(found) if str(values.get(found[1])) == "1" else found[0], text)
    return text.format(**values) if values else text


def problem_of(error: OSError) -> str:
    """Give what the system says of a file or an address, in the language in force."""
    return t(error.strerror or str(error))


def _one(found: re.Match[str]) -> str:
    """Return a counted noun as there is one of it."""
    return found[0].removesuffix(found[3]) + ("y" if found[3] == "ies" else "")


def escaped(name: str) -> str:
    """Return the name of a file as it can be said: its bytes that are no UTF-8 as `\\xc4`."""
    return name if name.isascii() else name.encode(errors="surrogateescape").decode(errors="backslashreplace")


def language() -> str:
    """Return the language in force, `en` or `zh`."""
    return _language.get()


def set_language(name: str | None) -> None:
    """Talk `name`; None takes it from the locale of the environment."""
    _language.set(name or _from_locale())


def _from_locale() -> str:
    for variable in ("LC_ALL", "LC_MESSAGES", "LANG"):
        if value := os.environ.get(variable):
            return "zh" if value.lower().startswith("zh") else "en"
    return "zh" if (locale.getlocale()[0] or "").lower().startswith(("zh", "chinese")) else "en"


@cache
def _catalogue(name: str) -> dict[str, str]:
    """Read all catalogues of a language: `locale/NAME/*.json`, English text to its translation."""
    texts: dict[str, str] = {}
    for path in sorted((Path(__file__).parent / "locale" / name).glob("*.json")):
        texts |= json.loads(path.read_text(encoding="utf-8"))
    return texts
