"""export: let only trainable conversations out, in a format that trainers read; nothing is repaired here."""

from typing import Literal

from pydantic import Field

from weitiao.recipe import Settings
from weitiao.stage import Stage


class Export(Settings):
    """What is written."""

    format: Literal["openai", "alpaca", "sharegpt", "cqia", "llamafactory", "hf"] = Field(
        "openai", description="Format of the files, one a part"
    )
    system: str | None = Field(None, description="A system message for conversations that have none")


STAGE = Stage(
    "export",
    Export,
    "weitiao.export:run",
    "Exported {kept} of {total} records",
    reads_records=True,
    gives_records=True,
)
