"""What stands on a page whose stage has made nothing yet: what to start, or what the recipe lacks first."""

from nicegui import ui

from weitiao.pipeline import SETTINGS
from weitiao.recipe import load
from weitiao.studio.page import Studio
from weitiao.studio.parts import empty, words
from weitiao.talk import t


def nothing_yet(studio: Studio, stage: str, title: str, hint: str, icon: str, command: str = "run") -> None:
    """Say `title`, `hint` and what to start, or that the recipe lacks the stage; a wrong recipe raises UserError."""
    known = stage in load(studio.file, SETTINGS).sections
    lacks = t("The recipe has no stage `{stage}`: the + on the page Recipe adds it.", stage=stage)
    with empty(title, hint if known else lacks, icon=icon):
        if known:
            words("code", f"weitiao {command} {studio.file.name}")
        else:
            ui.link(t("To the page Recipe"), "/recipe").classes("quiet button")
