"""The head of the Chat page: which models are asked, and how their answers are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

import orjson
from nicegui import ui
from nicegui.events import ValueChangeEventArguments
from pydantic import ValidationError

from weitiao.llm import Teacher
from weitiao.studio.conversation import Manner, Own, Remote, Speaker
from weitiao.studio.page import Studio
from weitiao.studio.parts import folded, words
from weitiao.talk import t

# More columns than this are too narrow to read.
MOST = 4
# Of what was tuned, who is asked first.
_TUNED = ("merged", "trained", "adapter")
_AGAIN = 5.0  # seconds after which the run is looked at again


class Setup:
    """What a visitor has chosen."""

    def __init__(self, studio: Studio, manner: Manner | None, models: Sequence[str]) -> None:
        """`manner` and `models` are those of a conversation that goes on."""
        self.studio, self._asked = studio, models
        self.manner = manner or Manner(system=_system(studio))
        self._remote = _of_recipe(studio)

    def chosen(self) -> list[Speaker]:
        """Return the models that are asked."""
        known = self._known()
        return [known[name] for name in self._models.value if name in known]

    def draw(self) -> None:
        """Draw the choice of the models, and below it what most people leave as it is."""
        names = [*self._known()]
        liked = [name for name in self._asked if name in names]
        liked = liked or first(self.studio.desk.models.names()) or names[:2]
        with ui.element("div").classes("setup"):
            self._models = ui.select(names, value=liked, multiple=True, label=t("Models"), on_change=self._bound)
            self._models.props("outlined dense use-chips options-dense").classes("models")
            with folded(t("How answers are drawn")):
                self._fields()
            # Who only has the token shall not send this machine to other addresses of its network.
            if not self.studio.needs_token:
                with folded(t("Another address")):
                    self._address()
        ui.timer(_AGAIN, self._look)

    def _known(self) -> Mapping[str, Speaker]:
        desk = self.studio.desk
        own: dict[str, Speaker] = {name: Own(name, desk) for name in desk.models.names()}
        return {**own, **self._remote}

    def _look(self) -> None:
        """Offer what the run has by now."""
        if (names := [*self._known()]) != self._models.options:
            self._models.set_options(names, value=[name for name in self._models.value if name in names])

    def _bound(self) -> None:
        if len(self._models.value) > MOST:
            self._models.value = self._models.value[:MOST]
            ui.notify(t("{count} models side by side are the most", count=MOST), type="warning")

    def _fields(self) -> None:
        self._number("temperature", t("Temperature; 0 takes the likeliest"), 0, 10, 0.1)
        self._number("top_p", t("Draw from the likeliest that sum to this"), 0, 1, 0.05)
        self._number("max_tokens", t("Longest answer in tokens"), 1, 1_000_000, 1)
        self._number("seed", t("Seed of what is drawn"), 0, 2**31, 1)
        system = ui.textarea(t("The system message"), value=self.manner.system, on_change=self._told)
        system.props("autogrow outlined dense").classes("all")

    def _told(self, event: ValueChangeEventArguments[str | None]) -> None:
        self.manner = replace(self.manner, system=event.value or "")

    def _number(self, name: str, label: str, low: float, high: float, step: float) -> None:
        now = vars(self.manner)[name]
        whole = isinstance(now, int)

        def wrong(value: float | None) -> str | None:
            fits = value is not None and low <= value <= high and (not whole or value == int(value))
            return None if fits else t("from {low} to {high}", low=low, high=high)

        def changed(event: ValueChangeEventArguments[float | None]) -> None:
            if event.value is not None and wrong(event.value) is None:
                value: Any = int(event.value) if whole else float(event.value)
                self.manner = replace(self.manner, **{name: value})

        field = ui.number(label, value=now, min=low, max=high, step=step, validation=wrong, on_change=changed)
        field.props("outlined dense")

    def _address(self) -> None:
        """Offer to ask a model of another server."""
        form = ui.element("form").classes("fields all")
        with form:
            self._address_fields(form)

    def _address_fields(self, form: ui.element) -> None:
        address = ui.input(t("OpenAI-compatible address, up to /v1")).props("outlined dense type=url")
        model = ui.input(t("The model's name there")).props("outlined dense")
        key = ui.input(t("Its key, if it wants one; kept by this page alone"), password=True).props("outlined dense")
        key.props("autocomplete=off")
        ui.button(t("Add"), color=None).props("flat no-caps type=submit").classes("firm")
        said = words("p", "", "note bad").props("role=alert")

        def added() -> None:
            try:
                teacher = Teacher(endpoint=(address.value or "").strip(), model=(model.value or "").strip())
            except ValidationError as error:
                said.text = str(error.errors()[0]["msg"]).removeprefix("Value error, ")
                return
            said.text = ""
            remote = _remote(teacher, key.value or "")
            self._remote[remote.name] = remote
            self._models.set_options([*self._known()], value=[*self._models.value, remote.name][-MOST:])
            address.value = model.value = key.value = ""

        form.on("submit.prevent", added)


def first(names: Sequence[str]) -> list[str]:
    """Return who of the server's own models is asked at first: the base and what was tuned on it, where they are."""
    tuned = [*(name for name in _TUNED if name in names), *(n for n in reversed(names) if n.startswith("checkpoint-"))]
    return [*dict.fromkeys([*(name for name in names if name == "base"), *tuned[:1], *names])][:2]


def _system(studio: Studio) -> str:
    """Return the system message that the training conversations were given."""
    manifest = studio.run / "export" / "manifest.json"
    found = orjson.loads(manifest.read_bytes())["settings"].get("system") if manifest.is_file() else None
    return str(found or "")


def _of_recipe(studio: Studio) -> dict[str, Remote]:
    """Return the teachers and judges of the recipe that are asked by address."""
    values = [value for section in studio.recipe.sections.values() for value in vars(section).values()]
    found = [_remote(value) for value in values if isinstance(value, Teacher) and value.endpoint]
    return {remote.name: remote for remote in found}


def _remote(teacher: Teacher, key: str = "") -> Remote:
    return Remote(f"{teacher.model} @ {urlsplit(teacher.endpoint or '').netloc}", teacher, key)
