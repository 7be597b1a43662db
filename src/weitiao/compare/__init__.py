"""compare: let before and after answer the same unseen questions, and prove which is better."""

import re
from pathlib import Path
from typing import Annotated, Literal, Self

from pydantic import Discriminator, Field, Tag, field_validator

from weitiao.llm import Teacher, family
from weitiao.recipe import Recipe, Settings
from weitiao.stage import Stage
from weitiao.talk import t

# What else a row of the report holds: a further model stands beside it under its name.
_TAKEN = {"id", "family", "question", "reference", "before", "after", "change", "verdict", "copies", "groups", "judge"}
_TAKEN |= {"people", "life"}
# What the manifest, and `--json`, tell of the report.
KEPT = ("shown", "unit", "measures", "verdicts", "models", "judge", "by_judge", "people", "by_people")


class Judge(Teacher):
    """Who judges the answers, and by what rubric."""

    temperature: float | None = Field(
        0.0, ge=0, description="How freely tokens of the verdict are drawn; null: as the server likes"
    )
    rubric: str | None = Field(
        None, description="File with the judge's rubric, a copy that you have edited: `weitiao prompts copy judge DIR`"
    )


class Server(Teacher):
    """A further model that a server holds; how it draws tokens, and how many, is as for the others where not given."""

    endpoint: str = Field(description="Address of an OpenAI-compatible server, up to `/v1`")

    def asked(self, longest: int, temperature: float, seed: int) -> Self:
        """Return the server as it is asked for answers of at most `longest` tokens."""
        alike = {"max_tokens": longest, "temperature": temperature, "seed": seed if temperature else None}
        return self.model_copy(
            update={name: value for name, value in alike.items() if name not in self.model_fields_set}
        )

    def __str__(self) -> str:
        return f"{self.model} @ {family(self.endpoint)}"


Model = Annotated[
    Annotated[str, Tag("place")] | Annotated[Server, Tag("server")],
    Discriminator(lambda value: "place" if isinstance(value, str) else "server"),
]


class Compare(Settings):
    """What is compared, and how."""

    part: str = Field("test", description="The part of the split whose questions are asked")
    questions: str | None = Field(
        None, description="A file whose questions are asked instead, in any format that source reads"
    )
    group_by: list[str] = Field(
        default_factory=list,
        description="Fields of the questions' rows by which right answers are counted too: part,family counts by part, "
        "and in each by family",
    )
    limit: int | None = Field(None, ge=1, description="Ask only this many questions, the first ones")
    before: str | None = Field(None, description="The model before, where it is not the base model")
    after: str | None = Field(None, description="The model or adapter after, where it is not what the run trained")
    models: dict[str, Model] = Field(
        default_factory=dict,
        description="Further models by name, each against before: a model, an adapter, `checkpoint-40` of the run, a "
        "GGUF file, `MODEL@http://…/v1` on a server",
    )
    general: bool | str = Field(
        True, description="Ask general questions too, to see what was forgotten: those that ship, or a file of yours"
    )
    judge: Judge | None = Field(
        None, description="A model that judges each pair of answers in both orders, and marks them by the three H"
    )
    max_new_tokens: int = Field(512, ge=1, description="Longest answer in tokens")
    temperature: float = Field(0.0, ge=0, description="0 takes the likeliest token; above, tokens are drawn by seed")
    batch_tokens: int = Field(8192, ge=1, description="Tokens in one batch, questions and answers together")
    samples: int = Field(10_000, ge=100, description="Resamplings behind each 95 % interval")
    tie_likelihood: float = Field(0.01, ge=0, description="A smaller difference in nats per token is a tie")
    tie_overlap: float = Field(1.0, ge=0, description="A smaller difference in chrF points is a tie")
    language: Literal["auto", "en", "zh"] = Field("auto", description="Language that the report opens in")

    @field_validator("group_by", mode="before")
    @classmethod
    def _are_fields(cls, names: object) -> object:
        return names.split(",") if isinstance(names, str) else names

    @field_validator("models", mode="before")
    @classmethod
    def _are_served(cls, models: object) -> object:
        return {name: _served(where) for name, where in models.items()} if isinstance(models, dict) else models

    @field_validator("models")
    @classmethod
    def _are_named(cls, models: dict[str, Model]) -> dict[str, Model]:
        for name in models:
            if not re.fullmatch(r"[\w.+-]{1,40}", name) or name in _TAKEN:
                raise ValueError(t("`{name}` is no name for a further model: take another one", name=name))
        return models


def _served(where: object) -> object:
    """Return `MODEL@ADDRESS` as a server's settings, anything else as it is."""
    model, _, address = where.rpartition("@") if isinstance(where, str) else ("", "", "")
    return {"endpoint": address, "model": model} if model and re.match("https?://", address) else where


def outside(recipe: Recipe) -> object:
    """Return what tells whether the models named by path are still the same: their files, sizes and times."""
    settings = recipe.section("compare", Compare)
    names = [settings.before, settings.after, *settings.models.values(), settings.general]
    if judge := settings.judge:
        names += [judge.rubric, None if judge.endpoint else judge.model]
    places = [recipe.folder / Path(name).expanduser() for name in names if isinstance(name, str)]
    files = [path for place in places for path in (sorted(place.iterdir()) if place.is_dir() else [place])]
    return [[str(path), path.stat().st_size, path.stat().st_mtime_ns] for path in files if path.is_file()]


def files(recipe: Recipe) -> dict[str, str]:
    """Return the files of records that are read for this stage alone."""
    settings = recipe.section("compare", Compare)
    named = {"questions": settings.questions, "general": settings.general}
    return {name: file for name, file in named.items() if isinstance(file, str)}


STAGE = Stage(
    "compare",
    Compare,
    "weitiao.compare.run:run",
    "Compared {kept} of {total} answers. {headline}: {wins} won, {losses} lost, {ties} tied by the likelihood of the "
    "reference",
    reads=("source", "prepare", "split", "export", "train", "merge"),
    project=("seed", "model", "template", "trust_remote_code", "thinking"),
    outside=outside,
    files=files,
    decided="weitiao.compare.votes:decided",
)
