"""train: fine-tune the base model, by LoRA or as a whole, on the exported conversations."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from weitiao.model.hub import place
from weitiao.recipe import Recipe, Settings
from weitiao.stage import Stage
from weitiao.talk import t

Auto = Literal["auto"]

# XTuner's names of ways to split a training by DeepSpeed: ZeRO's stages, and what rests in the memory of the machine.
_OFFLOAD = {"device": "cpu"}
ZERO: dict[str, dict[str, Any]] = {
    "deepspeed_zero1": {"stage": 1},
    "deepspeed_zero2": {"stage": 2},
    "deepspeed_zero2_offload": {"stage": 2, "offload_optimizer": _OFFLOAD},
    "deepspeed_zero3": {"stage": 3},
    "deepspeed_zero3_offload": {"stage": 3, "offload_optimizer": _OFFLOAD, "offload_param": _OFFLOAD},
}


class Train(Settings):
    """How to train."""

    method: Literal["lora", "rslora", "dora", "pissa", "full"] = Field(
        "lora", description="What is trained: LoRA, rank-stabilised LoRA, DoRA, PiSSA, or full: the weights themselves"
    )
    bits: Literal[4, 8, "auto"] | None = Field(
        "auto",
        description="Hold the frozen weights in 4 bits (NF4, as QLoRA does) or in 8; null: as they are; "
        "auto: in 4 where they do not fit otherwise",
    )
    double_quant: bool = Field(True, description="With 4 bits, quantise the scales of the blocks too")
    freeze: list[str] = Field(
        default_factory=list, description="With method full, parameters that stay as they are: model.layers.[0-9].*"
    )
    epochs: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="Passes over the training records; auto: 3, of very many records 1"
    )
    max_steps: int | None = Field(None, ge=1, description="End after this many optimizer steps, whatever the epochs")
    learning_rate: Annotated[float, Field(gt=0)] | Auto = Field(
        "auto", description="Highest learning rate, reached after the warm-up; auto: by method and size of the model"
    )
    warmup: float = Field(0.03, ge=0, lt=1, description="Share of the steps over which the learning rate rises")
    loraplus_ratio: float | None = Field(
        None, gt=0, description="LoRA+: how many times faster the B matrices learn; 16 is usual"
    )
    neftune_alpha: float | None = Field(None, gt=0, description="NEFTune: noise on the embeddings; 5 is usual")
    weight_decay: float = Field(0, ge=0, description="Weight decay of AdamW")
    clip: float = Field(1.0, gt=0, description="Longest gradient; a longer one is shortened to it")
    r: int = Field(16, ge=1, description="Rank of the LoRA matrices")
    alpha: int = Field(32, ge=1, description="Scale of the LoRA matrices, divided by their rank")
    dropout: float = Field(0, ge=0, lt=1, description="Share of the LoRA inputs set to zero in training")
    targets: str | list[str] = Field(
        "all-linear", description="Layers that get LoRA, by the end of their names; all-linear: all but the head"
    )
    new_tokens: list[str] = Field(
        default_factory=list,
        description="Tokens whose embeddings are trained; what is not in the vocabulary is added to it: [<tool>]",
    )
    max_length: Annotated[int, Field(ge=2)] | Auto = Field(
        "auto",
        description="Tokens of a pack, and the most that one record may have; auto: 2048, less for few records",
    )
    accumulate: Annotated[int, Field(ge=1)] | Auto = Field(
        "auto", description="Packs an optimizer step; auto: 1, up to 16 for many records"
    )
    packing: bool = Field(True, description="Lay several records in one row; they do not see each other")
    turns: Literal["all", "last"] = Field("all", description="Answers that carry loss: all of a record, or its last")
    overlong: Literal["error", "cut", "drop"] = Field(
        "error", description="What becomes of a record longer than max_length; cut keeps the stop token"
    )
    dtype: Literal["auto", "float32", "bfloat16", "float16"] = Field(
        "auto",
        description="Number format of the frozen weights, with method full of the products alone; auto: bfloat16 where "
        "the machine computes in it",
    )
    gradient_checkpointing: bool | Literal["auto"] = Field(
        "auto", description="Compute activations twice to keep fewer of them; auto: where they do not fit otherwise"
    )
    evaluate_every: int | None = Field(
        None, ge=1, description="Steps between held-out losses; once an epoch if not set"
    )
    keep: Literal["last", "best"] = Field(
        "last", description="Which state is the result: the last, or the one with the lowest held-out loss"
    )
    patience: int | None = Field(
        None, ge=1, description="End after this many held-out losses in a row without a new lowest one; null: never"
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
    mix: dict[str, float] = Field(
        default_factory=dict,
        description="Files of general records mixed in, and how many to a training record: {general.jsonl: 0.5}",
    )
    record_losses: bool = Field(True, description="Measure the loss of each training record before and after")
    nproc: int = Field(1, ge=1, description="Processes on this machine that train together; on a GPU machine, GPUs")
    fsdp: bool = Field(False, description="Split weights, gradients and moments among the processes (FSDP2)")
    deepspeed: str | None = Field(
        None,
        description="Split by DeepSpeed: deepspeed_zero1, _zero2, _zero2_offload, _zero3, _zero3_offload or a file",
    )

    @field_validator("bits", "freeze", "loraplus_ratio", "dtype")
    @classmethod
    def _suits_the_method(cls, value: Any, info: ValidationInfo) -> Any:
        method = info.data.get("method")
        if value in (4, 8) and info.field_name == "bits" and method in ("full", "pissa"):
            raise ValueError(t("method {method} changes the weights, which must not be quantised", method=method))
        if value and info.field_name == "freeze" and method != "full":
            raise ValueError(t("method {method} trains nothing but the adapter", method=method))
        if value and info.field_name == "loraplus_ratio" and method == "full":
            raise ValueError(t("method full has no B matrices"))
        if value == "float16" and method == "full":
            raise ValueError(t("method full loses small steps in float16; take bfloat16 or float32"))
        return value

    @field_validator("deepspeed")
    @classmethod
    def _is_known(cls, value: str | None, info: ValidationInfo) -> str | None:
        if value is not None and value not in ZERO and not value.endswith(".json"):
            raise ValueError(t("it must be a JSON file or one of {names}", names=", ".join(ZERO)))
        if value is not None and info.data.get("fsdp"):
            raise ValueError(t("fsdp and deepspeed both split the training: give one of them"))
        return value

    @field_validator("mix")
    @classmethod
    def _are_ratios(cls, mix: dict[str, float]) -> dict[str, float]:
        for name, ratio in mix.items():
            if not 0 < ratio < float("inf"):
                raise ValueError(t("the ratio of `{name}` must be greater than 0", name=name))
        return mix


class Chosen(Train):
    """The settings with a choice made wherever they said auto."""

    bits: Literal[4, 8] | None = None
    epochs: float = 3
    learning_rate: float = 2e-4
    max_length: int = 2048
    accumulate: int = 1
    gradient_checkpointing: bool = False

    @classmethod
    def of(cls, settings: Train, decided: Mapping[str, object] | None = None) -> "Chosen":
        """Return the settings with what was decided; what is still auto takes the values above."""
        given = {name: value for name, value in settings.model_dump().items() if name == "dtype" or value != "auto"}
        return cls.model_validate(given | dict(decided or {}))


def outside(recipe: Recipe) -> object:
    """Return what tells one state of a local base model, and of files mixed in, from another.

    None where there is neither: `tiny` and names on the hub.
    """
    paths = [recipe.folder / Path(name).expanduser() for name in recipe.section("train", Train).mix]
    folder = place(recipe.project.model, recipe.folder)
    if recipe.project.model != "tiny" and folder.is_dir():
        paths += sorted(folder.iterdir())
    stats = {path.name: path.stat() for path in paths if path.is_file()}
    return {name: [stat.st_size, stat.st_mtime_ns] for name, stat in stats.items()} or None


STAGE = Stage(
    "train",
    Train,
    "weitiao.train.run:run",
    "Trained on {kept} of {total} records",
    reads=("export",),
    needs=("export",),
    project=("seed", "model", "template", "trust_remote_code", "thinking"),
    outside=outside,
    beside=("nproc", "fsdp", "deepspeed"),
)
