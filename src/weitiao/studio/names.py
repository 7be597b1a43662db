"""Under which name a visitor votes and sends: that of their token, else one that they give and nobody's token has."""

from weitiao.errors import UserError
from weitiao.studio.aside import aside, visitor_of
from weitiao.studio.memory import Memory
from weitiao.studio.page import Studio
from weitiao.talk import t

LONGEST = 80


async def of_token(studio: Studio) -> str:
    """Return the name of the person whose token the visitor came with, empty for none."""
    visitor = visitor_of()
    if studio.reviewers is None or visitor is None:
        return ""
    person = await aside(studio.reviewers.person, visitor.request.headers)
    return person.name if person else ""


async def take(studio: Studio, memory: Memory, given: str) -> None:
    """Remember the name that a visitor gives; raises UserError where it is a reviewer's, who has a token for it."""
    name = given.strip()[:LONGEST]
    desk = await aside(studio.reviewers.desk) if studio.reviewers else None
    if desk and any(one.name == name for one in await aside(desk.people)):
        raise UserError(
            t("{name} reviews here, by a token", name=name),
            t("If that is you, log in on the Review page and come back; else take another name"),
        )
    memory.name = name
