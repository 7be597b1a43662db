"""Starts and stops the run, and shows how far it is and what it says; all visitors see the same one."""

import signal
from collections.abc import Callable

from nicegui import ui

from weitiao.errors import UserError
from weitiao.studio.page import Studio
from weitiao.studio.parts import named, refused, words
from weitiao.studio.runner import State
from weitiao.talk import t

# Seconds between two looks at the run.
_LOOK = 1.0
# Stays at the end of the log, unless the reader has gone up to read.
_FOLLOW = """
  const log = getHtmlElement(%s);
  let low = true;
  log.addEventListener("scroll", () => { low = log.scrollTop + log.clientHeight > log.scrollHeight - 40; });
  new MutationObserver(() => { if (low) log.scrollTop = log.scrollHeight; })
    .observe(log, { childList: true, characterData: true, subtree: true });
  log.scrollTop = log.scrollHeight;
"""


class RunPanel:
    """The run as one visitor sees it; `turned` is called when a stage has begun or ended, `ready` before a start."""

    def __init__(self, studio: Studio, ready: Callable[[], None], turned: Callable[[], None]) -> None:
        self._runner, self._ready, self._turned = studio.runner, ready, turned
        self._state, self._stamp = self._runner.state(), (-1, -1)

    @property
    def stage(self) -> str:
        """The stage that runs now, empty for none."""
        return self._state.stage if self._state.runs else ""

    def draw(self) -> None:
        """Draw it where the page is now."""
        with named(ui.element("section").classes("run"), t("The run")):
            with ui.element("div").classes("bar"):
                self._start = ui.button(t("Run"), icon="play_arrow", on_click=lambda: self.start(), color=None)
                self._start.props("flat no-caps").classes("firm")
                self._stop = ui.button(t("Stop"), icon="stop", on_click=self._stopped, color=None)
                self._stop.props("flat no-caps").classes("quiet")
                self._said = words("p", "").props("role=status")
            self._bar = named(ui.linear_progress(show_value=False, size="6px", color=None), t("Progress"))
            with ui.element("details").classes("folded") as self._fold:
                words("summary", t("Log of the last run started here"))
                self._log = words("pre", "", "log").props("tabindex=0 role=log")
                named(self._log, t("Log of the last run started here"))
        if self._state.runs:
            self._fold.props["open"] = True
        ui.run_javascript(_FOLLOW % self._log.id)
        self._show()
        ui.timer(_LOOK, self._look)

    def start(self, *, first: str | None = None, last: str | None = None) -> None:
        """Start the run."""
        if not refused(self._ready) and not refused(lambda: self._runner.start(first=first, last=last)):
            self._fold.props["open"] = True
            self._look()

    def _stopped(self) -> None:
        refused(self._runner.stop)
        self._look()

    def _look(self) -> None:
        before, self._state = self._state, self._runner.state()
        self._show()
        if (before.runs, before.stage) != (self._state.runs, self._state.stage):
            self._turned()

    def _show(self) -> None:
        state = self._state
        self._start.visible, self._stop.visible = not state.runs, state.runs
        self._stop.set_enabled(not state.stopping)
        self._said.text = told(state)
        progress = state.progress if state.runs else None
        self._bar.visible = progress is not None
        if progress:
            self._bar.props["value"] = round(progress.done / progress.total, 3)
        if (stamp := self._runner.log_stamp()) != self._stamp:
            self._stamp = stamp
            nothing = t("The run has said nothing yet") if any(stamp) else t("Nothing was run from here yet")
            self._log.text = self._runner.log() or nothing


def told(state: State) -> str:
    """Return in words how the run is."""
    if not state.runs:
        stopped = t("Stopped: what is finished is safe, and the next run goes on from there")
        ends = {
            None: "",
            0: t("The run has ended in order"),
            2: t("The run has ended with an error, which the log tells"),
            130: stopped,
            -signal.SIGINT: stopped,  # so early or so late that Python was not there to answer
        }
        return ends.get(state.status, t("The run has broken off; the log tells more"))
    if state.stopping:
        return t("Stopping")
    parts = [t("{stage} runs", stage=t(state.stage)) if state.stage else t("It runs")]
    if not state.ours:
        parts.append(t("started in a terminal, where its log is"))
    if far := state.progress:
        parts.append(f"{far.done:,} / {far.total:,} {t(far.what)}")
        if far.left is not None:
            parts.append(time_left(far.left))
    return " · ".join(parts)


def time_left(seconds: float) -> str:
    """Return in words how long it takes yet."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes < 2:
        return t("{seconds} s left", seconds=minutes * 60 + rest)
    hours, minutes = divmod(minutes, 60)
    return (
        t("{hours} h {minutes} min left", hours=hours, minutes=minutes)
        if hours
        else t("{minutes} min left", minutes=minutes)
    )


def unsaved() -> UserError:
    """Return why nothing starts while there is something to save."""
    return UserError(t("Save the recipe first: the run reads the file"))
