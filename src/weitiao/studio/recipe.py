"""The Recipe page: its settings as a form, its text beside it, what would run again, and the run itself."""

import asyncio
from collections.abc import Callable
from functools import partial

from nicegui import background_tasks, ui
from nicegui.elements.mixins.text_element import TextElement
from nicegui.events import KeyEventArguments, ValueChangeEventArguments

from weitiao import pipeline
from weitiao.errors import UserError
from weitiao.pipeline import SETTINGS, Outlook
from weitiao.recipe import Project, Recipe, SettingError, plain_value
from weitiao.studio import yaml_text
from weitiao.studio.aside import aside
from weitiao.studio.draft import Draft
from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import icon_button, named, plain, refused, told, words
from weitiao.studio.recipe_form import Form
from weitiao.studio.run_panel import RunPanel, unsaved
from weitiao.talk import t

_HEAD = ""  # the section of the keys at the top of the file
# Seconds without a change before the disk is asked what would run again, and between two looks at the file.
_PAUSE, _LOOK = 0.5, 3.0
_ICONS = {
    "finished": "check_circle", "new": "radio_button_unchecked", "changed": "restart_alt", "again": "restart_alt",
    "follows": "more_horiz", "runs": "play_circle", "waits": "hourglass_empty",
}  # fmt: skip


class RecipePage:
    """The page of one visitor."""

    def __init__(self, studio: Studio) -> None:
        self.studio = studio
        self.draft = Draft(studio.file, near=studio.needs_token)
        self.panel = RunPanel(studio, self._ready, self._turned)
        self._section = _HEAD
        self._names: list[str] = []
        self._outlook: dict[str, Outlook] = {}
        self._looking: asyncio.Task[None] | None = None
        self._error: UserError | None = None
        self._buttons: dict[str, tuple[ui.button, ui.icon, TextElement]] = {}

    def draw(self) -> None:
        """Draw the page."""
        self.panel.draw()
        self._strip = named(ui.element("div").classes("strip").props("role=group"), t("Stages"))
        with ui.element("div").classes("bench"):
            with ui.element("div"):
                self._form_place = ui.element("section").classes("section")
            with named(ui.element("section").classes("source"), t("The recipe's text")):
                self._draw_text()
        self._names = self._stages()
        self._draw_strip()
        self._open(_HEAD if not self._names else self._names[0])
        self._check()
        ui.timer(_LOOK, self._look)
        ui.keyboard(self._key, repeating=False, ignore=[])

    def _draw_text(self) -> None:
        with ui.element("div").classes("bar"):
            words("h2", self.studio.file.name)
            ui.space()
            self._discard = ui.button(t("Discard"), on_click=self._load, color=None).props("flat no-caps")
            self._discard.classes("quiet")
            self._save = ui.button(t("Save"), on_click=self._saved, color=None).props("flat no-caps").classes("firm")
        self._wrong = words("p", "", "bad said").props("role=alert")
        self._text = ui.textarea(value=self.draft.text, on_change=self._typed)
        self._text.props("outlined autogrow debounce=300 spellcheck=false autocapitalize=off").classes("yaml")
        named(self._text, t("The recipe's text"))
        words("h2", t("The next run"))
        self._next = ui.element("div").classes("next").props("role=status")

    def _stages(self) -> list[str]:
        """Return the stages that the text has, in the order of the line."""
        data = plain_value(self.draft.text)
        return [name for name in SETTINGS if name in data] if isinstance(data, dict) else self._names

    def _turn_to(self, section: str) -> None:
        if section != self._section:
            self._open(section)

    def _open(self, section: str) -> None:
        """Show the form of a section."""
        self._section = section
        self._form_place.clear()
        with self._form_place:
            with ui.element("div").classes("bar"):
                words("h2", t(section) if section else t("General"))
                ui.space()
                if section:
                    self._draw_stage(section)
            kind, way = (SETTINGS[section], (section,)) if section else (Project, ())
            self._form = Form(self.draft, kind, way, self._edited)
            self._form.draw()
        if isinstance(self._error, SettingError):
            self._form.mark(self._error)
        self._show_strip()

    def _draw_stage(self, stage: str) -> None:
        """Draw what can be done with a stage."""
        start = self.panel.start
        for icon, name, do in (
            ("skip_next", t("Run to the end of this stage"), lambda: start(last=stage)),
            ("replay", t("Run again from this stage on"), lambda: start(first=stage)),
            ("delete_outline", t("Take this stage out of the recipe"), lambda: self._take_out(stage)),
        ):
            icon_button(icon, name, do)

    def _take_out(self, stage: str) -> None:
        self._change(lambda: yaml_text.drop(self.draft.text, (stage,)))

    def _add(self, stage: str) -> None:
        if self._change(lambda: yaml_text.add_section(self.draft.text, stage, [*SETTINGS])):
            self._open(stage)

    def _change(self, edit: Callable[[], str]) -> bool:
        """Change the text; return whether that went."""

        def change() -> None:
            self.draft.text = edit()

        if refused(change):
            return False
        self._edited()
        return True

    def _draw_strip(self) -> None:
        """Draw a button for each stage that the text has, and one that offers the others."""
        self._strip.clear()
        self._buttons = {}
        with self._strip:
            for name in (_HEAD, *self._names):
                with ui.button(on_click=partial(self._turn_to, name), color=None).props("flat no-caps") as button:
                    button.classes("stage")
                    icon = ui.icon("tune").props("aria-hidden=true")
                    words("span", t(name) if name else t("General"))
                    self._buttons[name] = (button, icon, words("span", "", "unseen"))
            if missing := [name for name in SETTINGS if name not in self._names]:
                with ui.button(icon="add", color=None).props("flat no-caps").classes("stage") as more:
                    named(more, t("Add a stage")).props["title"] = t("Add a stage")
                    with ui.menu().props("auto-close"):
                        for name in missing:
                            ui.menu_item(t(name), partial(self._add, name))
        self._show_strip()

    def _show_strip(self) -> None:
        """Show how each stage stands; buttons stay what they are, so that nobody's focus or press is lost."""
        wrong = self._error.location[:1] if isinstance(self._error, SettingError) else ()
        for name, (button, icon, stands) in self._buttons.items():
            state = self._state(name)
            bad = wrong == (name,) if name else bool(wrong) and wrong[0] in Project.model_fields
            button.props["aria-pressed"] = str(name == self._section).lower()
            icon.name = "error" if bad else _ICONS.get(state, "tune")
            stands.text = t("wrong") if bad else _stands(state)

    def _state(self, name: str) -> str:
        if name and name == self.panel.stage:
            return "runs"
        return self._outlook[name].state if name in self._outlook else ""

    def _edited(self) -> None:
        """Take a change that the form has made in the text."""
        self._text.value = self.draft.text
        self._check()

    def _typed(self, event: ValueChangeEventArguments[str | None]) -> None:
        if (event.value or "") != self.draft.text:
            self.draft.text = event.value or ""
            self._check()

    def _check(self) -> None:
        """Say what is wrong, or what would run again."""
        recipe = None
        try:
            recipe, self._error = self.draft.check(), None
        except UserError as error:
            self._error = error
        names = self._stages()
        if names != self._names:
            self._names = names
            self._draw_strip()
            if self._section not in (_HEAD, *names):
                self._open(_HEAD)
        self._form.refresh()
        shown = self._form.mark(self._error if isinstance(self._error, SettingError) else None)
        self._wrong.text = plain(str(self._error)) if self._error else ""
        self._wrong.visible = self._error is not None and not shown
        self._show_save()
        self._show_strip()
        if recipe:
            self._ask(recipe)

    def _show_save(self) -> None:
        self._save.set_enabled(self.draft.changed and self._error is None)
        self._discard.set_enabled(self.draft.changed)

    def _ask(self, recipe: Recipe) -> None:
        """Find out, after a pause, what would run again."""
        if self._looking:
            self._looking.cancel()
        self._looking = background_tasks.create(self._find(recipe), name="outlook", context=self._strip)

    async def _find(self, recipe: Recipe) -> None:
        await asyncio.sleep(_PAUSE)
        said = ""
        try:
            found = await aside(pipeline.outlook, recipe, self.studio.run.parent)
        except UserError as error:
            found, said = [], str(error)
        if self._strip.is_deleted:
            return
        self._outlook = {one.stage.name: one for one in found}
        self._show_strip()
        self._next.clear()
        with self._next:
            if said:
                told("p", said, "bad said")
            elif all(one.state == "finished" for one in found):
                words("p", t("Everything is finished: a run would do nothing"))
            else:
                with ui.element("dl"):
                    for one in found:
                        words("dt", t(one.stage.name))
                        words("dd", _why(one))

    def _turned(self) -> None:
        """Take note of a stage that has begun or ended."""
        self._show_strip()
        if self._error is None:
            self._ask(self.draft.check())

    def _ready(self) -> None:
        """Hold that what would run is what is shown."""
        if self.draft.changed:
            raise unsaved()
        if (name := self.draft.check().project.name) != self.studio.run.name:
            raise UserError(
                t("The recipe names another run now: {name}", name=name),
                t("End the studio and start it again to run it"),
            )

    def _saved(self) -> None:
        if not refused(self.draft.save):
            ui.notify(t("Saved"), type="positive")
        self._show_save()

    def _load(self) -> None:
        self.draft.reload()
        self._text.value = self.draft.text
        self._check()

    def _look(self) -> None:
        """Take over what somebody else has saved, where there is nothing of our own to lose."""
        if self.draft.overtaken and not self.draft.changed:
            self._load()

    def _key(self, event: KeyEventArguments) -> None:
        if event.key == "s" and event.modifiers.ctrl and event.action.keydown and self._save.enabled:
            self._saved()


def _stands(state: str) -> str:
    """Return how a stage stands, for those who hear the page."""
    return {
        "finished": t("finished"), "new": t("not run yet"), "changed": t("runs again"), "again": t("runs again"),
        "follows": t("perhaps runs again"), "runs": t("runs now"), "waits": t("waits for people"),
    }.get(state, "")  # fmt: skip


def _why(one: Outlook) -> str:
    """Return what a run would do with a stage, and why."""
    if one.state == "changed":
        words_ = {"version": t("another version of weitiao"), "outside": t("files that it reads")}
        words_["decided"] = t("what people decided")
        return t("runs again, changed: {names}", names=", ".join(words_.get(name, name) for name in one.changed))
    return {
        "finished": t("finished, is not run again"),
        "new": t("runs: there is nothing yet"),
        "again": t("runs again: it tries what failed"),
        "follows": t("runs again if what it reads comes out otherwise"),
        "waits": t("{count} records wait for people", count=f"{one.waiting:,}")
        if one.waiting
        else t("runs when people have decided"),
    }[one.state]


def _draw(studio: Studio) -> None:
    RecipePage(studio).draw()


PAGE = Page("/recipe", "Recipe", "tune", _draw, keys=(("Ctrl+S", "Save the recipe"),), wide=True)
