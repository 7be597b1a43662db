"""What stands around each page: the menu, the language, the colours, the keys, and the way past all that."""

import inspect
from collections.abc import Sequence

from nicegui import ui
from nicegui.events import KeyEventArguments

from weitiao.errors import UserError
from weitiao.serve.refusal import Refusal
from weitiao.studio.login import LOGOUT
from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import icon_button, named, notice, words, wrong
from weitiao.studio.visitor import (
    LANGUAGE_COOKIE,
    THEME_COOKIE,
    chosen,
    next_theme,
    other_language,
    theme_name,
    visitor,
)
from weitiao.talk import t

_ICONS = {"auto": "brightness_auto", "light": "light_mode", "dark": "dark_mode"}


async def draw(studio: Studio, page: Page, pages: Sequence[Page]) -> None:
    """Draw a page in its frame."""
    content = ui.context.client.content
    content.classes("wide" if page.wide else "narrow")
    named(content, t(page.title))
    with ui.left_drawer(value=False).props("behavior=mobile overlay width=240").classes("drawer") as drawer:
        _menu(page, pages, t("Pages"))
    with ui.header(add_scroll_padding=True).classes("top"):
        icon_button("menu", t("Menu"), drawer.toggle).classes("narrow-only")
        words("strong", studio.recipe.title, "project")
        with ui.element("div").classes("wide-only menu"):
            _menu(page, pages, t("Pages"))
        ui.space()
        help_ = _help(page)
        icon_button("keyboard", t("Keys (?)"), help_.open).classes("wide-only")
        _theme()
        _language()
        if studio.needs_token:
            _logout()
    ui.skip_link(t("Skip to the content"), target=content)
    words("h1", t(page.title), "unseen")
    ui.on_exception(notice)
    try:
        drawn = page.draw(studio)
        if inspect.isawaitable(drawn):
            await drawn
    except (UserError, Refusal) as error:
        wrong(error)


def _menu(here: Page, pages: Sequence[Page], name: str) -> None:
    with named(ui.element("nav"), name):
        for page in pages:
            link = ui.link(target=page.path)
            with link:
                ui.icon(page.icon).props("aria-hidden=true")
                words("span", t(page.title))
            if page is here:
                link.props["aria-current"] = "page"


def _language() -> None:
    """Offer the other language; the page is then drawn anew."""
    other, title = other_language()
    name, tag = {"en": ("EN", "en"), "zh": ("中文", "zh-CN")}[other]
    switch = ui.button(name, color=None).props(f"flat dense no-caps lang={tag}").classes("icon")
    switch.props["title"] = title
    cookie = chosen(LANGUAGE_COOKIE, other)
    switch.on("click", js_handler=f"() => {{ document.cookie = '{cookie}'; location.reload() }}")


def _theme() -> None:
    """Offer the next of the three ways to colour the page."""
    dark = ui.dark_mode(visitor.get().dark)
    now = visitor.get().theme

    def turn() -> None:
        nonlocal now
        now = next_theme(now)
        dark.value = {"light": False, "dark": True}.get(now)
        show()
        ui.run_javascript(f"document.cookie = '{chosen(THEME_COOKIE, now)}'")

    def show() -> None:
        button.icon = _ICONS[now]
        named(button, theme_name(now)).props["title"] = theme_name(now)

    button = icon_button(_ICONS[now], theme_name(now), turn)


def _logout() -> None:
    with ui.element("form").props(f"method=post action={LOGOUT}"):
        icon_button("logout", t("Log out")).props("type=submit")


def _help(page: Page) -> ui.dialog:
    """Return the list of keys, which `?` opens too."""
    with ui.dialog() as dialog, ui.card().classes("keys"):
        words("h2", t("Keys"))
        with ui.element("dl"):
            for key, what in (("?", "Show these keys"), ("Esc", "Close what is open"), *page.keys):
                with ui.element("dt"):
                    for part in key.split("+"):
                        words("kbd", part)
                words("dd", t(what))
        ui.button(t("Close"), on_click=dialog.close, color=None).props("flat no-caps autofocus").classes("quiet")
    named(dialog, t("Keys"))

    def pressed(event: KeyEventArguments) -> None:
        if event.key == "?" and event.action.keydown and not event.modifiers.ctrl:
            dialog.open()

    ui.keyboard(pressed, repeating=False, ignore=["input", "select", "textarea"])
    return dialog
