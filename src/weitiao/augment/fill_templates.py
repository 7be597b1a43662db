"""Questions, and answers, out of templates with slots."""

import math
import random
from collections.abc import Iterator, Sequence
from string import Formatter

import orjson
from pydantic import Field, ValidationInfo, field_validator

from weitiao.augment.expand import Child, Make
from weitiao.recipe import Settings
from weitiao.record import Record, record_id
from weitiao.store import digest
from weitiao.talk import t


class Template(Settings):
    """A question with slots, and its answer where it has one."""

    question: str = Field(min_length=1, description="The question, its slots as {name}")
    answer: str | None = Field(None, description="The answer, with the same slots; null: none is there yet")

    @field_validator("question", "answer")
    @classmethod
    def _names_its_slots(cls, text: str | None) -> str | None:
        for name in slots(text or ""):
            if not name.isidentifier():
                raise ValueError(t("a slot is written {name}, not {given}", name="{name}", given="{" + name + "}"))
        return text

    @property
    def slots(self) -> list[str]:
        """The names of its slots, each once."""
        return slots(self.question + (self.answer or ""))


class FillTemplates(Make):
    """Fill slots with each of their values, or draw so many ways to fill them.

    What is made of one template is one family, which a split keeps whole.
    """

    templates: tuple[Template, ...] = Field(
        strict=False,
        min_length=1,
        description="Questions with slots as {name}, each a text, or `question` and `answer`",
    )
    slots: dict[str, list[str]] = Field(
        default_factory=dict, validate_default=True, description="The values of each slot, by its name"
    )
    count: int = Field(100, ge=1, description="Most records of one template; more ways to fill it are drawn by lot")
    licence: str | None = Field(None, description="Licence of what is made")

    @field_validator("templates", mode="before")
    @classmethod
    def _may_be_texts(cls, templates: object) -> object:
        if not isinstance(templates, (list, tuple)):
            return templates
        return [{"question": one} if isinstance(one, str) else one for one in templates]

    @field_validator("slots")
    @classmethod
    def _fit_the_templates(cls, values: dict[str, list[str]], info: ValidationInfo) -> dict[str, list[str]]:
        named = [name for template in info.data.get("templates", ()) for name in template.slots]
        if missing := [name for name in named if not values.get(name)]:
            raise ValueError(t("the slot {name} has no values", name="{" + missing[0] + "}"))
        if "templates" in info.data and (idle := [name for name in values if name not in named]):
            raise ValueError(t("no template names the slot {name}", name="{" + idle[0] + "}"))
        return values

    def make(self, records: Sequence[Record], seed: int) -> Iterator[Child]:
        """Yield the filled templates, the last slot changing first."""
        for number, template in enumerate(self.templates, 1):
            names = template.slots
            sizes = [len(self.slots[name]) for name in names]
            draw = self.draw(seed, template.question)
            for way in _ways(math.prod(sizes), self.count, draw):
                values = {}
                for name, size in zip(reversed(names), reversed(sizes), strict=True):
                    way, index = divmod(way, size)
                    values[name] = self.slots[name][index]
                yield Child(self._record(number, template, values), close=True)

    def _record(self, number: int, template: Template, values: dict[str, str]) -> Record:
        texts = [("user", template.question)] + ([("assistant", template.answer)] if template.answer else [])
        messages = tuple((role, text.format_map(values)) for role, text in texts)
        uri = f"augment/{self.step_name()}"
        return Record(
            id=record_id(uri, number, orjson.dumps(messages)),
            messages=messages,
            uri=uri,
            row=number,
            licence=self.licence,
            family=digest([uri, template.question])[:20],
            facts={"augment": {"step": self.step_name(), "slots": values}},
        )


def slots(text: str) -> list[str]:
    """Return the names of the slots in a text, each once; raises ValueError where a brace is not closed."""
    try:
        return list(dict.fromkeys(name for _, name, _, _ in Formatter().parse(text) if name is not None))
    except ValueError:
        raise ValueError(t("a brace is open or alone; one that is meant is written twice: {{ or }}")) from None


def _ways(possible: int, count: int, draw: random.Random) -> Sequence[int]:
    return range(possible) if possible <= count else sorted(draw.sample(range(possible), count))
