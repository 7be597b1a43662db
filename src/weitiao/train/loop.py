"""The training loop: steps over packs, held-out losses, probes, checkpoints and metrics."""

import math
import random
import resource
import time
from collections.abc import Iterator, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import orjson
import torch
from accelerate import Accelerator
from accelerate.utils import DistributedType, gather_object
from torch.distributed.fsdp import FSDPModule

from weitiao.errors import UserError
from weitiao.model.generate import Sampling, answer
from weitiao.model.loss import Noise, PackedLoss, pack
from weitiao.model.score import row_losses, rows_of
from weitiao.model.template import Encoded, Template
from weitiao.stage import Reporter
from weitiao.talk import t
from weitiao.train import Chosen, adapter, sharing
from weitiao.train.board import Board
from weitiao.train.checkpoint import Checkpoints, Progress
from weitiao.train.order import Step, rate, shares
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
    shared: Accelerator = field(default_factory=sharing.accelerator)


class Loop:
    """One training, from the newest checkpoint or the start to the last step."""

    def __init__(self, task: Task, reporter: Reporter) -> None:
        self.task = task
        self.reporter = reporter
        self.shared = task.shared
        self.metrics, self.probes = task.folder / "metrics.jsonl", task.folder / "probes.jsonl"
        best = task.settings.keep == "best"
        journals = [self.metrics, self.probes]
        self.rank = self.shared.process_index
        self.first = self.rank == 0  # it writes for all
        limit, reads = task.settings.save_total_limit, not self.first
        self.checkpoints = Checkpoints(task.folder, limit, journals, keep_best=best, reads=reads)
        self.encoded = [row.encoded for row in task.rows.train]
        self.lengths = [len(item.ids) for item in self.encoded]
        self.supervised = [row.supervised for row in task.rows.train]
        self.progress, moments = self.checkpoints.restore(task.model)
        optimizer = torch.optim.AdamW(
            groups(task.model, task.settings), lr=task.settings.learning_rate, weight_decay=task.settings.weight_decay
        )
        self.loss, self.optimizer = sharing.prepare(self.shared, PackedLoss(task.model), task.model, optimizer)
        self.parameters = [value for _, value in adapter.trained(task.model)]
        if moments:
            self._take_back(moments)
        self.overdue = False

    def run(self) -> Progress:
        """Train to the last step, or until patience ends; leave the model in the state that is to be kept."""
        progress, steps = self.progress, self.task.steps
        logs = Board(self.task.folder / "logs", progress.step + 1) if self.first else nullcontext()
        with logs as self.board:
            if progress.step == 0:
                self._look(0.0)
            else:
                self.reporter.say(t("Going on after step {step} of {total}", step=progress.step, total=len(steps)))
            self.saved = time.monotonic()
            todo = range(progress.step, progress.step if progress.ended else len(steps))
            for index in self.reporter.track(todo, len(todo), "steps"):
                start = time.monotonic()
                measured = self._step(steps[index], rate(index, len(steps), self.task.settings))
                self._note(steps[index], measured, time.monotonic() - start)
                if self._to_save() or self.overdue:
                    self._save()
                if progress.ended:
                    break
        if self.checkpoints.keep_best:
            self.shared.wait_for_everyone()
            best = adapter.read(self.task.model, self.checkpoints.of(progress.best_step))
            sharing.put_weights(self.shared, self.task.model, best)
        return progress

    def measure(self, encoded: Sequence[Encoded]) -> list[tuple[float, int]]:
        """Return, a record, the loss summed over its supervised tokens and their number."""
        return measure(self.task, self.loss, encoded)

    def _step(self, step: Step, learning_rate: float) -> dict[str, float]:
        """Take one optimizer step; each supervised token of the step weighs the same, however it is packed."""
        # What dropout draws depends on the step and on which of how many processes this is, not on what went before.
        torch.manual_seed(random.Random(f"{self.task.seed}/{self.progress.step}/{self.rank}").getrandbits(63))
        self.loss.train()
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate * group["ratio"]
        rows = [index for records in step.packs for index in records]
        tokens, share = (sum(sizes[index] for index in rows) for sizes in (self.lengths, self.supervised))
        mine = shares(step.packs, self.lengths, self.shared.num_processes)[self.rank]
        filler = [min(rows, key=self.lengths.__getitem__)]
        total, bad = 0.0, list[int]()
        for number, records in enumerate(mine, 1):
            loss, odd = self._pass(records or filler, bool(records) / share, last=number == len(mine))
            total += loss
            bad += odd
        total = self._sum(total)
        if not math.isfinite(total):
            raise self._not_finite(t("The loss is not a number"), sorted(gather_object(bad)))
        length = float(self.shared.clip_grad_norm_(self.parameters, self.task.settings.clip))
        if not math.isfinite(length):
            raise self._not_finite(t("The gradient is not a number"), rows)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.progress.step += 1
        self.progress.tokens += tokens
        return {"loss": total, "lr": learning_rate, "grad_norm": length, "tokens": tokens, "supervised": share}

    def _pass(self, records: Sequence[int], weight: float, *, last: bool) -> tuple[float, list[int]]:
        """Add the gradient of a pack times `weight`; return its loss, and the records whose loss is no number.

        With the `last` pass the gradients of all processes become one: their mean, whence the factor.
        """
        alpha, device = self.task.settings.neftune_alpha, self.shared.device
        noise = Noise(alpha, f"{self.task.seed}/{self.progress.step}") if alpha else None
        item = pack(self.encoded, records).to(device)
        self.shared.sync_gradients = last
        with nullcontext() if last else self.shared.no_sync(self.loss):
            with torch.autocast(device.type, torch.bfloat16, enabled=self.task.autocast):
                each = self.loss(item, noise)
            loss = each.sum() * weight
            self.shared.backward(loss * self.shared.num_processes)
        odd = item.owners[~torch.isfinite(each.detach())].tolist() if weight else []
        return loss.item(), sorted({item.records[owner] for owner in odd})

    def _sum(self, loss: float) -> float:
        """Return the sum over all processes; let them agree on whether a checkpoint is overdue."""
        late = self.first and time.monotonic() - self.saved > _SECONDS_BETWEEN_CHECKPOINTS
        sums = self.shared.reduce(torch.tensor([loss, late], dtype=torch.float64, device=self.shared.device))
        self.overdue = sums[1].item() > 0
        return float(sums[0].item())

    def _save(self) -> None:
        """Write a checkpoint; every process has a part of it."""
        weights = sharing.weights(self.shared, self.task.model)
        moments = sharing.moments(self.shared, self.task.model, self.optimizer)
        if self.first:
            self.checkpoints.save(self.task.model, weights, moments, self.progress)
        self.saved = time.monotonic()

    def _take_back(self, moments: sharing.Moments) -> None:
        """Put the moments of a checkpoint back. DeepSpeed makes room for them in its first step: one of no length."""
        if self.shared.distributed_type == DistributedType.DEEPSPEED:
            for group in self.optimizer.param_groups:
                group["lr"] = 0.0
            self._pass([0], 0.0, last=True)
        sharing.put_moments(self.shared, self.task.model, self.optimizer, moments)

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
            found = self.measure(held)
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
        split = self.loss if isinstance(self.loss, FSDPModule) else None
        if split is not None:
            split.unshard()  # the parts that belong to no layer: only a pass through the whole would do it
        said = answer(self.task.model, self.task.template, prompts, sampling, batch_tokens=room)
        if split is not None:
            split.reshard()
        for question, one in zip(questions, said, strict=True):
            self._append(self.probes, {"step": self.progress.step, "question": question, **vars(one)})
        self.reporter.say(f"{questions[0]} → {' '.join(said[0].text.split())}")

    def _line(self, kind: str, values: dict[str, float]) -> None:
        self._append(self.metrics, {"kind": kind, "step": self.progress.step, **values})
        if self.board:
            self.board.add(self.progress.step, {f"{kind}/{name}": value for name, value in values.items()})

    def _append(self, path: Path, line: dict[str, Any]) -> None:
        if self.first:
            with path.open("ab") as file:
                file.write(orjson.dumps(line, option=orjson.OPT_APPEND_NEWLINE))


def measure(task: Task, loss: Any, encoded: Sequence[Encoded]) -> list[tuple[float, int]]:
    """Return, a record, the loss summed over its supervised tokens and their number; the processes share the work.

    Each makes as many passes, the same row twice if need be: where weights are split, every pass needs them all.
    """
    rows, count = rows_of(encoded, task.settings.max_length), task.shared.num_processes
    mine = rows[task.shared.process_index :: count]
    if len(mine) * count < len(rows):
        mine.append(rows[0])
    found = gather_object([one for row in mine for one in row_losses(loss, encoded, row, task.shared.device)])
    by_record = {index: (total, tokens) for index, total, tokens in found}
    return [by_record[index] for index in range(len(encoded))]


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


def curve(path: Path, kind: str, what: str = "loss") -> Iterator[tuple[int, float]]:
    """Yield step and loss, or `what` else was measured, of one kind, `train` or `validation`, from metrics.jsonl."""
    for line in path.read_bytes().splitlines():
        found = orjson.loads(line)
        if found["kind"] == kind:
            yield found["step"], found[what]


def peak_memory() -> float:
    """Return the most memory that this process has held so far, in GB: on the GPU where it uses one."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated() / 1e9
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9
