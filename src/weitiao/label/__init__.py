"""label: write missing answers, mark and tag what is there, and decide what is kept, dropped or sent to review."""

from collections import Counter
from typing import Self

from pydantic import Field, model_validator

from weitiao.label.answer import Answer
from weitiao.label.decide import Decide
from weitiao.label.judge import Judge
from weitiao.label.pair import Pair
from weitiao.label.tag import Tag
from weitiao.label.work import Labelling, Scene
from weitiao.llm import desk
from weitiao.llm.desk import state
from weitiao.recipe import Recipe
from weitiao.stage import Stage
from weitiao.step import one_of
from weitiao.talk import t

STEPS: tuple[type[Labelling], ...] = (Answer, Judge, Tag, Pair, Decide)


class Label(Scene):
    """What is done, for which scene, and who is asked."""

    steps: tuple[one_of(*STEPS), ...] = Field(  # type: ignore[valid-type]
        min_length=1, description="Steps in order, each `name` or `name: {setting: value}`"
    )

    @model_validator(mode="after")
    def _once(self) -> Self:
        counts = Counter(step.step_name() for step in self.steps if isinstance(step, Labelling))
        if twice := [name for name, count in counts.items() if count > 1]:
            raise ValueError(t("`{name}` may stand only once among the steps", name=twice[0]))
        return self

    @property
    def wanted(self) -> list[str]:
        """The prompts that the steps use."""
        return [prompt for step in self.steps if isinstance(step, Labelling) for prompt in step.uses]


def outside(recipe: Recipe) -> object:
    """Return what decides the records beside the steps: the teacher and the prompts."""
    settings = recipe.section("label", Label)
    return state(settings, recipe.folder, settings.wanted)


def ready(recipe: Recipe, first: bool) -> None:
    """Raise UserError where nobody could be asked."""
    settings = recipe.section("label", Label)
    models = [model for step in settings.steps if isinstance(step, Judge) for model in step.models]
    others = [settings.teacher.model_copy(update={"model": model}) for model in models if settings.teacher]
    desk.ready("label", recipe, settings.wanted, others=others, translates=False, first=first)


def files(recipe: Recipe) -> dict[str, str]:
    """Return the files of records that are read for this stage alone."""
    examples = recipe.section("label", Label).examples
    return {"examples": examples} if examples else {}


STAGE = Stage(
    "label",
    Label,
    "weitiao.label.run:run",
    "Labelled {kept} of {total} records: {written} answers written, {review} to review; the judge caught {caught} of "
    "{planted} planted bad answers",
    "Labelled {kept} of {total} records: {written} answers written, {review} to review",
    reads_records=True,
    gives_records=True,
    project=("seed",),
    outside=outside,
    files=files,
    beside=("teacher", "prompts", "batch"),
    plan="weitiao.label.run:plan",
    ready=ready,
)
