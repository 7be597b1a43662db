"""From an XTuner config to a recipe of ours."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from weitiao.errors import UserError
from weitiao.model.named import names as template_names
from weitiao.pipeline import SETTINGS
from weitiao.recipe import bind
from weitiao.talk import t
from weitiao.train import Train
from weitiao.xtuner.carrying import Carrying, Note
from weitiao.xtuner.config import Node, read
from weitiao.xtuner.names import SHAPES

# InternLM2's own names of its layers, and ours.
_LAYERS = {
    "wqkv": ("q_proj", "k_proj", "v_proj"),
    "wo": ("o_proj",),
    "w1": ("gate_proj",),
    "w3": ("up_proj",),
    "w2": ("down_proj",),
    "output": ("lm_head",),
}
_FILES = ("json", "csv", "parquet", "text")  # what `load_dataset` calls files of one's own
_QUIET_HOOKS = ("DatasetInfoHook", "ThroughputHook", "VarlenAttnArgsToMessageHubHook", "HFCheckpointHook")


@dataclass(frozen=True)
class Imported:
    """A recipe made from a config, as plain data, and what is to be said about it."""

    recipe: dict[str, Any]
    notes: list[Note]


def import_config(path: Path) -> Imported:
    """Read an XTuner config into a recipe; its relative paths start where the config's do, from the working folder.

    Raises UserError with `file:line` for what is no config of a supervised fine-tuning.
    """
    carrying = Carrying(read(path))
    _model(carrying)
    _data(carrying)
    steps = _optimizer(carrying)
    _schedule(carrying, _epochs(carrying, steps))
    _lora(carrying)
    _hooks(carrying, steps)
    found = carrying.recipe
    recipe: dict[str, Any] = {
        **{key: found[key] for key in ("model", "template", "seed", "source") if key in found},
        "export": {},
        "train": {key: found["train"][key] for key in Train.model_fields if key in found["train"]},
        "merge": {},
    }
    bind(recipe, SETTINGS, Path.cwd(), carrying.lines, str(path))
    return Imported(recipe, carrying.sweep())


def _model(carrying: Carrying) -> None:
    kind = carrying.find("model.type")
    if kind is not None and kind.word() != "SupervisedFinetune":
        place = f"{carrying.config.path}:{kind.line}"
        raise UserError(
            t("{place}: {kind} is not a fine-tuning on conversations", place=place, kind=kind.shown()),
            t("Configs with SupervisedFinetune are read"),
        )
    name = carrying.find("model.llm.pretrained_model_name_or_path", "pretrained_model_name_or_path")
    if name is None or not isinstance(name.value, str):
        place = f"{carrying.config.path}:{name.line if name else 1}"
        raise UserError(
            t("{place}: no `pretrained_model_name_or_path` that can be read", place=place),
            t("It must be a text: a model's folder or its name on the hub"),
        )
    carrying.recipe["model"] = name.value
    carrying.lines[("model",)] = f"{carrying.config.path}:{name.line}"
    tokenizer = carrying.find("tokenizer.pretrained_model_name_or_path")
    if tokenizer is not None and tokenizer.value != name.value:
        carrying.lost(tokenizer, t("the tokenizer is the one in the model's folder"))
    seed = carrying.find("randomness.seed")
    carrying.recipe["seed"] = seed.value if seed and isinstance(seed.value, int) else 42
    if seed and seed.value is None:
        carrying.changed(seed, t("each run drew its own; here it is 42, and a run can be repeated"))
    dtype = carrying.find("model.llm.torch_dtype")
    if dtype is not None and dtype.word() in ("bfloat16", "float32"):
        carrying.put("train", "dtype", dtype.word(), dtype)
    elif dtype is not None:
        carrying.changed(dtype, t("the number format is picked by the machine; set `train.dtype` to fix it"))
    _bits(carrying)


def _bits(carrying: Carrying) -> None:
    four, eight = (carrying.find(f"model.llm.quantization_config.load_in_{bits}bit") for bits in (4, 8))
    double = carrying.find("model.llm.quantization_config.bnb_4bit_use_double_quant")
    kind = carrying.find("model.llm.quantization_config.bnb_4bit_quant_type")
    compute = carrying.find("model.llm.quantization_config.bnb_4bit_compute_dtype")
    asked = four if four is not None and four.value is True else eight
    if asked is None or asked.value is not True:
        return
    if "bits" not in Train.model_fields:
        carrying.lost(asked, t("the base is not quantised; its weights need the memory of their number format"))
        return
    carrying.put("train", "bits", 4 if asked is four else 8, asked)
    if asked is not four:
        return
    if double is not None:
        carrying.put("train", "double_quant", double.value is True, double)
    if kind is not None and kind.value != "nf4":
        carrying.lost(kind, t("4 bits are always NF4"))
    if compute is not None and compute.word() != "bfloat16":
        carrying.changed(compute, t("it computes in bfloat16: float16 overflows"))


def _data(carrying: Carrying) -> None:
    """Carry the files, what their rows are, and how long a pack is."""
    node = carrying.config.at("train_dataloader.dataset") or carrying.config.at("train_dataset")
    datasets = carrying.find("datasets", under=node) if node else None
    parts = datasets.items() if datasets else [node] if node else []
    inputs, shapes = [], set()
    for part in parts:
        inputs += _inputs(carrying, part)
        shapes.add(_shape(carrying, part))
    if not inputs:
        raise UserError(
            t("{place}: no data that can be read", place=f"{carrying.config.path}:{node.line if node else 1}"),
            t("The data is to be a load_dataset of files or of a name, in `train_dataloader`"),
        )
    carrying.put("source", "inputs", list(dict.fromkeys(inputs)), node)
    shape = shapes.pop() if len(shapes) == 1 else "auto"
    if shape != "auto":
        carrying.put("source", "shape", shape)
    length = carrying.number("max_length", under=parts[0]) or carrying.number("max_length")
    if length:
        carrying.put("train", "max_length", length.value, length)
        carrying.changed(length, t("a longer record keeps its stop token when it is cut"))
    packing = carrying.find("pack_to_max_length", under=parts[0])
    if packing is not None:
        carrying.put("train", "packing", packing.value is not False, packing)
        if packing.value is not False:
            carrying.changed(packing, t("records are packed whole, no tail is dropped, and they do not see each other"))
    carrying.put("train", "overlong", "cut")


def _inputs(carrying: Carrying, part: Node) -> list[str]:
    """Return the files of one data set, or its name on the hub."""
    path = carrying.find("dataset.path", under=part)
    files = carrying.find("dataset.data_files", under=part)
    carrying.find("dataset.type", under=part)
    split = carrying.find("split", under=part)
    wanted = split.value if split and isinstance(split.value, str) else "train"
    if files is not None and isinstance(files.value, dict):
        for key, node in files.value.items():
            if key != wanted:
                carrying.lost(node, t("it is not trained on; `compare` can ask its questions"))
        files = files.value.get(wanted)
    if files is not None:
        return carrying.texts(files)
    if path is None or path.value in _FILES:
        return []
    if isinstance(path.value, str):
        text = t("files are read: hf download {name} --repo-type dataset --local-dir {name}", name=path.value)
        carrying.changed(path, text)
    return carrying.texts(path)


def _shape(carrying: Carrying, part: Node) -> str:
    """Return what the rows of a data set are, told by its map function; `auto` where that is not known."""
    template = carrying.find("template_map_fn.template", "template_map_fn", under=part)
    if template is not None and (word := template.word()):
        _template(carrying, template, word)
    mapping = carrying.find("dataset_map_fn", under=part)
    if mapping is None or mapping.value is None:
        return "xtuner"
    word = mapping.word()
    if word not in SHAPES:
        carrying.lost(mapping, t("what the rows are is found from their fields; set `source.shape` to fix it"))
        return "auto"
    if word == "alpaca_map_fn":
        carrying.changed(mapping, t("no line break ends a question without input; `<nooutput>` is not dropped"))
    return SHAPES[word]


def _template(carrying: Carrying, node: Node, word: str) -> None:
    """Carry the chat template: the recipe has one, for training and for chat."""
    if word not in template_names() or carrying.recipe.setdefault("template", word) != word:
        carrying.lost(node, t("the model's own chat template is used, or the one named as `template`"))
        return
    carrying.lines[("template",)] = f"{carrying.config.path}:{node.line}"
    if word == "default":
        carrying.changed(node, t("also for chat; it is for base models: a chat model's own is `template: auto`"))


def _optimizer(carrying: Carrying) -> float:
    """Carry the optimizer; return how many of XTuner's iterations make an optimizer step."""
    kind = carrying.find("optim_wrapper.optimizer.type", "optim_type")
    if kind is not None and kind.word() != "AdamW":
        carrying.lost(kind, t("the optimizer is AdamW"))
    betas = carrying.find("optim_wrapper.optimizer.betas", "betas")
    if betas is not None and betas.plain() != [0.9, 0.999]:
        carrying.lost(betas, t("the betas of AdamW are 0.9 and 0.999"))
    # Where the config is silent, torch's and mmengine's own defaults count, not ours.
    rate = carrying.number("optim_wrapper.optimizer.lr", "lr")
    carrying.put("train", "learning_rate", rate.value if rate else 1e-3, rate)
    decay = carrying.number("optim_wrapper.optimizer.weight_decay", "weight_decay")
    carrying.put("train", "weight_decay", decay.value if decay else 1e-2, decay)
    clip = carrying.number("optim_wrapper.clip_grad.max_norm", "strategy.gradient_clipping", "max_norm")
    carrying.put("train", "clip", clip.value if clip else 1e9, clip)
    # A config that a DeepSpeed run dumped has them in `strategy`.
    places = ("optim_wrapper.accumulative_counts", "strategy.gradient_accumulation_steps", "accumulative_counts")
    counts = carrying.number(*places)
    batch = carrying.number("train_dataloader.batch_size", "batch_size")
    each, rows = (node.value if node else 1 for node in (counts, batch))
    assert isinstance(each, int | float)
    assert isinstance(rows, int | float)
    carrying.put("train", "accumulate", round(each * rows), counts)
    if counts:
        text = t("{packs} packs an optimizer step, on one device; steps are counted in these", packs=round(each * rows))
        carrying.changed(counts, text)
    return max(1, each)


def _epochs(carrying: Carrying, steps: float) -> object:
    """Carry how long it trains; return the epochs."""
    epochs = carrying.number("train_cfg.max_epochs", "max_epochs")
    if ending := carrying.number("train_cfg.max_iters"):
        found = _in_steps(ending, steps)
        carrying.lost(ending, t("set `train.epochs`, or `train.max_steps` to {steps} to end sooner", steps=found))
    if epochs is None:
        carrying.notes.append(
            Note(1, "max_epochs", t("the config does not tell it; it is {value} here", value=1), True)
        )
    total = epochs.value if epochs else 1
    carrying.put("train", "epochs", total, epochs)
    return total


def _schedule(carrying: Carrying, total: object) -> None:
    """Carry the rise of the learning rate, as a share of the `total` epochs."""
    schedulers = carrying.config.at("param_scheduler")
    rise, written = 0.0, None
    for scheduler in schedulers.items() if schedulers else []:
        kind = carrying.find("type", under=scheduler)
        by_epoch = carrying.find("by_epoch", under=scheduler)
        end = carrying.number("end", "T_max", under=scheduler)
        word = kind.word() if kind else ""
        if word not in ("LinearLR", "CosineAnnealingLR"):
            carrying.lost(kind or scheduler, t("the learning rate rises in a line and falls in a cosine"))
        lowest = carrying.find("eta_min", under=scheduler)
        if lowest is not None and lowest.value != 0:
            carrying.lost(lowest, t("the learning rate falls to 0"))
        start = carrying.find("start_factor", under=scheduler)
        if word != "LinearLR":
            continue
        if start is not None:
            carrying.changed(start, t("the rise begins with its first step's share, and goes by optimizer steps"))
        if end and by_epoch and by_epoch.value is False:
            carrying.lost(end, t("the rise is a share of the training, not a number of iterations: set `train.warmup`"))
        elif end and isinstance(end.value, int | float) and isinstance(total, int | float) and total > 0:
            rise, written = round(end.value / total, 6), end
    share = carrying.number("warmup_ratio", "warm_up_ratio")
    if schedulers is None and share and isinstance(share.value, int | float):
        rise, written = share.value, share
    carrying.put("train", "warmup", rise, written)


def _lora(carrying: Carrying) -> None:
    lora = carrying.config.at("model.lora")
    if lora is None or not isinstance(lora.value, dict):
        if "method" not in Train.model_fields:
            raise UserError(
                t("{place}: full fine-tuning is not there yet", place=f"{carrying.config.path}:1"),
                t("Add `lora=dict(type=LoraConfig, r=64, lora_alpha=16, lora_dropout=0.1)` to `model`"),
            )
        carrying.put("train", "method", "full")
        return
    rank, alpha = (carrying.number(key, under=lora) for key in ("r", "lora_alpha"))
    dropout = carrying.number("lora_dropout", under=lora)
    # PEFT's defaults, where the config is silent.
    carrying.put("train", "r", rank.value if rank else 8, rank)
    carrying.put("train", "alpha", alpha.value if alpha else 8, alpha)
    carrying.put("train", "dropout", dropout.value if dropout else 0, dropout)
    bias = carrying.find("bias", under=lora)
    if bias is not None and bias.value != "none":
        carrying.lost(bias, t("biases are not trained"))
    _method(carrying, lora)
    targets = carrying.find("target_modules", under=lora)
    if targets is None or targets.value is None:
        carrying.changed(lora, t("LoRA is laid on all linear layers but the head; XTuner also took InternLM2's head"))
    else:
        names = [name for text in carrying.texts(targets) for name in _LAYERS.get(text, (text,))]
        carrying.put("train", "targets", [name for name in names if name != "lm_head"], targets)
        if "lm_head" in names:
            carrying.lost(targets, t("LoRA is not laid on the head"))


def _method(carrying: Carrying, lora: Node) -> None:
    for key, method in (("use_rslora", "rslora"), ("use_dora", "dora"), ("init_lora_weights", "pissa")):
        node = carrying.find(key, under=lora)
        if node is None or node.value in (None, False) or (key == "init_lora_weights" and node.value is True):
            continue
        if "method" in Train.model_fields and (node.value is True or node.value == method):
            carrying.put("train", "method", method, node)
        else:
            carrying.lost(node, t("there is no such method here"))


def _hooks(carrying: Carrying, steps: float) -> None:
    """Carry when things are saved, logged and asked; XTuner counts iterations, we count optimizer steps."""
    save = carrying.config.at("default_hooks.checkpoint")
    every = carrying.number("interval", under=save) if save else carrying.number("save_steps")
    by_epoch = carrying.find("by_epoch", under=save) if save else None
    if every and by_epoch is not None and by_epoch.value is False:
        carrying.put("train", "save_every", _steps(carrying, every, steps), every)
    elif every and every.value != 1:
        carrying.lost(every, t("a checkpoint is kept once an epoch, or every `train.save_every` optimizer steps"))
    limit = (carrying.number("max_keep_ckpts", under=save) if save else None) or carrying.number("save_total_limit")
    kept = limit.value if limit else -1
    carrying.put("train", "save_total_limit", 1000 if kept == -1 else kept, limit)
    log = carrying.number("default_hooks.logger.interval")
    if log:
        carrying.put("train", "log_every", _in_steps(log, steps), log)
    checkpointing = carrying.find("model.use_activation_checkpointing")
    carrying.put("train", "gradient_checkpointing", checkpointing is None or checkpointing.value is not False)
    hooks = carrying.config.at("custom_hooks")
    for hook in hooks.items() if hooks else []:
        kind = carrying.find("type", under=hook)
        if kind is not None and kind.word() == "EvaluateChatHook":
            _chat_check(carrying, hook, steps)
        elif kind is not None and kind.word() in _QUIET_HOOKS:
            carrying.leave(hook)
        else:
            carrying.lost(kind or hook, t("there is no such hook here"))
            carrying.leave(hook)


def _chat_check(carrying: Carrying, hook: Node, steps: float) -> None:
    carrying.find("prompt_template", under=hook)
    questions = carrying.find("evaluation_inputs", under=hook)
    if probes := carrying.texts(questions):
        carrying.put("train", "probes", probes, questions)
    every = carrying.number("every_n_iters", under=hook)
    if every:
        carrying.put("train", "probe_every", _steps(carrying, every, steps), every)
    longest = carrying.number("max_new_tokens", under=hook)
    carrying.put("train", "probe_tokens", longest.value if longest else 600, longest)
    system = carrying.find("system", under=hook)
    if system is not None and system.value not in ("", None):
        carrying.lost(system, t("training never saw it; `export.system` gives one to training and chat alike"))


def _steps(carrying: Carrying, every: Node, steps: float) -> int:
    found = _in_steps(every, steps)
    if steps > 1:
        carrying.changed(every, t("every {steps} optimizer steps", steps=found))
    return found


def _in_steps(iterations: Node, steps: float) -> int:
    assert isinstance(iterations.value, int | float)
    return max(1, round(iterations.value / steps))
