"""Blind voting on the Compare page: a question, two answers without names, and keys to say which is better."""

from collections.abc import Callable
from functools import lru_cache, partial
from pathlib import Path
from typing import get_args

import orjson
from nicegui import ui
from nicegui.events import KeyEventArguments

from weitiao.compare.votes import Ballot, Box, Choice, Pair, Vote
from weitiao.studio import names
from weitiao.studio.aside import aside
from weitiao.studio.memory import Memory
from weitiao.studio.page import Studio
from weitiao.studio.parts import empty, icon_button, named, words
from weitiao.talk import t

VOTES = "/votes.jsonl"
KEYS = (
    ("1", "The first answer is better"),
    ("2", "The second answer is better"),
    ("0", "Both are equally good"),
    ("b", "Both are bad"),
    ("u", "Take back the last vote"),
)
_CHOICES: dict[str, Choice] = dict(zip("120b", get_args(Choice), strict=True))
_SAID = {"before": "before is better", "after": "after is better", "tie": "equally good", "bad": "both bad"}


def ballot_of(studio: Studio) -> Ballot | None:
    """Return what can be voted on; None before there is a report."""
    report = studio.run / "compare" / "report.json"
    return _read(report, report.stat().st_mtime_ns) if report.is_file() else None


@lru_cache(2)
def _read(report: Path, stamp: int) -> Ballot:
    facts = orjson.loads(report.read_bytes())
    return Ballot.of(facts["records"], facts["seed"])


class Voting:
    """The voting of one visitor; what was voted is in the file alone."""

    def __init__(self, studio: Studio, memory: Memory, read: Callable[[], object]) -> None:
        """`read` opens the report."""
        self.studio, self.memory, self._open_report = studio, memory, read
        self.box = Box(studio.run)
        self.ballot: Ballot | None = None
        self._own = ""  # the name of the visitor's token: their votes carry that and no other
        self._pair: Pair | None = None
        self._busy = False

    @property
    def who(self) -> str:
        """Under which name the visitor votes, empty as long as they have given none."""
        return self._own or self.memory.name

    def draw(self) -> None:
        """Draw the place of the voting; nothing is in it before `show`."""
        self._place = named(ui.element("section").classes("vote"), t("Blind voting"))
        self._place.visible = False
        ui.keyboard(self._key, repeating=False, ignore=["input", "select", "textarea"])

    def hide(self) -> None:
        """Take the voting off the page."""
        self._place.clear()
        self._place.visible, self._pair = False, None

    async def begun(self) -> bool:
        """Tell whether the visitor has voted on some pairs, and not on all: the report would tell the sides."""
        return 0 < len(await self._far()) < self._total

    async def due(self) -> bool:
        """Tell whether there are pairs, and the visitor has voted on none."""
        return not await self._far() and self._total > 0

    @property
    def _total(self) -> int:
        return len(self.ballot.rows) if self.ballot else 0

    async def _far(self) -> list[Vote]:
        """Find out who the visitor is and what can be voted on; return their votes on that."""
        self._own = await names.of_token(self.studio)
        self.ballot = await aside(ballot_of, self.studio)
        votes = await aside(self.box.votes)
        rows = self.ballot.rows if self.ballot else {}
        return [one for one in votes if one.who == self.who and one.pair in rows]

    async def show(self) -> None:
        """Show what comes next for this visitor."""
        done = await self._far()
        self._place.clear()
        self._place.visible, self._pair = True, None
        with self._place:
            if self.ballot is None or not self.ballot.rows:
                with empty(
                    t("Nothing to vote on"), t("There is no pair of answers yet that differ."), icon="how_to_vote"
                ):
                    pass
            elif not self.who:
                self._ask_name(len(self.ballot.rows))
            else:
                self._pair = self.ballot.next(self.who, done)
                self._head(len(done), len(self.ballot.rows))
                if self._pair:
                    self._draw_pair(self._pair)
                else:
                    self._end(self.ballot, done)

    def _ask_name(self, count: int) -> None:
        with ui.element("form").classes("begin") as form:
            words("h2", t("Vote without knowing which answer is whose"))
            words(
                "p", t("{count} pairs of answers, before and after the tuning, in an order drawn for you.", count=count)
            )
            words("p", t("Vote before you read the report, which names the sides. Others may vote at the same time."))
            name = ui.input(t("Your name, which stands beside your votes")).props(
                f"outlined dense maxlength={names.LONGEST}"
            )
            ui.button(t("Begin"), color=None).props("flat no-caps type=submit").classes("firm")

        async def begun() -> None:
            await names.take(self.studio, self.memory, name.value or "")
            if self.memory.name:
                await self.show()

        form.on("submit.prevent", begun)

    def _head(self, done: int, total: int) -> None:
        with ui.element("div").classes("bar"):
            words("p", t("{done} of {total} voted on", done=done, total=total), "note").props("role=status")
            bar = words("progress", "").props(f"max={total} value={done}")
            named(bar, t("Progress"))
            words("span", self.who, "note voter")
            undo = icon_button("undo", t("Take back the last vote"), self._undo)
            undo.set_enabled(done > 0)
            if not self._own:
                icon_button("switch_account", t("Vote under another name"), self._leave)

    def _draw_pair(self, pair: Pair) -> None:
        with named(ui.element("article").classes("asked"), t("Question")):
            for message in pair.question:
                if len(pair.question) > 1:
                    words("span", t(message["role"]), "note")
                words("p", message["content"], "said")
        with ui.element("div").classes("answers").style("--models: 2"):
            for number, text in enumerate(pair.answers, start=1):
                with named(ui.element("section").classes("answer"), t("Answer {number}", number=number)):
                    words("h2", t("Answer {number}", number=number))
                    words("p", text if text.strip() else t("(no text)"), "said" if text.strip() else "note")
        with named(ui.element("div").classes("choices").props("role=group"), t("Which is better?")):
            for key, what in KEYS[:4]:
                button = ui.button(on_click=partial(self._vote, key), color=None).props("flat no-caps").classes("quiet")
                with button:
                    words("kbd", key)
                    words("span", t(what))

    def _end(self, ballot: Ballot, done: list[Vote]) -> None:
        counts = {name: sum(one.said == name for one in done) for name in _SAID}
        words("h2", t("You have voted on all pairs"))
        words("p", " · ".join(f"{t(_SAID[name])}: {count}" for name, count in counts.items()), "told")
        words("p", t("The next run counts the votes of all into the report; no answer is asked for again:"))
        words("code", f"weitiao run {self.studio.file.name}")
        with ui.element("div").classes("ends"):
            ui.button(t("Read the report"), on_click=self._open_report, color=None).props("flat no-caps").classes(
                "firm"
            )
            link = ui.link(target=VOTES).props("download").classes("quiet button")
            with link:
                words("span", t("Votes of all, as JSON lines"))
        said = {one.pair: one.said for one in done}
        with ui.element("ol").classes("revealed"):
            for pair in ballot.order(self.who):
                with ui.element("li"), ui.element("details"):
                    with ui.element("summary"):
                        words("span", t(_SAID[said[pair.key]]), "chip")
                        words("span", pair.question[-1]["content"])
                    for side, text in zip(pair.sides, pair.answers, strict=True):
                        words("h3", t(side.capitalize()))
                        words("p", text, "said")

    def _leave(self) -> object:
        self.memory.name = ""
        return self.show()

    async def _key(self, event: KeyEventArguments) -> None:
        if event.action.keydown and not (event.modifiers.ctrl or event.modifiers.meta or event.modifiers.alt):
            key = str(event.key)
            if key in _CHOICES:
                await self._vote(key)
            elif key == "u":
                await self._undo()

    async def _vote(self, key: str) -> None:
        # A key that is pressed before the next pair is seen is meant for the one before.
        if self._pair is None or self._busy:
            return
        self._busy = True
        try:
            await aside(self.box.cast, self.who, self._pair, _CHOICES[key])
            await self.show()
        finally:
            self._busy = False

    async def _undo(self) -> None:
        if self._busy or not self._place.visible or self.ballot is None or not self.who:
            return
        self._busy = True
        try:
            await aside(self.box.undo, self.who, self.ballot.rows)
            await self.show()
        finally:
            self._busy = False
