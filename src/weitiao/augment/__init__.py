"""augment: make new records of the ones there, each with its parents; none that is there is touched."""

from pydantic import Field

from weitiao.augment.ask_passages import AskPassages
from weitiao.augment.back_translate import BackTranslate
from weitiao.augment.character_noise import CharacterNoise
from weitiao.augment.evolve import Evolve
from weitiao.augment.expand import Expand, Teach
from weitiao.augment.fill_templates import FillTemplates
from weitiao.augment.merge_turns import MergeTurns
from weitiao.augment.rephrase import Rephrase
from weitiao.augment.self_instruct import SelfInstruct
from weitiao.llm import Embedder, Taught, Translation, desk
from weitiao.llm.desk import state, within
from weitiao.recipe import Recipe
from weitiao.stage import Stage
from weitiao.step import one_of

STEPS: tuple[type[Expand], ...] = (
    Rephrase,
    BackTranslate,
    SelfInstruct,
    Evolve,
    AskPassages,
    FillTemplates,
    CharacterNoise,
    MergeTurns,
)


class Near(Embedder):
    """By whose vectors a child is held against its parent, and how near it has to be."""

    similarity: float = Field(
        gt=0, le=1, description="Cosine to its parent below which a child is another question: it depends on the model"
    )


class Augment(Taught):
    """What is made, and who is asked for it."""

    embedding: Near | None = Field(
        None,
        description="Embedding model that keeps out what is another question than its parent: `endpoint`, `model`, "
        "`similarity`",
    )

    steps: tuple[one_of(*STEPS), ...] = Field(  # type: ignore[valid-type]
        min_length=1, description="Steps in order, each `name` or `name: {setting: value}`"
    )

    @property
    def wanted(self) -> list[str]:
        """The prompts that the steps use."""
        return [prompt for step in self.steps if isinstance(step, Teach) for prompt in step.uses]

    @property
    def translations(self) -> list[Translation]:
        """The translation models that the steps ask."""
        return [one for step in self.steps if isinstance(step, Teach) for one in step.translations]

    @property
    def asked(self) -> bool:
        """Whether somebody is asked whose answers are worth keeping."""
        return bool(super().asked or self.embedding or self.translations)


def outside(recipe: Recipe) -> object:
    """Return what decides the records beside the steps: the teacher and the prompts."""
    settings = recipe.section("augment", Augment)
    return state(settings, recipe.folder, settings.wanted, settings.translations)


def ready(recipe: Recipe, first: bool) -> None:
    """Raise UserError where nobody could be asked."""
    settings = recipe.section("augment", Augment)
    others = [within(settings.embedding, settings.teacher)] if settings.embedding else []
    translates = bool(settings.translations)
    desk.ready("augment", recipe, settings.wanted, others=others, translates=translates, first=first)


STAGE = Stage(
    "augment",
    Augment,
    "weitiao.augment.run:run",
    "Augmented {records} records by {added} of {made} made: {calls} calls, {failed} of them failed",
    "Augmented {records} records by {added} of {made} made",
    reads_records=True,
    gives_records=True,
    project=("seed",),
    outside=outside,
    beside=("teacher", "prompts", "batch"),
    plan="weitiao.augment.run:plan",
    ready=ready,
)
