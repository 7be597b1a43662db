"""The Review page: one record at a time, decided on by keys; what is beside it is drawn when somebody lingers."""

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any, TypeVar

from nicegui import ui
from nicegui.events import GenericEventArguments
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from weitiao.doubt import APART, AUDIT, DISAGREE, MARKS, NEAR, SENT, UNJUDGED, UNSURE
from weitiao.recipe import problem
from weitiao.review.decision import Decision, Item, Person, Said
from weitiao.review.desk import Desk, Taken
from weitiao.review.draw import ALL, CHAT
from weitiao.review.tables import Gone
from weitiao.studio import review_beside
from weitiao.studio.login import LOGIN, LOGOUT, REVIEW
from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import empty, words
from weitiao.studio.reviewers import Reviewers
from weitiao.talk import t

T = TypeVar("T")
AHEAD = 3  # records loaded beside the one that is looked at: as many as may be decided before the server has answered
_READ = 2.0  # seconds until it is looked again whether the run has been read
_COUNT, _LOOK = 1.0, 10.0  # seconds until it is counted how far it is, after a decision, and where nobody decides


class Sent(BaseModel):
    """A decision as the browser sends it."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    key: str = Field(max_length=100)
    decision: Decision


class _Board(ui.element, component="review.js"):
    """The record and its keys, drawn in the browser, so that the next one waits for no server."""


class _View:
    """The page of one person."""

    def __init__(self, studio: Studio, reviewers: Reviewers, desk: Desk, person: Person) -> None:
        self.studio, self.reviewers, self.desk, self.person = studio, reviewers, desk, person
        self._turn = asyncio.Lock()  # what is sent first is noted first
        self._known: dict[str, Item] = {}  # those that the browser has
        self._beside = ""
        self._due = 0.0  # when it is counted next

    def draw(self) -> None:
        """Draw the page."""
        with ui.element("div").classes("who"):
            words("span", self.person.name)
            with ui.element("form").props(f"method=post action={LOGOUT}"), ui.element("button").classes("plain"):
                words("span", t("Somebody else"))
        with _Board() as self.board:
            self.side = ui.element("div")
        self.board.props["words"] = _words()
        self.board.props["place"] = f"weitiao/review/{self.desk.project}/{self.person.name}"
        self.board.props["command"] = f"weitiao run {self.studio.recipe.project.name}.yaml"
        self.board.on("hello", self.hello).on("decide", self.decide).on("undo", self.undo)
        self.board.on("look", self.look).on("hold", self.hold)
        ui.timer(_COUNT, self.tick)
        self.reviewers.open[self.person.id] += 1
        ui.context.client.on_delete(self.leave)

    async def hello(self, event: GenericEventArguments) -> None:
        """Note what the browser could not bring before, and give it the first records."""
        for sent in event.args:
            await self.note(sent)
        if not event.args:
            await self.hold()
        await self.count()

    async def decide(self, event: GenericEventArguments) -> None:
        """Note a decision."""
        await self.note(event.args)

    async def note(self, args: Any) -> None:
        """Note a decision, and give the browser the records after it."""
        try:
            sent = Sent.model_validate(args)
        except ValidationError as error:
            key = args.get("key") if isinstance(args, dict) else None
            self.tell([], answered=str(key), error=problem(error.errors()[0]))
            return await self.hold()
        async with self._turn:
            if done := await self.ask(lambda: self._noted(sent)):
                wrong, items = done
                if not items:  # what is said then depends on what is left
                    await self.count()
                self.tell(items, answered=sent.key, error=wrong)
                self._due = 0.0

    def _noted(self, sent: Sent) -> tuple[str, list[Item]]:
        problem = ""
        try:
            self.desk.decide(self.person, sent.key, sent.decision)
        except Taken as error:
            problem = error.message
        return problem, self.desk.next(self.person, AHEAD)

    async def undo(self, _: GenericEventArguments) -> None:
        """Take the last decision back, and show its record."""
        async with self._turn:
            if done := await self.ask(self._undone):
                item, items = done
                if item is None:
                    self.board.run_method("nothing")
                self.tell(items, undone=item.key if item else None)
                self._due = 0.0
        await self.count()

    def _undone(self) -> tuple[Item | None, list[Item]]:
        item, items = self.desk.undo(self.person), self.desk.next(self.person, AHEAD)
        return item, [item, *(one for one in items if one.key != item.key)] if item else items

    async def ask(self, call: Callable[[], T]) -> T | None:
        """Ask the desk; None where the page was closed meanwhile, and where the database is gone.

        The browser is told of the latter; it keeps what it has.
        """
        try:
            found = await asyncio.to_thread(call)
        except Gone as error:
            self.board.run_method("stop", str(error))
            return None
        return None if self.board.is_deleted else found

    async def hold(self) -> None:
        """Keep what the person has for longer, or look whether there is something new."""
        async with self._turn:
            items = await self.ask(lambda: self.desk.next(self.person, AHEAD))
            if items is not None:
                self.tell(items)

    def tell(self, items: list[Item], **said: str | None) -> None:
        """Give the browser the records that it lacks, and the order of all."""
        new = [_shown(one) for one in items if one.key not in self._known]
        self._known = {one.key: one for one in items}
        self.board.run_method("take", {"order": list(self._known), "items": new, **said})

    async def count(self) -> None:
        """Tell how far it is."""
        self._due = time.monotonic() + _LOOK
        if counts := await self.ask(lambda: self.desk.progress(self.person)):
            self.board.run_method("count", counts)

    async def tick(self) -> None:
        """Tell how far it is where that is due; who has nothing is given what there may be by now."""
        if time.monotonic() >= self._due:
            await self.count()
            if not self._known:
                await self.hold()

    async def look(self, event: GenericEventArguments) -> None:
        """Draw what is beside a record: its life, and what is like it."""
        item = self._known.get(str(event.args))
        if item is None or item.key == self._beside:
            return
        self._beside = item.key
        found: review_beside.Beside | None = None
        while self._beside == item.key and not self.side.is_deleted and (found is None or found.near is None):
            if found:  # the run is being read
                await asyncio.sleep(_READ)
            found = await asyncio.to_thread(review_beside.find, self.studio.run, item)
            if self._beside == item.key and not self.side.is_deleted:
                self.side.clear()
                with self.side:
                    review_beside.draw(found)

    async def leave(self) -> None:
        """Let others have what the person left, if this was the last page that they had open."""
        self.reviewers.open[self.person.id] -= 1
        if not self.reviewers.open[self.person.id]:
            with suppress(Gone):
                await asyncio.to_thread(self.desk.give_back, self.person)


def _shown(item: Item) -> dict[str, Any]:
    """Return what the browser is given of a record; nothing tells a planted one from others."""
    return {
        "key": item.key,
        "messages": [{"role": role, "name": t(role), "content": content} for role, content in item.messages],
        "why": [_why(reason, item) for reason in item.reasons],
        "judge": _judge(item.judge) if item.judge else None,
        "opinions": [_opinion(said) for said in item.opinions],
    }


def _why(reason: str, item: Item) -> str:
    detail, sent = item.detail, item.facts.get(CHAT, {})
    said: dict[str, Callable[[], str]] = {
        UNSURE: lambda: t("The judge was not sure of its marks."),
        DISAGREE: lambda: t("Judges disagree on it."),
        NEAR: lambda: t("Its mark of {score} is near the threshold {setting}.", **detail),
        APART: lambda: t("Answers drawn several times disagree (agreement {agreement}).", **detail),
        UNJUDGED: lambda: t("No judge has marked it."),
        SENT: lambda: t("{who} sent it from the chat, where {model} gave the last answer.", **sent),
        AUDIT: lambda: t("Drawn at random, to speak for those that nobody sees."),
        ALL: lambda: t("All records are looked at."),
    }
    try:
        return said[reason]()
    except KeyError:  # of a label stage with words of its own, or one that noted no detail
        return t(reason)


def _judge(judge: dict[str, Any]) -> dict[str, Any]:
    marks = [(t(name), f"{judge[name]:.1f}".removesuffix(".0")) for name in MARKS if name in judge]
    return {"marks": marks, "reason": judge.get("reason", "")}


def _opinion(said: Said) -> dict[str, Any]:
    scores = (f"{t(name)} {score}" for name, score in said.said.get("scores", {}).items())
    told = filter(None, (*scores, *said.said.get("tags", ()), said.said.get("comment")))
    texts = [turn["content"] for turn in said.said.get("messages") or ()]
    return {"verdict": t(said.verdict), "said": " · ".join(told), "texts": texts}


def _words() -> dict[str, Any]:
    """Return what the page says by itself."""
    return {
        "counted": t("{mine} by you · {decided} of {queued} decided · {left} left"),
        "saving": t("saving {count}"),
        "progress": t("Decided so far"),
        "loading": t("Loading the next record"),
        "all": t("All is decided"),
        "on": t("The line goes on from here:"),
        "yours": t("Nothing is left for you"),
        "others": t("{left} wait for others: a second person, one who has not skipped them, or an adjudicator."),
        "record": t("The record"),
        "change": t("What the edit changes"),
        "accept": t("accept"), "edit": t("edit"), "reject": t("reject"), "skip": t("skip"), "undo": t("undo"),
        "save": t("save the edit"), "leave": t("leave it for now"), "discard": t("throw it away"),
        "unfinished": t("There is an unfinished edit: e goes on with it, x throws it away."),
        "unchanged": t("Nothing is changed yet."),
        "marks": {name: t(name) for name in MARKS},
        "tags": t("tags"), "comment": t("comment"), "apart": t("with commas between"),
        "beside": t("Beside the record"),
        "why": t("Why it is here"), "judge": t("The judge"), "opinions": t("What two people said"),
        "less": t("show less"), "more": t("its life, and others like it"),
        "lost": t("Not noted:"), "again": t("Load the page again"), "dismiss": t("I have seen it"),
        "nothing": t("There is nothing to take back."),
        "elsewhere": t("Somebody else is looking at that record now; it comes back when its turn is."),
        "undoing": t("Taken back."),
        "done": {
            "accept": t("Accepted."), "edit": t("Edit saved."), "reject": t("Rejected."), "skip": t("Skipped."),
        },
        "keys": t("One hand is enough: 1 to 5 mark harmless, honest and helpful in turn, 0 clears them; z undoes too."),
    }  # fmt: skip


async def _draw(studio: Studio) -> None:
    reviewers = studio.reviewers
    assert reviewers
    desk = await asyncio.to_thread(reviewers.desk)
    if desk is None:
        with empty(t("No queue has been drawn yet"), t("The stage `review` draws it."), icon="rate_review"):
            words("code", f"weitiao run {studio.recipe.project.name}.yaml --to review")
        return
    person = await asyncio.to_thread(reviewers.person, ui.context.client.request.headers)
    if person is None:  # invited anew since
        with empty(t("Who are you?"), t("Decisions are kept under a name."), icon="person"):
            ui.link(t("Log in"), f"{LOGIN}?next={REVIEW}")
        return
    _View(studio, reviewers, desk, person).draw()


_KEYS = (
    ("a", "Accept the record"),
    ("e", "Edit it; Ctrl+Enter saves, Esc leaves"),
    ("r", "Reject it"),
    ("s", "Skip it: others will see it"),
    ("u", "Undo the last decision; z does too"),
    ("1", "Mark from 1 to 5: harmless, honest, helpful in turn; 0 clears"),
    ("t", "Write tags"),
    ("c", "Write a comment"),
    ("x", "Throw an unfinished edit away"),
    ("d", "Show or hide its life and others like it"),
)
PAGE = Page(REVIEW, "Review", "rate_review", _draw, keys=_KEYS, needs="review", wide=True)
