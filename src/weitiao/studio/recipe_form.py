"""The form of one section of a recipe: a field for each setting, a list for steps; it writes into the text."""

from collections.abc import Callable, Sequence
from functools import partial

from nicegui import ui
from nicegui.elements.mixins.validation_element import ValidationElement
from nicegui.events import GenericEventArguments, ValueChangeEventArguments

from weitiao.errors import UserError
from weitiao.recipe import Location, SettingError, Settings, plain_value
from weitiao.studio import yaml_text
from weitiao.studio.draft import Draft
from weitiao.studio.parts import icon_button, named, plain, refused, told, words
from weitiao.studio.recipe_fields import Setting, settings, summary
from weitiao.studio.yaml_text import typed, values, written
from weitiao.talk import t

# What is typed is taken when this many milliseconds pass without a key.
_PAUSE = 300


class Form:
    """The form of a section, which writes into a draft and reads from it."""

    def __init__(self, draft: Draft, kind: type[Settings], location: Location, changed: Callable[[], None]) -> None:
        self._draft, self._kind, self._location, self._changed = draft, kind, location, changed
        self._fields: dict[Location, _Field] = {}
        self._lists: dict[Location, list[str]] = {}
        self._groups: list[_Group] = []

    def draw(self) -> None:
        """Draw it where the page is now."""
        self._fields, self._lists, self._groups = {}, {}, []
        self._values = values(self._draft.text)
        with ui.element("div").classes("form") as self._place:
            self._draw_settings(settings(self._kind, self._location), t("More settings, all as by default"))

    def refresh(self) -> None:
        """Show what the text says now; what is typed in just now stays as it is typed."""
        self._values = values(self._draft.text)
        if any(self._names(way) != names for way, names in self._lists.items()):
            self._place.clear()
            with self._place:
                self._lists, self._fields, self._groups = {}, {}, []
                self._draw_settings(settings(self._kind, self._location), t("More settings, all as by default"))
            return
        for way, field in self._fields.items():
            field.take(self._values.get(way))

    def mark(self, error: SettingError | None) -> bool:
        """Show an error at its field, and none at the others; return whether there is such a field."""
        if error and not self._holder(error.location):
            for group in self._groups:
                group.open_for(error.location)
        holder = self._holder(error.location) if error else None
        for way, field in self._fields.items():
            field.element.error = _told(error) if error and way == holder else None
        return holder is not None

    def _holder(self, location: Location) -> Location | None:
        """Return the way to the field that holds a location."""
        ways = [location[:length] for length in range(len(location), len(self._location), -1)]
        return next((way for way in ways if way in self._fields), None)

    def _draw_settings(self, found: Sequence[Setting], others: str) -> None:
        """Draw the settings that the recipe has or needs; the others when they are asked for."""
        lists = [one for one in found if one.steps]
        plain = [one for one in found if not one.steps]
        first = [one for one in plain if one.location in self._values or one.field.is_required()]
        if first:
            with ui.element("div").classes("settings"):
                for one in first:
                    self._draw_one(one)
        for one in lists:
            self._draw_steps(one)
        if rest := [one for one in plain if one not in first]:
            title = others if first or lists else t("Settings, all as by default")
            self._groups.append(
                _Group(title, rest, self._draw_one, opened=not first and not lists and not self._groups)
            )

    def _draw_one(self, setting: Setting) -> None:
        if setting.inner is None:
            self._fields[setting.location] = _Field(setting, self._values.get(setting.location), self._set)
            return
        with ui.element("fieldset").classes("all inner"):
            words("legend", setting.name, "name")
            told("p", setting.about, "note")
            self._draw_settings(settings(setting.inner, setting.location), t("More of {name}", name=setting.name))

    def _set(self, location: Location, value: str | None) -> bool:
        """Write a value into the text, or take it out; return whether that went."""
        *way, name = location
        text = self._draft.text
        if value is None:
            return self._edit(lambda: yaml_text.drop(text, location) if location in self._values else text)
        if len(way) > 2 and self._values.get(tuple(way[:-1])) == way[-1]:  # the name of a step alone
            return self._edit(lambda: yaml_text.put(text, tuple(way[:-1]), f"{{{way[-1]}: {{{name}: {value}}}}}"))
        return self._edit(lambda: yaml_text.put(text, location, value))

    def _edit(self, edit: Callable[[], str]) -> bool:
        def change() -> None:
            self._draft.text = edit()

        if refused(change):
            return False
        self._values = values(self._draft.text)
        self._changed()
        return True

    def _names(self, way: Location) -> list[str]:
        """Return the names of the steps that the text lists."""
        listed = plain_value(self._values.get(way, "[]"))
        return [_name(item) for item in listed] if isinstance(listed, list) else []

    def _draw_steps(self, setting: Setting) -> None:
        way, known = setting.location, {kind.step_name(): kind for kind in setting.steps}
        names = self._lists[way] = self._names(way)
        words("h3", t("Steps, in order"))
        if way not in self._values and setting.default:
            self._draw_default([step.step_name() for step in setting.default], way)
        elif names:
            with named(ui.element("ol").classes("steps"), t("Steps, in order")):
                for place, name in enumerate(names):
                    with ui.element("li"):
                        self._draw_step(way, place, len(names))
                        if kind := known.get(name):
                            words("p", summary(kind), "note")
                            if inner := settings(kind, (*way, place, name)):
                                self._draw_settings(inner, t("More settings of {name}", name=name))
        if way in self._values or not setting.default:
            self._draw_new(way, [*known])

    def _draw_default(self, names: Sequence[str], way: Location) -> None:
        words("p", ", ".join(names), "note")
        ui.button(
            t("Write them into the recipe, to change them"),
            on_click=lambda: self._edit(lambda: yaml_text.put(self._draft.text, way, written([*names]))),
            color=None,
        ).props("flat no-caps").classes("quiet")

    def _draw_step(self, way: Location, place: int, count: int) -> None:
        name = self._lists[way][place]
        with ui.element("div").classes("step"):
            words("code", name)
            for icon, to, label in (
                ("arrow_upward", place - 1, t("Move {name} up", name=name)),
                ("arrow_downward", place + 1, t("Move {name} down", name=name)),
            ):
                icon_button(icon, label, partial(self._move, (*way, place), to)).set_enabled(0 <= to < count)
            icon_button("close", t("Take {name} out", name=name), partial(self._take_out, (*way, place)))

    def _move(self, location: Location, to: int) -> None:
        self._edit(lambda: yaml_text.move(self._draft.text, location, to))

    def _take_out(self, location: Location) -> None:
        self._edit(lambda: yaml_text.drop(self._draft.text, location))

    def _draw_new(self, way: Location, names: list[str]) -> None:
        def chosen(event: ValueChangeEventArguments[str | None]) -> None:
            if event.value:
                name = event.value
                listed = bool(self._names(way))
                text = self._draft.text
                self._edit(lambda: yaml_text.add(text, way, name) if listed else yaml_text.put(text, way, f"[{name}]"))

        field = ui.select(names, label=t("Add a step"), on_change=chosen).props("outlined dense options-dense")
        field.classes("new-step")


class _Group:
    """Settings that are drawn when somebody opens them."""

    def __init__(
        self, title: str, found: Sequence[Setting], draw: Callable[[Setting], None], *, opened: bool = False
    ) -> None:
        self._settings, self._draw, self._drawn = found, draw, False
        with ui.element("details").classes("folded") as self._details:
            words("summary", f"{title} ({len(found)})")
            self._place = ui.element("div").classes("settings")
        self._details.on("toggle", self._toggled, args=[], js_handler="(e) => { if (e.target.open) emit() }")
        if opened:
            self._details.props["open"] = True
            self._toggled()

    def open_for(self, location: Location) -> None:
        """Open it if it has the setting at a location."""
        if any(location[: len(one.location)] == one.location for one in self._settings):
            self._details.props["open"] = True
            self._toggled()

    def _toggled(self, _: GenericEventArguments | None = None) -> None:
        if not self._drawn:
            self._drawn = True
            with self._place:
                for one in self._settings:
                    self._draw(one)


class _Field:
    """One setting on the page."""

    def __init__(self, setting: Setting, value: str | None, set_: Callable[[Location, str | None], bool]) -> None:
        self._setting, self._set, self._written = setting, set_, value
        choices = setting.choices
        if choices is None:
            self.element: ValidationElement[str | None] = ui.input(
                setting.name, value=self._read(value), placeholder=setting.default_written, on_change=self._typed
            ).props(f"debounce={_PAUSE} autocomplete=off spellcheck=false")
        else:
            options = {"": t("{value} (default)", value=setting.default_written), **{one: one for one in choices}}
            if value and value not in options:  # a wrong one, or one written otherwise
                options[value] = value
            self._options = options
            self.element = ui.select(options, label=setting.name, value=value or "", on_change=self._typed)
            self.element.props("options-dense")
        self.element.without_auto_validation().props("outlined dense stack-label hide-bottom-space no-error-icon")
        self.element.props["hint"] = plain(setting.about)

    def take(self, value: str | None) -> None:
        """Show what the text says now, unless it says what was typed here."""
        if value == self._written:
            return
        self._written = value
        if isinstance(self.element, ui.select) and (value or "") not in self._options:
            self._options[value or ""] = value or ""
            self.element.set_options(self._options)
        self.element.value = self._read(value)

    def _read(self, value: str | None) -> str:
        """Return what the field shows of a value in the text."""
        if value is None:
            return ""
        plain = plain_value(value)
        return plain if self._setting.is_text and isinstance(plain, str) else value

    def _typed(self, event: ValueChangeEventArguments[str | None]) -> None:
        text = event.value or ""
        if text == self._read(self._written):
            return
        value = (written(text) if self._setting.is_text else typed(text)) if text.strip() else None
        before, self._written = self._written, value
        if not self._set(self._setting.location, value):
            self._written = before


def _name(item: object) -> str:
    """Return the name of a step as a recipe lists it."""
    return str(next(iter(item), "")) if isinstance(item, dict) else str(item)


def _told(error: UserError) -> str:
    """Return what is wrong, without the place: the field is that."""
    message = error.message.partition(": ")[2] or error.message
    return plain(f"{message} {error.hint}".strip())
