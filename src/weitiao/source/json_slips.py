"""Why a text is not JSON: the usual slips by name, any other by its place."""

import json
import re
from typing import Any

from weitiao.formats import Problem
from weitiao.source import text

SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")

# What Python's reader says -> what we say, and the mend. `{at}` is the character in its line.
_SLIPS = (
    (
        "Invalid control character",
        "a bare line break or control character in a text, character {at}",
        "Write \\n or \\t",
    ),
    ("Invalid \\", "a wrong backslash escape at character {at}", "Write \\\\ for a backslash"),
    ("Extra data", "more text after the end, at character {at}", "A row is one line, an array one file"),
    ("Expecting ','", "a comma, quote or bracket is missing before character {at}", "Put it in"),
    ("", "`{here}` cannot stand at character {at}", "Mend it there"),
)


class NotANumber(ValueError):
    """NaN or Infinity, which Python takes for JSON."""


def _constant(word: str) -> Any:
    raise NotANumber(word)


decoder = json.JSONDecoder(parse_constant=_constant)


def exactly(line: bytes | str) -> Any:
    """Return a JSON value with whole numbers of any size; raises ValueError or RecursionError."""
    decoded = line.decode() if isinstance(line, bytes) else line
    try:
        return decoder.decode(decoded)
    except (json.JSONDecodeError, NotANumber):
        raise
    except ValueError:  # a whole number of more than 4,300 digits, which Python does not convert
        return json.loads(decoded, parse_int=float)


def flat(value: object) -> str:
    """Return a value as JSON in one line, its characters as they are."""
    return json.dumps(value, ensure_ascii=False, default=str)


def explain(line: bytes, ended: bool = True) -> Problem | None:
    """Return why a text is not JSON; None if it is. A line not `ended` by a newline may be cut off."""
    try:
        decoded = line.decode()
    except UnicodeDecodeError as error:
        return text.not_text(error.start, line[error.start], "utf-8")
    try:
        value = exactly(decoded)
        return text.undecoded(flat(value), "utf-8") if SURROGATE.search(decoded) else None
    except RecursionError:
        return too_deep()
    except json.JSONDecodeError as error:
        return name(decoded, error, ended)
    except NotANumber as error:
        return not_a_number(error)


def name(decoded: str, error: json.JSONDecodeError, ended: bool = True) -> Problem:
    """Return what stands where JSON ends."""
    if error.msg.startswith("Illegal trailing comma"):  # Python 3.13 points at the comma, earlier ones behind it
        behind = decoded[error.pos + 1 :]
        error = json.JSONDecodeError(error.msg, decoded, error.pos + 1 + len(behind) - len(behind.lstrip()))
    here, before = decoded[error.pos : error.pos + 1], decoded[: error.pos].rstrip()[-1:]
    shown = here if here.isprintable() else f"U+{ord(here):04X}"
    values: dict[str, str | int] = {"at": error.colno, "line": error.lineno, "here": shown}

    def slip(message: str, mend: str) -> Problem:
        return Problem("not JSON", message, mend, values=values)

    unclosed = here == "" or error.msg.startswith("Unterminated")
    if "\0" in decoded:
        return Problem(
            "NUL byte", "a NUL byte at character {at}", "Take it out", values={"at": decoded.index("\0") + 1}
        )
    if unclosed and not ended:
        return slip("the line breaks off: the file was not written to its end", "Get the file again")
    if unclosed:
        return slip("it ends before it is closed", "Close the quote or bracket, or get the file again if it broke off")
    if here == "'":
        return slip("single quotes at character {at}", 'JSON has double quotes: "')
    if before == "," and here in "]}":
        return slip("a comma too many before character {at}", "Take it out")
    return next(slip(message, mend) for said, message, mend in _SLIPS if error.msg.startswith(said))


def not_a_number(error: ValueError) -> Problem:
    """Return the problem of a word that is a number to Python alone."""
    return Problem("not JSON", "{word} is not JSON", "Write null or a number", values={"word": str(error)})


def too_deep() -> Problem:
    """Return the problem of brackets that no parser follows."""
    return Problem("nested too deep", "brackets are nested too deep to be data", "Take the row out")
