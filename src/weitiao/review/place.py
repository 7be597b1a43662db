"""Where a recipe's review database is."""

import os
from pathlib import Path

from weitiao.errors import UserError
from weitiao.recipe import Recipe
from weitiao.review import Review
from weitiao.review.desk import Desk
from weitiao.review.tables import file_url, stands
from weitiao.talk import t

VARIABLE = "WEITIAO_REVIEW_DB"


def address(recipe: Recipe, home: Path) -> str:
    """Return the database's address: the environment's, the recipe's, else a file beside the stages of the run."""
    settings = recipe.section("review", Review)
    return os.environ.get(VARIABLE) or settings.database or file_url(home / "review.db")


def desk(recipe: Recipe, home: Path) -> Desk:
    """Open the desk of a recipe whose run is at `home`."""
    lease = recipe.section("review", Review).lease
    return Desk.open(address(recipe, home), recipe.project.name, lease=lease)


def opened(recipe: Recipe, runs: Path | None) -> Desk:
    """Open the desk of a recipe whose queue was drawn; raises UserError where it was not."""
    if "review" not in recipe.sections:
        raise UserError(
            t("The recipe has no stage `{name}`", name="review"), t("Add `{need}:` to the recipe", need="review")
        )
    home = (runs or recipe.folder / "runs") / recipe.project.name
    if not stands(address(recipe, home)):
        raise UserError(t("No queue has been drawn yet"), t("weitiao run RECIPE --to review draws it"))
    return desk(recipe, home)
