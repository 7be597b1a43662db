"""The training loop: steps over packs, held-out losses, probes, checkpoints and metrics."""

import math
import resource
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import orjson
import torch
from accelerate import Accelerator
from torch import Tensor
from torch.utils.tensorboard import SummaryWriter

from weitiao.errors import UserError
from weitiao.model.generate import Sampling, answer
from weitiao.model.loss import Noise, Pack, PackedLoss, pack
from weitiao.model.score import losses
from weitiao.model.template import Template
from weitiao.stage import Reporter
from weitiao.talk import t
from weitiao.train import Chosen, adapter
from weitiao.train.checkpoint import Checkpoints, Progress
from weitiao.train.order import Step, rate
from weitiao.train.rows import Rows, places

# However long an epoch is, no more work than this is lost in a crash.
_SECONDS_BETWEEN_CHECKPOINTS = 600


@dataclass(frozen=True)
class Task:
    """What is to be trained, on what, in which order, and where the results go."""

    model: Any
    template: Template
    rows: Rows
    steps: Sequence[Step]
    settings: Chosen
    folder: Path
    seed: int = 0
    autocast: bool = False  # products in bfloat16 where the trained weights are float32


class Loop:
    """One training, from the newest checkpoint or the start to the last step."""

    def __init__(self, task: Task, reporter: Reporter) -> None:
        self.task = task
        self.reporter = reporter
        self.accelerator = Accelerator(cpu=task.model.device.type == "cpu")
        self.parameters = [value for _, value in adapter.trained(task.model)]
        optimizer = torch.optim.AdamW(
            groups(task.model, task.settings), lr=task.settings.learning_rate, weight_decay=task.settings.weight_decay
        )
        self.loss, self.optimizer = self.accelerator.prepare(PackedLoss(task.model), optimizer)
        self.metrics, self.probes = task.folder / "metrics.jsonl", task.folder / "probes.jsonl"
        best = task.settings.keep == "best"
        journals = [self.metrics, self.probes]
        self.checkpoints = Checkpoints(task.folder, task.settings.save_total_limit, journals, keep_best=best)
        self.progress = self.checkpoints.restore(task.model, self.optimizer)
        self.encoded = [row.encoded for row in task.rows.train]
        self.supervised = [row.supervised for row in task.rows.train]

    def run(self) -> Progress:
        """Train to the last step, or until patience ends; leave the model in the state that is to be kept."""
        progress, steps = self.progress, self.task.steps
        with SummaryWriter(self.task.folder / "logs", purge_step=progress.step + 1) as self.board:
            if progress.step == 0:
                self._look(0.0)
            else:
                self.reporter.say(t("Going on after step {step} of {total}", step=progress.step, total=len(steps)))
            saved = time.monotonic()
            todo = range(progress.step, progress.step if progress.ended else len(steps))
            for index in self.reporter.track(todo, len(todo), "steps"):
                start = time.monotonic()
                measured = self._step(steps[index], rate(index, len(steps), self.task.settings))
                self._note(steps[index], measured, time.monotonic() - start)
                if self._to_save() or time.monotonic() - saved > _SECONDS_BETWEEN_CHECKPOINTS:
                    self.checkpoints.save(self.task.model, self.optimizer, progress)
                    saved = time.monotonic()
                if progress.ended:
                    break
        if self.checkpoints.keep_best:
            adapter.restore(self.task.model, self.checkpoints.of(progress.best_step))
        return progress

    def _step(self, step: Step, learning_rate: float) -> dict[str, float]:
        """Take one optimizer step; each supervised token of the step weighs the same, however it is packed."""
        self.loss.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["ratio"]
        share = sum(self.supervised[index] for records in step.packs for index in records)
        total, tokens = 0.0, 0
        alpha = self.task.settings.neftune_alpha
        noise = Noise(alpha, f"{self.task.seed}/{self.progress.step}") if alpha else None
        for records in step.packs:
            item = pack(self.encoded, records).to(self.accelerator.device)
            with torch.autocast(self.accelerator.device.type, torch.bfloat16, enabled=self.task.autocast):
                each = self.loss(item, noise)
            loss = each.sum() / share
            self._check(loss, each, item)
            self.accelerator.backward(loss)
            total += loss.item()
            tokens += item.tokens
        length = self.accelerator.clip_grad_norm_(self.parameters, self.task.settings.clip).item()
        if not math.isfinite(length):
            rows = [index for records in step.packs for index in records]
            raise self._not_finite(t("The gradient is not a number"), rows)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.progress.step += 1
        self.progress.tokens += tokens
        return {"loss": total, "lr": learning_rate, "grad_norm": length, "tokens": tokens, "supervised": share}

    def _check(self, loss: Tensor, each: Tensor, item: Pack) -> None:
        if not torch.isfinite(loss):
            owners = sorted(set(item.owners[~torch.isfinite(each.detach())].tolist()))
            raise self._not_finite(t("The loss is not a number"), [item.records[owner] for owner in owners])

    def _not_finite(self, what: str, rows: Sequence[int]) -> UserError:
        named = places([self.task.rows.train[index] for index in rows])
        return UserError(
            t("{what} in step {step}: {places}", what=what, step=self.progress.step + 1, places=named),
            t("Look at these rows; a lower learning_rate or dtype float32 may help"),
        )

    def _due(self, every: int | None) -> bool:
        """Tell whether something that happens `every` so many steps, or once an epoch, is due; at the end it is."""
        number = self.progress.step
        if number == len(self.task.steps) or self.progress.ended:
            return True
        return number % every == 0 if every else self.task.steps[number - 1].ends_epoch

    def _to_save(self) -> bool:
        best = self.checkpoints.keep_best and self.progress.best_step == self.progress.step
        return best or self._due(self.task.settings.save_every)

    def _note(self, step: Step, measured: dict[str, float], seconds: float) -> None:
        """Write the metrics of a step, and look at held-out records and probes where that is due."""
        progress, settings = self.progress, self.task.settings
        progress.seconds += seconds
        if progress.step % settings.log_every == 0 or progress.step == len(self.task.steps):
            speed = {"tokens_per_second": measured["tokens"] / seconds, "seconds": progress.seconds}
            far = {"epoch": round(step.epoch, 4), "tokens_seen": progress.tokens}
            self._line("train", {**far, **measured, **speed, "memory_gb": peak_memory()})
        if progress.step == min(3, len(self.task.steps)):
            left = (len(self.task.steps) - progress.step) * seconds
            self.reporter.say(t("About {seconds:.0f} s to go, by the last step", seconds=left))
        self._look(step.epoch)

    def _look(self, epoch: float) -> None:
        settings, held = self.task.settings, self.task.rows.validation
        begin = self.progress.step == 0
        if held and (begin or self._due(settings.evaluate_every)):
            found = losses(self.task.model, held, settings.max_length)
            mean = sum(loss for loss, _ in found) / max(1, sum(count for _, count in found))
            self._line("validation", {"epoch": round(epoch, 4), "loss": mean})
            self.reporter.say(t("Held-out loss {loss:.4f} at step {step}", loss=mean, step=self.progress.step))
            if not begin:
                self._judge(mean)
        if settings.probes and (begin or self._due(settings.probe_every)):
            self._probe()

    def _judge(self, loss: float) -> None:
        """Note whether this held-out loss is the lowest, and whether to wait for another."""
        progress, patience = self.progress, self.task.settings.patience
        if loss < progress.best_loss:
            progress.best_step, progress.best_loss, progress.waited = progress.step, loss, 0
            return
        progress.waited += 1
        if patience and progress.waited >= patience and progress.step < len(self.task.steps):
            progress.ended = True
            self.reporter.say(
                t(
                    "Ended at step {step} of {total}: no lower held-out loss since step {best}",
                    step=progress.step,
                    total=len(self.task.steps),
                    best=progress.best_step,
                )
            )

    def _probe(self) -> None:
        questions = self.task.settings.probes
        sampling = Sampling(max_new_tokens=self.task.settings.probe_tokens)
        prompts = [[("user", question)] for question in questions]
        room = self.task.settings.max_length
        said = answer(self.task.model, self.task.template, prompts, sampling, batch_tokens=room)
        for question, one in zip(questions, said, strict=True):
            _append(self.probes, {"step": self.progress.step, "question": question, **vars(one)})
        self.reporter.say(f"{questions[0]} → {' '.join(said[0].text.split())}")

    def _line(self, kind: str, values: dict[str, float]) -> None:
        _append(self.metrics, {"kind": kind, "step": self.progress.step, **values})
        for name, value in values.items():
            self.board.add_scalar(f"{kind}/{name}", value, self.progress.step)
        self.board.flush()


def groups(model: Any, settings: Chosen) -> list[dict[str, Any]]:
    """Return the trained parameters for the optimizer, each group with its `ratio` to the learning rate.

    With LoRA+ (arXiv 2402.12354) the B matrices are a group of their own.
    """
    found = adapter.trained(model)
    fast = {name for name, _ in found if settings.loraplus_ratio and ".lora_B." in name}
    made = [{"params": [value for name, value in found if name not in fast], "ratio": 1.0}]
    if fast:
        made.append({"params": [value for name, value in found if name in fast], "ratio": settings.loraplus_ratio})
    return made


def curve(path: Path, kind: str) -> Iterator[tuple[int, float]]:
    """Yield (step, loss) of one kind, `train` or `validation`, from metrics.jsonl."""
    for line in path.read_bytes().splitlines():
        found = orjson.loads(line)
        if found["kind"] == kind:
            yield found["step"], found["loss"]


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in GB: on the GPU where it uses one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9


def _append(path: Path, line: dict[str, Any]) -> None:
    with path.open("ab") as file:
        file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))
