"""Four ways to train the same LoRA on the same records for one epoch, each measured by the same clock."""

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import orjson
import torch
from peft import LoraConfig
from torch import Tensor
from transformers import AutoModelForCausalLM, Trainer, TrainerCallback, TrainingArguments

from weitiao.model.load import load_model
from weitiao.model.template import Encoded
from weitiao.stage import Silent
from weitiao.train import Chosen, adapter, order
from weitiao.train.loop import Loop, Task, peak_memory
from weitiao.train.machine import return_freed_blocks
from weitiao.train.rows import Row, Rows

T = TypeVar("T")
Batch = dict[str, Any]

# The same in all ways: what is learned must not hang on it. The rest of each library is at its defaults.
RATE, RANK, ALPHA = 1e-3, 16, 32
BATCH = 8  # records: the default of the Trainer, and so of TRL
PACK = 2048  # tokens: weitiao's default, about as many as 8 records have
SAME = {"num_train_epochs": 1, "learning_rate": RATE, "lr_scheduler_type": "cosine", "logging_steps": 1, "seed": 0}
QUIET = {"report_to": [], "disable_tqdm": True, "use_cpu": True}


@dataclass(frozen=True)
class Work:
    """What every way is given."""

    model: Path
    rows: Sequence[Encoded]
    dtype: str  # of the frozen weights, where a way does not have a default of its own
    folder: Path


@dataclass
class Clock:
    """CPU and wall seconds at the end of each step, what the steps trained on, and their losses."""

    ends: list[tuple[float, float]] = field(default_factory=list)
    tokens: list[int] = field(default_factory=list)  # of each step, padding not counted
    supervised: list[int] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)

    def mark(self) -> None:
        """Note the time at the end of a step."""
        self.ends.append((time.process_time(), time.monotonic()))

    def speed(self) -> tuple[float, float]:
        """Return useful tokens a CPU second and a second, from the end of the first step on: that one warms up."""
        tokens = sum(self.tokens[1 : len(self.ends)])
        (cpu, wall), (cpu_end, wall_end) = self.ends[0], self.ends[-1]
        return tokens / (cpu_end - cpu), tokens / (wall_end - wall)

    def curve(self) -> list[tuple[int, float]]:
        """Return (supervised tokens seen, loss) of each step."""
        seen, found = 0, []
        for count, loss in zip(self.supervised, self.losses, strict=False):
            seen += count
            found.append((seen, loss))
        return found


@dataclass(frozen=True)
class Trained:
    """What came of it: the model, the clock, and the most memory that the process held, in GB."""

    model: Any
    clock: Clock
    memory: float


def ours(work: Work) -> Trained:
    """Train with weitiao's loop."""
    return_freed_blocks()  # as its train stage does
    settings = Chosen(
        epochs=1, max_length=PACK, learning_rate=RATE, r=RANK, alpha=ALPHA, warmup=0, record_losses=False,
        gradient_checkpointing=False, bits=None,
    )  # fmt: skip
    model = adapter.lay(load_model(str(work.model), dtype=work.dtype), settings, "base", 0)
    data = Rows([Row(str(index), f"made:{index}", row) for index, row in enumerate(work.rows)], [], {})
    steps = order.steps([len(row.ids) for row in work.rows], settings, 0)
    clock = Clock()
    task = Task(model, None, data, steps, settings, work.folder)  # type: ignore[arg-type]  # no probes, no template
    Loop(task, Timed(clock)).run()
    lines = [orjson.loads(line) for line in (work.folder / "metrics.jsonl").read_bytes().splitlines()]
    clock.tokens, clock.supervised, clock.losses = (
        [line[key] for line in lines] for key in ("tokens", "supervised", "loss")
    )
    return Trained(model, clock, peak_memory())


class Timed(Silent):
    """A reporter that notes when each step ends."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def track(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        """Pass `items` on; what asks for the next one is done with the last."""
        for item in items:
            yield item
            self.clock.mark()


def stock(work: Work) -> Trained:
    """Train with the Trainer of transformers: padded batches, products in bfloat16 where the weights are."""
    from peft import get_peft_model

    model = get_peft_model(AutoModelForCausalLM.from_pretrained(work.model, dtype=work.dtype), lora())
    arguments = TrainingArguments(
        str(work.folder), per_device_train_batch_size=BATCH, bf16=work.dtype == "bfloat16",
        remove_unused_columns=False, **SAME, **QUIET,
    )  # fmt: skip
    return _run(Trainer(model=model, args=arguments, train_dataset=_columns(work.rows), data_collator=_pad))


def trl(work: Work) -> Trained:
    """Train with TRL's SFTTrainer and all its defaults: padding, gradient checkpointing, float32 weights, autocast."""
    return _trl(work, {"bf16": work.dtype == "bfloat16"})


def trl_packed(work: Work) -> Trained:
    """Train with TRL's SFTTrainer and the packing that was fastest on a CPU: see `results/README.md`."""
    return _trl(work, {"bf16": work.dtype == "bfloat16"} | PACKED | {"model_init_kwargs": {"dtype": work.dtype}})


PACKED: dict[str, Any] = {
    "packing": True,
    "max_length": 1024,
    "per_device_train_batch_size": 2,
    "gradient_checkpointing": False,
}
WAYS: dict[str, Callable[[Work], Trained]] = {
    "weitiao": ours,
    "TRL, defaults": trl,
    "TRL, packed": trl_packed,
    "stock Trainer": stock,
}


def _trl(work: Work, options: dict[str, Any]) -> Trained:
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    config = SFTConfig(str(work.folder), **{**SAME, **QUIET, **options})
    rows = Dataset.from_list([{key: row[key] for key in ("input_ids", "labels")} for row in _columns(work.rows)])
    return _run(SFTTrainer(model=str(work.model), args=config, train_dataset=rows, peft_config=lora()))


def _run(trainer: Any) -> Trained:
    clock = Clock()
    trainer.data_collator = Counting(trainer.data_collator, clock)
    trainer.add_callback(Marking(clock))
    trainer.train()
    return Trained(trainer.model, clock, peak_memory())


class Counting:
    """A collator that notes what it collates."""

    def __init__(self, collate: Callable[[list[Batch]], Batch], clock: Clock) -> None:
        self.collate, self.clock = collate, clock

    def __call__(self, examples: list[Batch]) -> Batch:
        batch = self.collate(examples)
        self.clock.tokens.append(sum(len(example["input_ids"]) for example in examples))
        self.clock.supervised.append(int((batch["labels"][:, 1:] != -100).sum()))
        return batch


class Marking(TrainerCallback):
    """Notes when each step ends, and its loss."""

    def __init__(self, clock: Clock) -> None:
        self.clock = clock

    def on_step_end(self, *_: Any, **__: Any) -> None:
        self.clock.mark()

    def on_log(self, args: Any, state: Any, control: Any, logs: dict[str, float] | None = None, **_: Any) -> None:
        if logs and "loss" in logs:
            self.clock.losses.append(logs["loss"])


def lora() -> LoraConfig:
    """Return the adapter that weitiao lays by default, for the others."""
    return LoraConfig(r=RANK, lora_alpha=ALPHA, target_modules="all-linear", task_type="CAUSAL_LM")


def _columns(rows: Sequence[Encoded]) -> list[Batch]:
    return [
        {
            "input_ids": row.ids,
            "attention_mask": [1] * len(row.ids),
            "labels": [token if carries else -100 for token, carries in zip(row.ids, row.mask, strict=True)],
        }
        for row in rows
    ]


def _pad(batch: list[Batch]) -> dict[str, Tensor]:
    width = max(len(one["input_ids"]) for one in batch)
    fill = {"input_ids": 0, "attention_mask": 0, "labels": -100}
    return {
        key: torch.tensor([one[key] + [value] * (width - len(one[key])) for one in batch])
        for key, value in fill.items()
    }
