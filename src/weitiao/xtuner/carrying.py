"""Carrying a config over, setting by setting: what was taken, what became of it, and what was left, each by line."""

import difflib
from collections.abc import Iterator
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any

from weitiao.talk import t
from weitiao.xtuner.config import Config, Node, Opaque

# Where XTuner's runner looks; all other top-level names only feed these.
_ROOTS = (
    "model", "train_dataloader", "optim_wrapper", "param_scheduler", "train_cfg", "custom_hooks", "default_hooks",
    "randomness", "tokenizer", "load_from", "resume", "visualizer", "use_varlen_attn", "max_length",
    "sequence_parallel_size", "val_dataloader", "val_cfg", "val_evaluator", "test_dataloader", "test_cfg",
    "test_evaluator", "test_dataset",
)  # fmt: skip
# Settings of the machinery: whatever they say, nothing that is trained changes.
_HARMLESS = (
    "model.type", "model.llm.type", "model.lora.type", "model.lora.task_type", "*use_varlen_attn",
    "*trust_remote_code", "*tokenizer.type", "*tokenizer.padding_side",
    "model.llm.quantization_config.type", "*.llm_int8_*",
    "train_dataloader.num_workers", "train_dataloader.sampler.*", "train_dataloader.batch_sampler.*",
    "train_dataloader.collate_fn.*", "train_dataloader.dataset*.type", "*.remove_unused_columns",
    "*.shuffle_before_pack", "*.map_num_proc", "optim_wrapper.type", "optim_wrapper.loss_scale",
    "optim_wrapper.dtype", "optim_wrapper.clip_grad.error_if_nonfinite", "train_cfg.type", "train_cfg.by_epoch",
    "train_cfg.val_interval", "param_scheduler*.convert_to_iter_based", "param_scheduler*.begin",
    "default_hooks.*.type", "default_hooks.logger.log_metric_by_epoch", "randomness.deterministic",
)  # fmt: skip
_MACHINERY = {
    "env_cfg",
    "log_level",
    "log_processor",
    "launcher",
    "work_dir",
    "default_scope",
    "runner_type",
    "strategy",
}
# The names that XTuner's own configs put at the top; a config that mmengine dumped keeps them beside their copies.
VARIABLES = {
    "pretrained_model_name_or_path", "use_varlen_attn", "alpaca_en_path", "alpaca_zh_path", "oasst1_path", "data_path",
    "data_files", "prompt_template", "max_length", "pack_to_max_length", "sequence_parallel_size", "batch_size",
    "accumulative_counts", "dataloader_num_workers", "max_epochs", "optim_type", "lr", "betas", "weight_decay",
    "max_norm", "sampler", "warmup_ratio", "save_steps", "save_total_limit", "evaluation_freq", "SYSTEM",
    "evaluation_inputs",
}  # fmt: skip


@dataclass(frozen=True)
class Note:
    """What became of the setting in line `line`: it has another meaning here, or, if `lost`, no place at all."""

    line: int
    setting: str
    text: str
    lost: bool


@dataclass
class Carrying:
    """A config on its way into a recipe: the recipe so far, where each key came from, and the notes."""

    config: Config
    recipe: dict[str, Any] = field(default_factory=dict)
    lines: dict[tuple[str | int, ...], str] = field(default_factory=dict)
    notes: list[Note] = field(default_factory=list)
    taken: set[int] = field(default_factory=set)
    seen: set[int] = field(default_factory=set)
    asked: set[str] = field(default_factory=lambda: set(VARIABLES))

    def find(self, *paths: str, under: Node | None = None) -> Node | None:
        """Return the node at the first of `paths` that is set, and count it as taken."""
        found = None
        for path in paths:
            self.asked.add(path.rpartition(".")[2])
            node = under.at(path) if under else self.config.at(path)
            if node is not None and found is None:
                found = node
                self.taken.add(id(node))
        return found

    def number(self, *paths: str, under: Node | None = None) -> Node | None:
        """Return the node of a number, or None; what stands there and is no number is noted."""
        node = self.find(*paths, under=under)
        if node is None or node.value is None:
            return None
        if isinstance(node.value, int | float) and not isinstance(node.value, bool):
            return node
        unknown = isinstance(node.value, Opaque)
        self.lost(node, t("only running the file would tell its value") if unknown else t("it is not a number"))
        return None

    def texts(self, node: Node | None) -> list[str]:
        """Return the texts in a list, or the one text; what is no text is noted."""
        found = []
        for item in node.items() if node else []:
            if isinstance(item.value, str):
                self.taken.add(id(item))
                found.append(item.value)
            else:
                self.lost(item, t("only running the file would tell its value"))
        return found

    def put(self, section: str, key: str, value: object, node: Node | None = None) -> None:
        """Set a key of the recipe; `node` is where it was written."""
        self.recipe.setdefault(section, {})[key] = value
        if node:
            self.lines[(section, key)] = f"{self.config.path}:{node.line}"

    def changed(self, node: Node, text: str) -> None:
        """Note that a setting has another meaning here."""
        self._note(node, text, lost=False)

    def lost(self, node: Node, text: str) -> None:
        """Note that a setting has no place here."""
        self._note(node, text, lost=True)

    def _note(self, node: Node, text: str, *, lost: bool) -> None:
        self.taken.add(id(node))
        setting = node.name if _is_tree(node) else f"{node.name} = {node.shown()}".removeprefix(" = ")
        self.notes.append(Note(node.line, setting, text, lost))

    def leave(self, node: Node) -> None:
        """Count all that stands inside a node as told."""
        self.seen.add(id(node))

    def sweep(self) -> list[Note]:
        """Note every setting that nobody has taken; return all notes by line."""
        for root in _ROOTS:
            if root in self.config.names:
                for node in self._left(self.config.names[root], root):
                    self.lost(node, self._unknown(node.name))
        for name, node in self.config.names.items():
            if id(node) in self.seen | self.taken or name in self.config.used | _MACHINERY:
                continue
            if name not in VARIABLES or self.config.imports:
                self.lost(node, self._unknown(name))
        for line, source in self.config.skipped:
            elsewhere = source.startswith("with ") or source.endswith("import *")
            text = t("what stands in another file is not read") if elsewhere else t("only settings are read, not code")
            self.notes.append(Note(line, source, text, lost=True))
        return sorted(self.notes, key=lambda note: note.line)

    def _left(self, node: Node, path: str) -> Iterator[Node]:
        """Yield what nobody has taken, each value once, however often the config uses it."""
        if id(node) in self.seen:
            return
        self.seen.add(id(node))
        if _is_tree(node):
            inner = node.value.items() if isinstance(node.value, dict) else enumerate(node.items())
            for key, item in inner:
                yield from self._left(item, f"{path}.{key}")
        elif id(node) in self.taken or node.value is None or node.value is False:
            return
        elif not any(fnmatchcase(path, pattern) for pattern in _HARMLESS):
            yield node

    def _unknown(self, name: str) -> str:
        near = difflib.get_close_matches(name, sorted(self.asked - {name}), n=1)
        if near:
            return t("there is no such setting; did you mean `{name}`?", name=near[0])
        return t("there is no such setting here")


def _is_tree(node: Node) -> bool:
    """Tell whether settings of their own stand inside a node."""
    tree = isinstance(node.value, dict | list)
    return tree and (isinstance(node.value, dict) or any(isinstance(item.value, dict | list) for item in node.items()))
