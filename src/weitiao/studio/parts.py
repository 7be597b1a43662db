"""Small parts that pages are drawn with: words in any tag, buttons with a name, and what stands in for content."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from nicegui import ui
from nicegui.elements.mixins.text_element import TextElement

from weitiao.errors import UserError
from weitiao.serve.refusal import Refusal
from weitiao.talk import t


def words(tag: str, text: str, *classes: str) -> TextElement:
    """Draw plain text in a tag, whoever wrote it: nothing in it is taken for markup."""
    return TextElement(tag=tag, text=text).classes(" ".join(classes))


def told(tag: str, text: str, *classes: str) -> TextElement:
    """Draw a text of ours in a tag; what stands between backticks is drawn as code."""
    with words(tag, "", *classes) as element:
        for place, piece in enumerate(text.split("`")):
            if piece:
                words("code" if place % 2 else "span", piece)
    return element


def plain(text: str) -> str:
    """Return a text without its backticks, for where there is nothing but letters."""
    return text.replace("`", "")


def named(element: ui.element, name: str) -> ui.element:
    """Name an element for those who hear the page."""
    element.props["aria-label"] = name
    return element


def icon_button(icon: str, name: str, on_click: Callable[..., Any] | None = None) -> ui.button:
    """Draw a button that shows an icon alone; its name is heard, and seen when it is pointed at."""
    button = ui.button(icon=icon, on_click=on_click, color=None).props("flat round dense").classes("icon")
    named(button, name).props["title"] = name
    return button


@contextmanager
def empty(title: str, hint: str, *, icon: str = "inbox") -> Iterator[None]:
    """Say that there is nothing yet, and what to do about it; a button may be drawn inside."""
    with ui.element("section").classes("state"):
        ui.icon(icon).props("aria-hidden=true")
        words("h2", title)
        told("p", hint)
        yield


@contextmanager
def waiting(what: str) -> Iterator[None]:
    """Say what is waited for while the block runs."""
    with ui.element("section").classes("state").props("role=status") as section:
        ui.spinner(size="28px", color=None).props("aria-hidden=true")
        words("p", what)
    try:
        yield
    finally:
        section.delete()


def wrong(error: UserError | Refusal) -> None:
    """Say what went wrong, and what to do about it."""
    with ui.element("section").classes("state wrong").props("role=alert"):
        ui.icon("error_outline").props("aria-hidden=true")
        told("p", error.message, "lead")
        if isinstance(error, UserError) and error.hint:
            told("p", t("hint: {hint}", hint=error.hint))


def refused(do: Callable[[], Any]) -> bool:
    """Do something for who pressed a button; where it is refused, say so in a notice, and return true."""
    try:
        do()
    except UserError as error:
        notice(error)
        return True
    return False


def notice(error: Exception) -> None:
    """Say in a notice that something that was pressed did not work; what is no mistake of the user is a bug."""
    known = isinstance(error, (UserError, Refusal))
    said = plain(str(error)) if known else t("That did not work: the server has a bug")
    ui.notify(said, type="negative", close_button=t("Close"), multi_line=True)


@contextmanager
def folded(title: str) -> Iterator[None]:
    """Draw what most people need not see, behind its title."""
    with ui.element("details").classes("folded"):
        words("summary", title)
        with ui.element("div").classes("fields"):
            yield
