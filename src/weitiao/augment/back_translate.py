"""The same question by way of another language."""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import ClassVar, Self

from pydantic import BaseModel, Field, field_validator, model_validator

from weitiao.augment.expand import Ask, Child, asked, question
from weitiao.augment.rephrase import CHECK, SayAgain, Texts, texts_for
from weitiao.llm import Translation
from weitiao.llm.desk import Question
from weitiao.record import Record
from weitiao.script import script
from weitiao.talk import t

UNKNOWN, NO_WAY = "neither Chinese nor English", "no model there and back"
_OWN = {"zh": "zh", "latin": "en"}
_AUTO = {"zh": "en", "en": "zh"}


class BackTranslate(SayAgain):
    """Let the teacher, or translation models on this machine, translate each question, and translate it back."""

    prompts: ClassVar[tuple[str, ...]] = ("translate", CHECK)
    via: tuple[str, ...] = Field(
        ("auto",),
        strict=False,
        min_length=1,
        description="Languages on the way, by name; auto: English for Chinese texts, Chinese for others",
    )
    models: dict[str, Translation] = Field(
        default_factory=dict,
        description="Folders of translation models in the teacher's place, by their languages: `zh-en`, `en-zh`",
    )

    @field_validator("models", mode="before")
    @classmethod
    def _may_be_folders(cls, models: object) -> object:
        if not isinstance(models, dict):
            return models
        return {pair: {"model": one} if isinstance(one, str) else one for pair, one in models.items()}

    @model_validator(mode="after")
    def _lead_there_and_back(self) -> Self:
        ways = [way for own in _AUTO for way in self._ways(own) if way[0] != way[1]]
        legal = {pair for way in ways for pair in way}
        if strange := [pair for pair in self.models if pair not in legal]:
            raise ValueError(t("`{pair}` is none of {pairs}", pair=strange[0], pairs=", ".join(sorted(legal))))
        if self.models and not any(self._leads(way) for way in ways):
            raise ValueError(t("a way there needs a way back: {pairs}", pairs=" + ".join(ways[0])))
        return self

    @property
    def uses(self) -> tuple[str, ...]:
        """The prompts that the step uses: models need none to translate."""
        return super().uses[1:] if self.models else super().uses

    @property
    def translations(self) -> tuple[Translation, ...]:
        """The translation models that are asked in the teacher's place."""
        return tuple(self.models.values())

    def unfit(self, record: Record) -> str | None:
        """Return why a record is left alone."""
        if reason := super().unfit(record):
            return reason
        own = _OWN.get(script(question(record)))
        if own is None:
            return UNKNOWN
        return None if any(self._leads(way) for way in self._ways(own)) else NO_WAY

    def asks(self, records: Sequence[Record], seed: int) -> Iterator[Ask]:
        """Yield one ask for each record and language."""
        for record in records:
            own, texts = _OWN[script(question(record))], asked(record)
            for there, back in filter(self._leads, self._ways(own)):
                via = there.removeprefix(f"{own}-")
                wanted = Question(
                    "translate", {"texts": texts, "language": via}, question(record), texts_for(len(texts))
                )
                note = {"via": via}
                if self.models:
                    wanted = replace(wanted, prompt=there, by=self.models[there])
                    note["teacher"] = " + ".join(Path(self.models[pair].model).name for pair in (there, back))
                yield Ask((record,), wanted, note)

    def read(self, ask: Ask, said: BaseModel) -> Iterator[Child | Ask]:
        """Yield the way back, then the record."""
        assert isinstance(said, Texts)
        parent = ask.parents[0]
        if ask.back:
            yield self.again(parent, said.texts, ask.note)
            return
        own = _OWN[script(question(parent))]
        wanted = replace(ask.question, values={"texts": said.texts, "language": own})
        if self.models:
            back = f"{ask.note['via']}-{own}"
            wanted = replace(wanted, prompt=back, by=self.models[back])
        yield replace(ask, question=wanted, back=True)

    def _ways(self, own: str) -> list[tuple[str, str]]:
        """Return the ways there and back from a language, as `models` names them."""
        vias = [_AUTO[own] if via == "auto" else via for via in self.via]
        return [(f"{own}-{via}", f"{via}-{own}") for via in vias]

    def _leads(self, way: tuple[str, str]) -> bool:
        """Tell whether there are models for a way; a teacher knows all languages."""
        return not self.models or all(pair in self.models for pair in way)
