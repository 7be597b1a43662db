"""review: people accept, edit or reject what a queue shows them; nothing that was decided is ever deleted."""

from typing import Literal

from pydantic import Field

from weitiao.recipe import Settings
from weitiao.stage import Stage


class Review(Settings):
    """Who is looked at, by how many, and what becomes of what nobody has decided."""

    queue: Literal["doubt", "all"] = Field(
        "doubt", description="What people look at: records in doubt and a random audit of the others, or all records"
    )
    audit: float = Field(0.02, ge=0, le=1, description="Share of the records not in doubt that are drawn at random")
    controls: float = Field(
        0.05, ge=0, le=1, description="Bad answers planted in the queue, as a share of it; they never go on"
    )
    double: float = Field(
        0.1, ge=0, le=1, description="Share of the queue that two people decide on without seeing each other"
    )
    undecided: Literal["wait", "keep", "drop"] = Field(
        "wait", description="What becomes of a queued record that nobody has decided: the line waits, it stays or goes"
    )
    lease: int = Field(900, ge=10, description="Seconds for which a record is kept for the person who was given it")
    database: str = Field(
        "",
        description="Address of a PostgreSQL database for a team; WEITIAO_REVIEW_DB stands before it; "
        "empty: a file in the run's folder",
    )


STAGE = Stage(
    "review",
    Review,
    "weitiao.review.run:run",
    "Reviewed {decided} of {queued} queued records ({accepted} accepted, {edited} edited, {rejected} rejected), "
    "{kept} of {total} go on",
    "Reviewed {decided} of {queued} queued records ({accepted} accepted, {edited} edited, {rejected} rejected), "
    "{waiting} wait for people",
    reads_records=True,
    gives_records=True,
    project=("seed",),
    beside=("database", "lease"),
    decided="weitiao.review.run:decided",
)
