"""The Chat page: one question to several models, their answers side by side as they are written."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial

from nicegui import background_tasks, ui
from nicegui.events import GenericEventArguments, KeyEventArguments

from weitiao.errors import UserError
from weitiao.serve.refusal import Refusal
from weitiao.studio.chat_setup import Setup
from weitiao.studio.conversation import Answer, Speaker, Turn
from weitiao.studio.memory import recalled
from weitiao.studio.page import Page, Studio
from weitiao.studio.parts import empty, icon_button, named, plain, words
from weitiao.studio.send_dialogs import Sending
from weitiao.studio.visitor import visitor
from weitiao.talk import t

# Seconds between two looks of an answer that grows: often enough to read along.
_LOOK = 0.06
_ENTER = """(e) => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing || e.keyCode === 229) return;
  e.preventDefault();
  emit(e.target.value);
}"""
# Stays at the end of what grows, unless the reader has gone up to read.
_FOLLOW = """
  const log = getHtmlElement(%s);
  let low = true;
  const look = () => { low = innerHeight + scrollY > document.body.scrollHeight - 80; };
  addEventListener("scroll", look, { passive: true });
  new ResizeObserver(() => { if (low) scrollTo(0, document.body.scrollHeight); }).observe(log);
"""


class Chat:
    """The page of one visitor."""

    def __init__(self, studio: Studio) -> None:
        self.memory = studio.memories.of(visitor.get().id)
        self.studio = studio
        self.talk = recalled(self.memory.talk)
        self.setup = Setup(studio, self.talk.manner if self.talk.turns else None, self.memory.models)
        self.sending = Sending(studio, self.memory)
        self._going: list[asyncio.Task[None]] = []
        self._blocks: list[ui.element] = []

    def draw(self) -> None:
        """Draw the page."""
        with ui.element("div").classes("chat"):
            self.setup.draw()
            self._log = named(ui.element("section").classes("turns").props("role=log aria-live=off"), t("Conversation"))
            self._invite()
            self._composer()
        self.sending.draw()
        for turn in self.talk.turns:
            self._draw_turn(turn, [*turn.answers])
        ui.keyboard(self._key, repeating=False, ignore=[])
        ui.context.client.on_delete(self.stop)
        ui.run_javascript(_FOLLOW % self._log.id)

    def stop(self) -> None:
        """Break off the answers under way."""
        for task in self._going:
            task.cancel()

    def _invite(self) -> None:
        with self._log:
            self._hint = ui.element("div")
            with (
                self._hint,
                empty(t("Ask them all"), t("One question goes to every model chosen above."), icon="forum"),
            ):
                pass

    def _composer(self) -> None:
        with ui.element("div").classes("composer"):
            self._field = ui.textarea(placeholder=t("Your question")).props("autogrow outlined dense autofocus")
            named(self._field, t("Your question"))
            self._field.on("keydown", self._entered, js_handler=_ENTER)
            self._send = icon_button("arrow_upward", t("Send"), self._press).classes("send")
            icon_button("edit_square", t("New conversation"), self._anew)

    def _entered(self, event: GenericEventArguments) -> None:
        if not self._going:
            self._ask(str(event.args))

    def _press(self) -> None:
        if self._going:
            self.stop()
        else:
            self._ask(self._field.value or "")

    def _key(self, event: KeyEventArguments) -> None:
        if event.key == "Escape" and event.action.keydown:
            self.stop()

    def _anew(self) -> None:
        self.stop()
        self._cut(0)
        self._remember()
        self._hint.visible = True
        self._field.run_method("focus")

    def _cut(self, place: int) -> None:
        """Take away the turn at `place` and all after it."""
        self.talk.back_to(place)
        for block in self._blocks[place:]:
            block.delete()
        del self._blocks[place:]

    def _ask(self, question: str) -> None:
        speakers = self.setup.chosen()
        if not question.strip():
            return
        if not speakers:
            ui.notify(t("Choose a model first"), type="warning")
            return
        self.talk.manner = self.setup.manner
        turn = self.talk.ask(question.strip(), [speaker.name for speaker in speakers])
        self._field.value = ""
        self.memory.models = [*turn.answers]
        self._remember()
        shown = self._draw_turn(turn, [*turn.answers])
        for speaker, view in zip(speakers, shown, strict=True):
            task = background_tasks.create(self._listen(turn, speaker, view), name=speaker.name, context=self._log)
            self._going.append(task)
            task.add_done_callback(self._done)
        self._show_state()

    def _remember(self) -> None:
        """Have the server know the conversation when the page is drawn anew; of two pages, the one that asked last."""
        self.memory.talk = self.talk if self.talk.turns else None
        self.studio.memories.forget_the_oldest()

    def _draw_turn(self, turn: Turn, names: Sequence[str]) -> list["_View"]:
        """Draw a question with the place of each answer."""
        self._hint.visible = False
        with self._log, ui.element("article").classes("turn") as block:
            self._blocks.append(block)
            self._question(turn)
            with ui.element("div").classes("answers").style(f"--models: {len(names)}"):
                return [self._answer(name, turn) for name in names]

    def _done(self, task: "asyncio.Task[None]") -> None:
        self._going.remove(task)
        if not self._going and not self._log.is_deleted:
            self._show_state()

    def _show_state(self) -> None:
        """Make the button what can be pressed now."""
        self._send.icon, name = ("stop", t("Stop")) if self._going else ("arrow_upward", t("Send"))
        named(self._send, name).props["title"] = name

    def _question(self, turn: Turn) -> None:
        self._fill(ui.element("div").classes("question"), turn)

    def _fill(self, place: ui.element, turn: Turn) -> None:
        with place:
            words("p", turn.question, "said")
            with ui.element("div").classes("tools"):
                icon_button("content_copy", t("Copy the question"), partial(ui.clipboard.write, turn.question))
                icon_button("edit", t("Edit and ask again"), lambda: self._edit(place, turn))

    def _edit(self, place: ui.element, turn: Turn) -> None:
        place.clear()
        with place, ui.element("div").classes("editor"):
            field = ui.textarea(value=turn.question).props("autogrow outlined dense autofocus")
            named(field, t("Your question"))

            def again() -> None:
                if self._going:
                    ui.notify(t("Stop the answers first"), type="warning")
                    return
                text = field.value or ""
                self._cut(self.talk.turns.index(turn))
                self._ask(text)

            def leave() -> None:
                place.clear()
                self._fill(place, turn)

            ui.button(t("Ask again"), on_click=again, color=None).props("flat no-caps").classes("firm")
            ui.button(t("Leave it"), on_click=leave, color=None).props("flat no-caps").classes("quiet")

    def _answer(self, name: str, turn: Turn) -> "_View":
        with named(ui.element("section").classes("answer"), name):
            words("h2", name)
            view = _View(lambda: self.sending.send(self.talk, turn, name))
            view.show(turn.answers[name])
            return view

    async def _listen(self, turn: Turn, speaker: Speaker, view: "_View") -> None:
        answer, shown = turn.answers[speaker.name], 0.0
        try:
            async for answer in self.talk.listen(turn, speaker):
                if (now := time.monotonic()) - shown > _LOOK:
                    shown = now
                    view.show(answer)
        except (UserError, Refusal) as error:
            answer.error = str(error)
        finally:
            if not self._log.is_deleted:
                view.show(answer)


class _View:
    """An answer on the page."""

    def __init__(self, send: Callable[[], Awaitable[None]]) -> None:
        """`send` sends the conversation up to here to review."""
        self._text = words("p", "", "said")
        with ui.element("div").classes("tools"):
            self._note = words("span", t("Waits for the model"), "note").props("role=status")
            self._tools = (
                icon_button("content_copy", t("Copy the answer"), lambda: ui.clipboard.write(self._text.text)),
                icon_button("rate_review", t("Send it to review as a new record"), send),
            )

    def show(self, answer: Answer) -> None:
        """Show what there is by now."""
        self._text.text = answer.text
        self._note.text = _note(answer)
        self._note.classes(add="bad" if answer.error else "", remove="" if answer.error else "bad")
        for tool in self._tools:
            tool.visible = bool(answer.text.strip() and answer.finish)


def _note(answer: Answer) -> str:
    if answer.error:
        return plain(answer.error)
    if answer.finish is None:
        return t("writes") if answer.text else t("Waits for the model")
    took = t("{seconds:.1f} s", seconds=answer.seconds)
    ends = {"length": t("cut at the longest"), "broken": t("broken off")}
    return " · ".join(filter(None, (took, ends.get(answer.finish), None if answer.text else t("no text"))))


def _draw(studio: Studio) -> None:
    Chat(studio).draw()


_KEYS = (
    ("Enter", "Send the question"),
    ("Shift+Enter", "Begin a new line"),
    ("Esc", "Break off the answers"),
)
PAGE = Page("/chat", "Chat", "forum", _draw, keys=_KEYS, wide=True)
