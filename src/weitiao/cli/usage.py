"""What typer says of a wrong command line, in the language of the user: its English texts are the keys."""

import re

from weitiao.talk import t

# The `{fields}` of a text are what typer fills in; `{what}` is again one of these texts.
TEXTS = (
    "Missing argument '{name}'.",
    "Missing option '{name}'.",
    "Missing command.",
    "No such command '{name}'. Did you mean {names}?",
    "No such command '{name}'.",
    "No such option: {name} (Possible options: {names})",
    "No such option: {name}",
    "Option '{name}' requires an argument.",
    "Option '{name}' requires {count} arguments.",
    "Option '{name}' does not take a value.",
    "Got unexpected extra argument(s) ({names})",
    "Invalid value for {name}: {what}",
    "Invalid value: {what}",
    "Input should be a valid integer, unable to parse string as an integer",
    "Input should be a valid number, unable to parse string as a number",
    "Input should be less than or equal to {number}",
    "Input should be greater than or equal to {number}",
    "Value error, '{value}' is not one of {names}.",
)
_PATTERNS = tuple((text, re.compile(re.sub(r"\\\{(\w+)\\\}", r"(?P<\1>.+?)", re.escape(text)))) for text in TEXTS)


def told(message: str) -> str:
    """Return the message in the language in force; one that is not known here stays as it is."""
    for text, pattern in _PATTERNS:
        if found := pattern.fullmatch(message):
            values = found.groupdict()
            return t(text, **(values | ({"what": told(values["what"])} if "what" in values else {})))
    return message
