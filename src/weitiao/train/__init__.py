"""train: fine-tune the base model with LoRA on the exported conversations."""

from pathlib import Path
from typing import Literal

from pydantic import Field

from weitiao.recipe import Recipe, Settings
from weitiao.stage import Stage


class Train(Settings):
    """How to train."""

    epochs: float = Field(3, gt=0, description="Passes over the training records")
    max_steps: int | None = Field(None, ge=1, description="End after this many optimizer steps, whatever the epochs")
    learning_rate: float = Field(2e-4, gt=0, description="Highest learning rate, reached after the warm-up")
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps over which the learning rate rises")
    weight_decay: float = Field(0, ge=0, description="Weight decay of AdamW")
    clip: float = Field(1.0, gt=0, description="Longest gradient; a longer one is shortened to it")
    r: int = Field(16, ge=1, description="Rank of the LoRA matrices")
    alpha: int = Field(32, ge=1, description="Scale of the LoRA matrices, divided by their rank")
    dropout: float = Field(0, ge=0, lt=1, description="Share of the LoRA inputs set to zero in training")
    targets: str | list[str] = Field(
        "all-linear", description="Layers that get LoRA, by the end of their names; all-linear: all but the head"
    )
    max_length: int = Field(2048, ge=2, description="Tokens of a pack, and the most that one record may have")
    accumulate: int = Field(1, ge=1, description="Packs an optimizer step")
    packing: bool = Field(True, description="Lay several records in one row; they do not see each other")
    turns: Literal["all", "last"] = Field("all", description="Answers that carry loss: all of a record, or its last")
    overlong: Literal["error", "cut", "drop"] = Field(
        "error", description="What becomes of a record longer than max_length; cut keeps the stop token"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the frozen weights; auto: bfloat16 where the machine computes in it"
    )
    gradient_checkpointing: bool = Field(False, description="Compute activations twice to keep fewer of them")
    evaluate_every: int | None = Field(
        None, ge=1, description="Steps between held-out losses; once an epoch if not set"
    )
    save_every: int | None = Field(None, ge=1, description="Steps between checkpoints; once an epoch if not set")
    save_total_limit: int = Field(2, ge=1, description="How many checkpoints are kept")
    log_every: int = Field(1, ge=1, description="Steps between lines of metrics")
    probes: list[str] = Field(default_factory=list, description="Questions answered before, during and after training")
    probe_every: int | None = Field(
        None, ge=1, description="Steps between answers to the probes; once an epoch if not set"
    )
    probe_tokens: int = Field(64, ge=1, description="Longest answer to a probe, in tokens")
    validation: list[str] = Field(
        default_factory=list, description="Input files whose records are held out, where the recipe has no split"
    )
    record_losses: bool = Field(True, description="Measure the loss of each training record before and after")


def outside(recipe: Recipe) -> object:
    """Return what tells one state of a local base model from another; None for `tiny` and for names on the hub."""
    folder = recipe.folder / Path(recipe.project.model).expanduser()
    if recipe.project.model == "tiny" or not folder.is_dir():
        return None
    stats = {path.name: path.stat() for path in sorted(folder.iterdir()) if path.is_file()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()}


STAGE = Stage(
    "train",
    Train,
    "weitiao.train.run:run",
    "Trained on {kept} of {total} records",
    reads=("export",),
    needs=("export",),
    project=("seed", "model", "template"),
    outside=outside,
)
