"""How a stage asks its teacher: for real, as a plan of what it would cost, or by the files of an offline batch."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from pydantic import BaseModel

from weitiao.errors import UserError
from weitiao.llm import Asked, Embedder, Taught, Teacher, Translation, Translator
from weitiao.llm.batch import read_batch, worst, write_batch
from weitiao.llm.cache import Cache, Spent, identity, keys
from weitiao.llm.call import Failure, Messages, Reason, Reply, Request
from weitiao.llm.money import Plan, Purse, hold_price, plan
from weitiao.llm.prompts import Prompts
from weitiao.llm.tally import Tally, bill
from weitiao.model import hub
from weitiao.recipe import Recipe
from weitiao.script import script
from weitiao.stage import Job, Reporter
from weitiao.talk import t

if TYPE_CHECKING:
    from weitiao.llm.embed import Vector

T = TypeVar("T", bound=Teacher)

TEACHERS = "teachers.sqlite"  # in the run's folder; all its stages share it
_ANY = Teacher(endpoint="http://localhost/v1", model="…")  # stands in a plan for who is yet to be named
OURS = "batch-*.jsonl"  # what is uploaded; other files of the folder are what came back


@dataclass(frozen=True)
class Question:
    """A prompt by its name, what is filled in, and the shape of the answer where it is data.

    `spoken` is the text by whose language the prompt is chosen; the second `sample` of a question is another call.
    With a `talk` the prompt is the system message before it, and the teacher goes on with the talk.
    A translation model asked in the teacher's place (`by`) gets the `texts` of the values and no prompt, whose name
    then says from which language into which.
    """

    prompt: str
    values: Mapping[str, Any]
    spoken: str
    schema: type[BaseModel] | None = None
    sample: int = 0
    talk: Messages = ()
    by: Translation | None = None


@dataclass
class Desk:
    """Where the steps of one stage ask. `plans` and `files` are what came of asking without a teacher."""

    stage: str
    settings: Taught
    teacher: Teacher | None
    prompts: Prompts
    cache: Cache
    reporter: Reporter
    folder: Path | None = None  # of the offline batch
    planning: bool = False
    embedder: Embedder | None = None
    translators: Mapping[Translation, Translator] = field(default_factory=dict)
    plans: dict[str, Plan] = field(default_factory=dict)
    files: list[Path] = field(default_factory=list)
    tally: Tally = field(default_factory=Tally)
    _reserved: float = 0.0

    def ask(
        self, step: str, questions: Sequence[Question], temperature: float | None = None, model: str | None = None
    ) -> list[Reply | Failure]:
        """Return what came of each question, in order; what cannot be known now waits, or has no budget.

        `step` is what the charges are booked on, behind the stage's name; `temperature` and `model` stand in for the
        teacher's.
        """
        outcomes: dict[int, Reply | Failure] = {}
        for by in dict.fromkeys(question.by for question in questions):
            places = [place for place, question in enumerate(questions) if question.by == by]
            requests = [self._request(questions[place]) for place in places]
            teacher = self.translators[by] if by else self._teacher(temperature, model)
            name = f"{self.stage}/{step}" + (f"-{questions[places[0]].prompt}" if by else "")
            outcomes |= zip(places, self._outcomes(requests, teacher, name), strict=True)
        self.tally.count(outcomes.values())
        return [outcomes[place] for place in range(len(questions))]

    def _outcomes(self, requests: Sequence[Request], teacher: Teacher, name: str) -> list[Reply | Failure]:
        """Return what came of each request to a teacher, in order."""
        if self.planning:
            self.plans[name] = plan(requests, teacher, self.cache, name)
            return self._known(requests, teacher)
        if self.folder and not isinstance(teacher, Translator):  # which has no use for such files
            return self._batch(requests, teacher, name)
        from weitiao.llm.client import ask_all  # loads aiohttp, which a stage without a teacher can do without

        outcomes = dict(ask_all(requests, teacher, self.cache, name, self.reporter))
        return [outcomes[index] for index in range(len(requests))]

    def embed(self, step: str, texts: Sequence[str]) -> "list[Vector | Failure]":
        """Return the vector of each text, in order, or why it has none; none while planning."""
        assert self.embedder
        from weitiao.llm import embed  # loads aiohttp

        name = f"{self.stage}/{step}"
        if self.folder and texts:
            self.reporter.say(t("{step}: calls for vectors do not wait for the batch, they go out at once", step=name))
        if self.planning:
            self.plans[name] = embed.plan(texts, self.embedder, self.cache)
            return [Failure(Reason.WAITING)] * len(texts)
        found = embed.embed_all(texts, self.embedder, self.cache, name, self.reporter)
        self.tally.count(found)
        return found

    @property
    def teacher_name(self) -> str:
        """The model's name, without the place of a local one."""
        teacher = self._teacher()
        return teacher.model if teacher.endpoint else Path(teacher.model).name

    def facts(self) -> dict[str, Any]:
        """Return who was asked with which prompts, and what it cost in all runs, for the manifest."""
        asked: dict[str, Any] = {}
        if self.teacher:
            who, model = identity(self.teacher)
            asked["teacher"] = {"model": model, "at": who, "sampling": self.teacher.sampling}
            asked["prompts"] = self.prompts.digests
        if self.embedder:
            who, model = identity(self.embedder)
            asked["embedding"] = {"model": model, "at": who, "sampling": self.embedder.sampling}
        if self.translators:
            asked["translators"] = [
                {"model": identity(one)[1], "sampling": one.sampling} for one in self.translators.values()
            ]
        if not asked:
            return {}
        spent = self.spent()
        priced = (self.teacher and self.teacher.price) or (self.embedder and self.embedder.price)
        return {
            **asked,
            "cost": {
                "calls": spent.calls,
                "prompt": spent.usage.prompt,
                "completion": spent.usage.completion,
                "money": spent.cost if priced else None,
                "unknown": spent.unknown,
            },
        }

    def spent(self, step: str = "") -> Spent:
        """Return what a step, or the stage, has cost in all runs."""
        return self.cache.spent(f"{self.stage}/{step}" if step else self.stage)

    def _teacher(self, temperature: float | None = None, model: str | None = None) -> Teacher:
        assert self.teacher, "a stage asks only after `open_desk` has looked for its teacher"
        other = {"temperature": temperature, "model": model}
        return self.teacher.model_copy(update={name: value for name, value in other.items() if value is not None})

    def _request(self, question: Question) -> Request:
        if question.by:
            texts = tuple(("text", text) for text in question.values["texts"])
            return Request(texts, question.schema, question.sample)
        language = self.settings.language
        if language == "auto":
            language = "zh" if script(question.spoken) == "zh" else "en"
        text = self.prompts.fill(question.prompt, language, question.values)
        messages = (("system", text), *question.talk) if question.talk else (("user", text),)
        return Request(messages, question.schema, question.sample)

    def _known(self, requests: Sequence[Request], teacher: Teacher) -> list[Reply | Failure]:
        found = [(key, self.cache.find(key, one)) for key, one in zip(keys(teacher, requests), requests, strict=True)]
        return [reply or self.cache.failure(key) or Failure(Reason.WAITING) for key, reply in found]

    def _batch(self, requests: Sequence[Request], teacher: Teacher, name: str) -> list[Reply | Failure]:
        """Take in what came back, and write what is still to be asked."""
        assert self.folder
        folder = self.folder / name.replace("/", "-")
        results = sorted({*self.folder.rglob("*.jsonl")} - {*self.folder.rglob(OURS)})
        read_batch(results, requests, teacher, self.cache, name)
        for path in folder.glob(OURS):
            path.unlink()
        left = None if teacher.budget is None else max(0.0, teacher.budget - self._reserved)
        written = write_batch(requests, teacher.model_copy(update={"budget": left}), self.cache, name, folder)
        self._reserved += worst(written, teacher)
        self.files += written
        return self._known(requests, teacher)


@contextmanager
def open_desk(
    job: Job,
    settings: Taught,
    wanted: Sequence[str],
    *,
    planning: bool = False,
    embedder: Embedder | None = None,
    translations: Sequence[Translation] = (),
) -> Iterator[Desk]:
    """Open the desk of a stage whose steps use the prompts `wanted`; without any, no teacher is needed.

    Raises UserError, before anything is spent, for a teacher that is not given or cannot be asked, for folders that
    are no translation models, and for prompts that are none.
    """
    translators = {one: _translator(one, job.recipe.folder) for one in translations}
    prompts = Prompts(_folder(settings.prompts, job.recipe.folder), wanted)
    teacher = settings.teacher and local(settings.teacher, job.recipe.folder)
    if wanted and teacher is None:
        if not planning:
            raise _nobody(job.stage, bool(translations))
        job.reporter.say(t("No teacher is given: calls and tokens are counted as for any"))
        teacher = _ANY
    batch = _folder(settings.batch, job.recipe.folder)
    with Cache(job.folder.parent / TEACHERS) as cache:
        if teacher:
            keys(teacher, [])
            Purse(teacher, cache, job.stage)
        if embedder:
            embedder = within(embedder, teacher)
            Purse(embedder, cache, job.stage)
        desk = Desk(job.stage, settings, teacher, prompts, cache, job.reporter, batch, planning, embedder, translators)
        before = desk.spent()
        yield desk
        told = bill(job.stage, teacher or embedder, before, desk.spent())
    if not planning:
        if told:
            job.reporter.say(told)
        desk.tally.hold(job.stage, teacher or embedder)
        for line in desk.tally.lines(teacher or embedder):
            job.reporter.say(line)
    if desk.files:
        files = ", ".join(str(path.relative_to(desk.folder or path)) for path in desk.files)
        job.reporter.say(t("Calls for the batch are in {folder}: {files}", folder=desk.folder, files=files))
        job.reporter.say(
            t("Upload them, put the result files into {folder}, and run the same command again", folder=desk.folder)
        )


def ready(
    stage: str, recipe: Recipe, wanted: Sequence[str], *, others: Sequence[Asked], translates: bool, first: bool
) -> None:
    """Raise UserError, before any stage runs, where one that asks could not: without prompts, teacher, price or key.

    `others` are asked beside the teacher. The key is wanted for the `first` asking: what was asked before may be known.
    """
    settings = recipe.section(stage, Taught)
    Prompts(_folder(settings.prompts, recipe.folder), wanted)
    teacher = settings.teacher
    if wanted and teacher is None:
        raise _nobody(stage, translates)
    asked = [*([teacher] if teacher and wanted else []), *others]
    for one in asked:
        hold_price(one)
    for one in asked if first and not settings.batch else []:
        from weitiao.llm.client import secret  # loads aiohttp

        secret(one)


def _nobody(stage: str, translates: bool) -> UserError:
    return UserError(
        t("{where} asks a teacher, and none is given", where=f"`{stage}`"),
        t(
            "Give --endpoint URL --teacher NAME, or `teacher:` with `endpoint` and `model` in the recipe; "
            "the check of augment's steps is left out with `check: false`"
        )
        if translates
        else t("Give --endpoint URL --teacher NAME, or `teacher:` with `endpoint` and `model` in the recipe"),
    )


def within(embedder: Embedder, teacher: Teacher | None) -> Embedder:
    """Return the embedder as the teacher's prices and budget, which is the stage's, hold for it too."""
    if teacher is None:
        return embedder
    budget = teacher.budget if embedder.budget is None else embedder.budget
    return embedder.model_copy(update={"prices": {**teacher.prices, **embedder.prices}, "budget": budget})


def local(teacher: T, folder: Path) -> T:
    """Return the teacher with the folder of a local model: `nano`, which ships, or one seen from the recipe's."""
    if teacher.endpoint is not None:
        return teacher
    return teacher.model_copy(update={"model": str(hub.place(teacher.model, folder))})


def _translator(by: Translation, folder: Path) -> Translator:
    """Return who translates; raises UserError for a folder that holds no translation model, or not all of it."""
    path = hub.resolve(str(hub.place(by.model, folder)), folder)
    if not hub.is_translator(path):
        raise UserError(
            t("{path} is no translation model", path=path),
            t("Give the folder of an encoder-decoder model, such as Marian's: hf download NAME --local-dir DIR"),
        )
    return Translator(model=path, by=by)


def state(settings: Taught, folder: Path, wanted: Sequence[str], translations: Sequence[Translation] = ()) -> object:
    """Return what decides the answers beside a stage's steps: who is asked, how, and by which prompts."""
    teacher = local(settings.teacher, folder) if wanted and settings.teacher else None
    prompts = Prompts(_folder(settings.prompts, folder), wanted)
    told = [teacher and [*identity(teacher), teacher.sampling], prompts.digests]
    return [*told, *(identity(_translator(one, folder)) for one in translations)]


def failed(failure: Failure, note: Mapping[str, Any]) -> dict[str, Any]:
    """Return the particulars of a failure for the ledger."""
    return {**note, **{name: text for name, text in (("said", failure.raw), ("why", failure.detail)) if text}}


def _folder(name: str | None, home: Path) -> Path | None:
    return home / Path(name).expanduser() if name else None
