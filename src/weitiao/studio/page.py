"""What a page of the studio is, and what it is given."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path

from weitiao.recipe import Recipe
from weitiao.serve.desk import Desk
from weitiao.studio.memory import Memories
from weitiao.studio.reviewers import Reviewers
from weitiao.studio.runner import Runner


@dataclass(frozen=True)
class Studio:
    """What all pages share: the recipe as it was at the start, its run, where models are asked, who runs stages."""

    recipe: Recipe
    file: Path  # where the recipe stands
    run: Path
    desk: Desk
    runner: Runner
    needs_token: bool = False
    reviewers: Reviewers | None = None  # of a recipe with the stage `review`
    memories: Memories = field(default_factory=Memories)


@dataclass(frozen=True)
class Page:
    """One page: where it is, its name and icon in the menu, and what draws it inside the frame.

    `title` and the second of each of `keys`, a key and what it does, are English texts that have their Chinese.
    """

    path: str
    title: str
    icon: str
    draw: Callable[[Studio], Awaitable[None] | None]
    keys: tuple[tuple[str, str], ...] = ()
    needs: str = ""  # the section of the recipe without which there is no such page
    wide: bool = False  # as wide as the window, where others keep to a readable width
