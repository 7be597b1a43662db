"""The line: which stages there are, in which order, and which of them a recipe has to run again."""

import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from string import Formatter
from typing import Any, Literal

from weitiao import augment, balance, compare, engine, export, label, merge, prepare, review, source, split, train
from weitiao.basis import basis, changed, decided_alone, load
from weitiao.engine import local
from weitiao.errors import UserError
from weitiao.llm.desk import TEACHERS
from weitiao.llm.money import Plan
from weitiao.model import hub
from weitiao.recipe import Location, Recipe, SettingError, Settings
from weitiao.stage import Job, Outcome, Reporter, Silent, Stage
from weitiao.store import Run, Stored, Trial, digest, file_digest, sizes
from weitiao.talk import t

STAGES: tuple[Stage, ...] = (
    source.STAGE,
    prepare.STAGE,
    augment.STAGE,
    label.STAGE,
    review.STAGE,
    split.STAGE,
    export.STAGE,
    train.STAGE,
    merge.STAGE,
    compare.STAGE,
)

TEACHING = tuple(stage.name for stage in STAGES if stage.plan)
SETTINGS: dict[str, type[Settings]] = {stage.name: stage.settings for stage in STAGES}


@dataclass(frozen=True)
class Done:
    """A stage after the pipeline came by: run now, or found finished."""

    stage: Stage
    stored: Stored
    fresh: bool
    manifest: dict[str, Any] = field(default_factory=dict)

    def line(self) -> str:
        """Return what happened as verb, count, time and the reasons of what is gone."""
        m = self.manifest
        told = self.stage.brief if m["facts"].get("brief") else self.stage.done
        noted = {"kept": f"{m['kept']:,}", "total": f"{m['total']:,}", **m["facts"].get("said", {})}
        # What an older weitiao did not note is not said.
        said = {name: noted.get(name, "–") for _, name, _, _ in Formatter().parse(told) if name}
        text = t(told, **{name: t(value) if isinstance(value, str) else value for name, value in said.items()})
        reasons = ", ".join(f"{t(reason)} {count:,}" for reason, count in m["refused"].items())
        timed = t("{line} in {seconds:.1f} s", line=text, seconds=m["seconds"])
        return (timed if self.fresh else t("{line}, found finished", line=text)) + (f"  ({reasons})" if reasons else "")


@dataclass(frozen=True)
class Outlook:
    """What a run would do with a stage.

    It is `finished`; or runs, since it is `new`, since `changed` tells what is not as it was, since failures are tried
    `again`, or perhaps, since something runs that it reads (`follows`); or it `waits` for people, who have to decide on
    `waiting` records, or for a stage that does.
    """

    stage: Stage
    state: Literal["finished", "new", "changed", "again", "follows", "waits"]
    changed: tuple[str, ...] = ()  # keys of the stage or the recipe's head, `outside` (files), `decided`, `version`
    waiting: int = 0


def run(
    recipe: Recipe,
    runs: Path | None = None,
    *,
    first: str | None = None,
    last: str | None = None,
    reporter: Reporter | None = None,
    aside: Path | None = None,
) -> list[Done]:
    """Run the recipe's stages in order; a stage whose inputs, settings and code version are unchanged is not run again.

    `first` names a stage that runs again whatever stands on disk; after `last` the line ends. Where people have yet to
    decide it ends, too: the manifest of the last one done then counts them under `waiting`. The last stage goes into
    the folder `aside`, if one is given, and what stands of it in the run stays. Raises UserError if the recipe has no
    such stage or lets a stage stand without what it reads, and if `last` comes after where people decide.
    """
    stages, forced = chosen(recipe, first, last), False
    with _line(recipe, runs, reporter) as line:
        line.find_model(stages)
        lines = [line] * (len(stages) - 1) + [replace(line, home=Trial(aside, line.home)) if aside else line]
        for stage, here in zip(stages, lines, strict=True):
            here.find_files(stage)
            here.find_teacher(stage)
        for stage, here in zip(stages, lines, strict=True):
            forced = forced or stage.name == first
            here.pass_by(stage, forced)
            if line.waits and last not in (None, stage.name):
                raise line.waiting()
            if line.waits:
                break
    return list(line.done.values())


def preview(
    recipe: Recipe, runs: Path | None = None, *, last: str | None = None, reporter: Reporter | None = None
) -> dict[str, Plan]:
    """Return what a teacher would be asked up to the stage `last`, by step, and ask nothing.

    Stages before it run, in a place that is gone afterwards. Of several stages that ask, the first whose answers are
    not all known is told: what the next one asks depends on them.
    """
    line = [(stage, stage.name in TEACHING) for stage in chosen(recipe, None, last)]
    plans: dict[str, Plan] = {}
    with _trial(recipe, runs, reporter) as passed:
        for place, (stage, asks) in enumerate(line):
            plans = passed.plan(stage) if asks else {}
            if any(plan.calls for plan in plans.values()) or not any(later for _, later in line[place + 1 :]):
                break
            passed.pass_by(stage, False)
            if passed.waits:
                break
    return plans


def upcoming(recipe: Recipe, runs: Path | None, name: str, *, reporter: Reporter | None = None) -> Job:
    """Run the stages before one, and return its job as it would start."""
    *before, stage = chosen(recipe, None, name)
    with _line(recipe, runs, reporter) as line:
        for earlier in before:
            line.pass_by(earlier, False)
        if line.waits:
            raise line.waiting()
        return line.job(stage)


def outlook(recipe: Recipe, runs: Path | None = None) -> list[Outlook]:
    """Say of each stage whether a run would find it finished; nothing is run or written, and no lock is taken.

    Raises UserError as `run` does, where that can be known now.
    """
    line = _Line(recipe, _home(recipe, runs), Silent(), looks=True)
    return [line.look(stage) for stage in chosen(recipe, None, None)]


def chosen(recipe: Recipe, first: str | None, last: str | None) -> list[Stage]:
    """Return the recipe's stages in order, up to `last`. Raises UserError as `run` does."""
    line = [stage for stage in STAGES if stage.name in recipe.sections]
    names = [stage.name for stage in line]
    if not line:
        raise UserError(
            t("The recipe has no stage: there is nothing to run"),
            t("Possible here: {names}", names=", ".join(stage.name for stage in STAGES)),
        )
    for name in (first, last):
        if name is not None and name not in names:
            raise UserError(
                t("The recipe has no stage `{name}`", name=name), t("It has {names}", names=", ".join(names))
            )
    if first and last and names.index(last) < names.index(first):
        raise UserError(
            t("The end `{last}` comes before the start `{first}`", last=last, first=first),
            t("The recipe has {names}, in this order", names=", ".join(names)),
        )
    _check_parts(recipe)
    line = line[: names.index(last) + 1] if last else line
    for place, stage in enumerate(line):
        _check_inputs(stage, line[:place])
    return line


def _check_parts(recipe: Recipe) -> None:
    """Hold, before anything runs, that split makes the parts that others read."""
    if "split" not in recipe.sections:
        return
    parts, read = [*recipe.section("split", split.Split).ratios], dict[Location, str]()
    if "train" in recipe.sections:
        settings = recipe.section("train", train.Train)
        read[("train",)] = "train"
        held = {"keep": settings.keep == "best", "patience": settings.patience}
        read |= {("train", key): "validation" for key, needs in held.items() if needs}
    if "compare" in recipe.sections and not (asked := recipe.section("compare", compare.Compare)).questions:
        read[("compare", "part")] = asked.part
    for location, part in read.items():
        if part not in parts:
            at = recipe.at(location)
            what = t("{place} reads the part `{part}`, which split does not make", place=at, part=part)
            raise SettingError(what, t("`split.ratios` makes {names}", names=", ".join(parts)), location)


def _check_inputs(stage: Stage, before: list[Stage]) -> None:
    """Hold, before anything runs, that the recipe has what a stage reads."""
    for need in stage.needs:
        if need not in [earlier.name for earlier in before]:
            raise UserError(
                t("`{stage}` needs the stage `{need}`, which the recipe lacks", stage=stage.name, need=need),
                t("Add `{need}:` to the recipe", need=need),
            )
    if stage.reads_records and not any(earlier.gives_records for earlier in before):
        what = t("`{stage}` has nothing to read: no stage before it in the recipe gives records", stage=stage.name)
        raise UserError(what, t("Add `source:` with `inputs:` to the recipe"))


@dataclass(frozen=True)
class _Line:
    """The stages of one recipe as they are passed by."""

    recipe: Recipe
    home: Run
    reporter: Reporter
    done: dict[str, Done] = field(default_factory=dict)
    read: dict[tuple[str, str, str], Stored | None] = field(default_factory=dict)  # files that are read for one stage
    looks: bool = False  # it only says what would be done

    @property
    def waits(self) -> int:
        """How many records wait for people at the stage that was passed last."""
        last = next(reversed(self.done.values()), None)
        return last.manifest["facts"].get("waiting", 0) if last else 0

    def waiting(self) -> UserError:
        """Return the error of a stage that was asked for while people have yet to decide."""
        return UserError(
            t("{count} records wait for people to decide on them", count=f"{self.waits:,}"),
            t("`weitiao review RECIPE` opens them; the same command then goes on from there"),
        )

    def find_model(self, stages: list[Stage]) -> None:
        """Hold, before anything runs, that the model of stages yet to run is here, or fetch it."""
        project = self.recipe.project
        stored = [self.home.stored(stage.name) for stage in stages if "model" in stage.project]
        if project.model == "tiny" or all(
            item and item.manifest["project"]["model"] == project.model for item in stored
        ):
            return
        path = hub.resolve(project.model, self.recipe.folder, code=project.trust_remote_code)
        if said := hub.warning(path, project.trust_remote_code):
            self.reporter.say(said)

    def find_files(self, stage: Stage) -> None:
        """Hold, before anything runs, that the files which are read for a stage are here and whole."""
        for name, file in (stage.files(self.recipe) if stage.files else {}).items():
            self._read(name, file, stage)

    def find_teacher(self, stage: Stage) -> None:
        """Hold, before anything runs, that a stage which is yet to run can ask its teacher."""
        if stage.ready and self.home.glance(stage.name) is None:
            stage.ready(self.recipe, not (self.home.folder / TEACHERS).exists())

    def pass_by(self, stage: Stage, forced: bool) -> None:
        """Run the stage unless it stands finished with the same key."""
        inputs = self._inputs(stage)
        now = self._basis(stage, inputs)
        key = digest(now)
        stored = self.home.stored(stage.name)
        # A stage that has failures to try again is not finished, though what came of it is there.
        again = stored is not None and stored.manifest["facts"].get("again", False)
        fresh = forced or again or stored is None or stored.manifest["key"] != key
        if stored is None or fresh:
            people = stage.decided and stored is not None and not (again or forced)
            earlier = stored if people and stored and decided_alone(stored.manifest, now) else None
            if earlier:
                earlier.hold_whole()
            stored = self._run(stage, inputs, now, earlier)
        else:
            stored.hold_whole()
        self.done[stage.name] = Done(stage, stored, fresh, stored.manifest)
        self.reporter.say(self.done[stage.name].line())

    def look(self, stage: Stage) -> Outlook:
        """Say what `pass_by` would do, as far as what stands on disk tells it."""
        if self.waits:
            return Outlook(stage, "waits")
        stored = self.home.glance(stage.name)
        if stored is None:
            return Outlook(stage, "new")
        manifest = stored.manifest
        if differing := changed(stage, manifest, self._basis(stage, {})):
            return Outlook(stage, "changed", differing)
        if manifest["facts"].get("again"):
            return Outlook(stage, "again")
        inputs = self._inputs(stage) if all(name in self.done for name in self._read_by(stage)) else {}
        if {name: item.manifest["output"] for name, item in inputs.items()} != manifest["inputs"]:
            return Outlook(stage, "follows")
        self.done[stage.name] = Done(stage, stored, False, manifest)
        return Outlook(stage, "waits" if self.waits else "finished", waiting=self.waits)

    def _read_by(self, stage: Stage) -> list[str]:
        """Return the stages of the recipe whose output a stage reads."""
        before = [one for one in STAGES[: STAGES.index(stage)] if one.name in self.recipe.sections]
        givers = [one.name for one in before if one.gives_records][-1:] if stage.reads_records else []
        return [one.name for one in before if one.name in stage.reads] + givers

    def job(self, stage: Stage) -> Job:
        """Return the job of the stage as it would start."""
        inputs = self._inputs(stage)
        draft = self.home.draft(stage.name, digest(self._basis(stage, inputs)))
        return Job(self.recipe, stage.name, draft, inputs, self.reporter)

    def plan(self, stage: Stage) -> dict[str, Plan]:
        """Return what the stage would ask."""
        planned: dict[str, Plan] = load(stage.plan)(self.job(stage))
        return planned

    def _run(self, stage: Stage, inputs: dict[str, Stored], now: dict[str, Any], earlier: Stored | None) -> Stored:
        if "model" in stage.project:
            engine.rest()
        start, key = time.monotonic(), digest(now)
        draft = self.home.draft(stage.name, key)
        outcome: Outcome = load(stage.entry)(Job(self.recipe, stage.name, draft, inputs, self.reporter, earlier))
        _check_sum(stage, outcome)
        if stage.reads_records and stage.gives_records:
            balance.check(stage.name, outcome, inputs["records"], Stored(draft.folder))
        came = {
            "total": outcome.total,
            "kept": outcome.kept,
            "refused": outcome.refused,
            "facts": outcome.facts,
            "seconds": round(time.monotonic() - start, 3),
            "output": _output(draft.folder) if stage.gives_records else key,
            "files": sizes(draft.folder),
        }
        return self.home.finish(stage.name, {"stage": stage.name, "key": key, **now, **came})

    def _basis(self, stage: Stage, inputs: dict[str, Stored]) -> dict[str, Any]:
        return basis(stage, self.recipe, self.home.folder, inputs)

    def _inputs(self, stage: Stage) -> dict[str, Stored]:
        inputs = {name: self.done[name].stored for name in stage.reads if name in self.done}
        if stage.reads_records:
            inputs["records"] = [item.stored for item in self.done.values() if item.stage.gives_records][-1]
        for name, file in (stage.files(self.recipe) if stage.files else {}).items():
            if stored := self._read(name, file, stage):
                inputs[name] = stored
        return inputs

    def _read(self, name: str, file: str, stage: Stage) -> Stored | None:
        """Read a file as any other, in a run of its own inside this one, as far as what the stage itself reads."""
        which = (stage.name, name, file)
        if which not in self.read:
            self.read[which] = self._read_now(name, file, stage)
        return self.read[which]

    def _read_now(self, name: str, file: str, stage: Stage) -> Stored | None:
        project = self.recipe.project.model_copy(update={"name": name})
        sections: dict[str, Settings] = {"source": source.Source(inputs=[file])}
        if not stage.reads_records:
            sections["export"] = export.Export()
        recipe = Recipe(project, sections, self.recipe.folder)
        if not self.looks:
            self.reporter.say(f"{stage.name}: {file}")
            try:
                return run(recipe, self.home.folder, reporter=self.reporter)[-1].stored
            except source.BadRows as error:
                raise UserError(error.message, t("Mend them: nobody is to wonder which rows were left out")) from None
        finished = all(one.state == "finished" for one in outlook(recipe, self.home.folder))
        return _home(recipe, self.home.folder).glance([*sections][-1]) if finished else None


@contextmanager
def _line(recipe: Recipe, runs: Path | None, reporter: Reporter | None) -> Iterator[_Line]:
    """Give the line of a recipe while no other process works on its run."""
    home = _home(recipe, runs)
    with home.locked(), local.pool():
        yield _Line(recipe, home, reporter or Silent())


@contextmanager
def _trial(recipe: Recipe, runs: Path | None, reporter: Reporter | None) -> Iterator[_Line]:
    """Give a line that finds what is finished and what teachers said, and whose own work is gone afterwards."""
    home = _home(recipe, runs)
    with tempfile.TemporaryDirectory(prefix="weitiao-") as folder, Trial(Path(folder), home).locked() as trial:
        for file in home.folder.glob(f"{TEACHERS}*"):
            shutil.copy(file, folder)
        yield _Line(recipe, trial, reporter or Silent())


def _home(recipe: Recipe, runs: Path | None) -> Run:
    return Run((runs or recipe.folder / "runs").absolute() / recipe.project.name)  # absolute: others work elsewhere


def _check_sum(stage: Stage, outcome: Outcome) -> None:
    """Hold that no record vanished without a reason."""
    gone = sum(outcome.refused.values())
    if outcome.total != outcome.kept + gone:
        raise AssertionError(f"{stage.name}: {outcome.total} in, {outcome.kept} out, but {gone} in the ledger")


def _output(folder: Path) -> str:
    """Return the digest of the records that a stage gives to later ones."""
    files = [path for path in sorted(folder.iterdir()) if path.suffix in (".parquet", ".jsonl")]
    records = [path for path in files if not path.name.startswith(("ledger-", "."))]
    return digest([[path.name, file_digest(path)] for path in records])
