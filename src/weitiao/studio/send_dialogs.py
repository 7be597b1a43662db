"""What the Chat page asks and says when a conversation is sent to review."""

from nicegui import ui

from weitiao.studio import names
from weitiao.studio.aside import aside
from weitiao.studio.conversation import Conversation, Turn
from weitiao.studio.memory import Memory
from weitiao.studio.page import Studio
from weitiao.studio.parts import named, told, words
from weitiao.studio.sending import FILE, Sent, mend, send
from weitiao.talk import t


class Sending:
    """Sends for one visitor."""

    def __init__(self, studio: Studio, memory: Memory) -> None:
        self.studio, self.memory = studio, memory

    def draw(self) -> None:
        """Draw the dialog, closed."""
        with ui.dialog() as self._dialog, ui.card().classes("keys") as self._card:
            pass

    async def send(self, talk: Conversation, turn: Turn, model: str) -> None:
        """Send the conversation that a model read, up to its answer of a turn; ask first who sends it."""
        who = await names.of_token(self.studio) or self.memory.name
        if not who:
            self._ask_name(talk, turn, model)
            return
        answer = turn.answers[model].text.strip()
        messages = [*talk.before(turn, model), ("assistant", answer)]
        sent = await aside(send, self.studio, messages, who, model, turn.manner)
        if sent.lacks:
            self._offer(sent, talk, turn, model)
        else:
            ui.notify(_told(sent), type="positive", multi_line=True, close_button=t("Close"))

    def _ask_name(self, talk: Conversation, turn: Turn, model: str) -> None:
        self._card.clear()
        with self._card, ui.element("form").classes("asks") as form:
            words("h2", t("Send it to review as a new record"))
            words("p", t("The conversation up to this answer is kept in {file}, with your name.", file=FILE))
            name = ui.input(t("Your name")).props(f"outlined dense autofocus maxlength={names.LONGEST}")
            self._buttons(t("Send"))

        async def given() -> None:
            await names.take(self.studio, self.memory, name.value or "")
            if self.memory.name:
                self._dialog.close()
                await self.send(talk, turn, model)

        form.on("submit.prevent", given)
        self._open(t("Send it to review as a new record"))

    def _offer(self, sent: Sent, talk: Conversation, turn: Turn, model: str) -> None:
        """Say what the recipe lacks for the record to come to people, and offer to add it."""
        self._card.clear()
        with self._card, ui.element("form").classes("asks") as form:
            words("h2", t("It is kept, but nobody will see it yet"))
            if "source" in sent.lacks:
                told("p", t("The recipe does not read {file}: it has to stand in `source.inputs`.", file=FILE))
            if "review" in sent.lacks:
                told("p", t("The recipe has no stage `review`, which shows records to people."))
                words("p", t("The page Review is there when the studio is started anew."), "note")
            self._buttons(t("Add it to the recipe"))

        async def added() -> None:
            await aside(mend, self.studio, sent.lacks)
            self._dialog.close()
            await self.send(talk, turn, model)

        form.on("submit.prevent", added)
        self._open(t("It is kept, but nobody will see it yet"))

    def _buttons(self, firm: str) -> None:
        with ui.element("div").classes("ends"):
            ui.button(firm, color=None).props("flat no-caps type=submit").classes("firm")
            ui.button(t("Leave it"), on_click=self._dialog.close, color=None).props("flat no-caps").classes("quiet")

    def _open(self, name: str) -> None:
        named(self._dialog, name)
        self._dialog.open()


def _told(sent: Sent) -> str:
    if sent.queued:
        return t("Sent to review: it is the next in the queue. The next run takes it into the line.")
    if sent.before:
        return t("It was sent before, by {who} ({when})", **sent.before)
    return t("Kept in {file}: the next run puts it in the queue", file=FILE)
