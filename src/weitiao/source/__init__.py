"""source: read any format into records, noting origin, licence and row; no text is changed."""

from typing import Literal

from pydantic import Field

from weitiao.errors import UserError
from weitiao.recipe import Recipe, Settings
from weitiao.stage import Stage

Shape = Literal[
    "auto", "records", "openai", "sharegpt", "xtuner", "pairs", "cqia", "alpaca", "alpaca_zh", "qa", "forum", "guanaco",
    "posts", "label_studio", "doccano", "doccano_seq2seq", "argilla", "lines", "thread", "article", "page",
]  # fmt: skip
# What a text or page is cut into; rows of other files are then recognised as they are.
CUTS = ("auto", "lines", "thread", "article", "page")


class BadRows(UserError):
    """Rows that cannot be read, where nobody has said that the line may go on without them."""


class Source(Settings):
    """Which files to read, and how."""

    inputs: list[str] = Field(
        min_length=1,
        description="Files, folders and patterns, relative to the recipe; a data set as hf:OWNER/NAME[:CONFIG][:SPLIT]",
    )
    shape: Shape = Field(
        "auto",
        description="What a row is, where it is not found by itself; `lines`: a line of a text; of a page `posts`, "
        "`thread`: its question and best reply, `article`: what it is about, `page`: its HTML",
    )
    text: str | None = Field(None, description="The column that holds a post's text, where it is not found by itself")
    encoding: str = Field("auto", description="auto, or a name such as utf-8, gb18030, big5, utf-16")
    licence: str | None = Field(
        None, description="Licence of the material, noted with each record that brings none of its own"
    )
    skip_bad: bool = Field(False, description="Go on without rows that cannot be read; they stand in the ledger")


def outside(recipe: Recipe) -> object:
    """Return the digest of every input file; raises UserError that names the input which gives none."""
    from weitiao.source.files import digests, find

    inputs = recipe.section("source", Source).inputs
    try:
        return digests(inputs, recipe.folder)
    except UserError:
        for index, text in enumerate(inputs):  # once more, one by one: which was it?
            try:
                find([text], recipe.folder)
            except UserError as error:
                raise recipe.placed(("source", "inputs", index), error) from None
        raise


STAGE = Stage(
    "source", Source, "weitiao.source.run:run", "Read {kept} of {total} rows", gives_records=True, outside=outside
)
