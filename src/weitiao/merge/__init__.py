"""merge: add the adapter to its base model and check that both answer alike."""

from typing import Literal

from pydantic import Field

from weitiao.recipe import Settings
from weitiao.stage import Stage


class Merge(Settings):
    """How the merged model is written."""

    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto", description="Number format of the merged weights; auto: the base model's"
    )
    max_shard_size: str = Field("5GB", pattern=r"^\d+[KMG]i?B$", description="Largest size of one file of weights")
    layout: Literal["original", "llama"] = Field(
        "original", description="Names and order of the weights: the base's own, or Llama's (for InternLM2)"
    )
    prompts: int = Field(
        8, ge=1, description="How many questions are asked before and after merging, and their answers compared"
    )
    tokens: int = Field(32, ge=1, description="Longest answer to them, in tokens")


STAGE = Stage(
    "merge",
    Merge,
    "weitiao.merge.run:run",
    "Merged: {same} of {prompts} answers the same, logits differ by {difference} at most",
    reads=("export", "train"),
    needs=("train",),
    project=("seed", "model", "template", "trust_remote_code", "thinking"),
)
