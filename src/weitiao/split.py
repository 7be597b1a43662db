"""split: assign whole families to train, test and any other part, so that no part has seen another's questions."""

from pydantic import Field

from weitiao.recipe import Settings
from weitiao.stage import Stage


class Split(Settings):
    """How much goes where."""

    ratios: dict[str, float] = Field(
        default_factory=lambda: {"train": 0.8, "validation": 0.1, "test": 0.1},
        description="Parts by name and their share; the shares sum to 1",
    )
    in_order: bool = Field(False, description="Keep the file's order: the first rows train, the last test")
    stratify: str | None = Field(None, description="A fact whose values are spread evenly over the parts")


STAGE = Stage(
    "split",
    Split,
    "weitiao.split:run",
    "Split {kept} of {total} records",
    reads_records=True,
    gives_records=True,
    project=("seed",),
)
