"""The merge stage: adapter and base become one model, which is read back and must answer as the two did.

What full fine-tuning made is one model already; it is written anew and checked in the same way.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import orjson
import torch

from weitiao.merge import Merge
from weitiao.merge.card import Card, licence_of
from weitiao.model import pair
from weitiao.model.generate import Sampling, answer
from weitiao.model.hub import own_code
from weitiao.model.load import DTYPES, load_model, load_tokenizer
from weitiao.model.save import stored_dtype, write
from weitiao.model.template import Messages, Template
from weitiao.record import to_records
from weitiao.stage import Job, Outcome, Reporter
from weitiao.store import write_whole
from weitiao.talk import t

# Asked where there are no records to ask from; test questions are never used.
QUESTIONS = ("你好", "为什么天空是蓝色的？", "What is two plus two?", "请用一句话介绍你自己。")

# How far logits may differ: rounding of the merged weights, and nothing else. In the narrow formats it may turn the
# choice between two tokens that are as likely, so there an answer may differ.
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 1.0, torch.float16: 0.1}


@dataclass(frozen=True)
class Trained:
    """How the merged model, on the full-precision base, compares with the quantised base that was trained on."""

    bits: int
    same: int  # greedy answers that are equal
    difference: float  # the largest difference of two logits
    divergence: float  # the mean Kullback-Leibler divergence a token, in nats


@dataclass(frozen=True)
class Merged:
    """What was written and how it compares with base and adapter: `same` of `prompts` greedy answers are equal."""

    prompts: int
    same: int
    difference: float  # the largest difference of two logits
    alike: bool
    dtype: str
    parameters: int
    stop_ids: list[int]
    files: list[str]
    trained_on: Trained | None = None


@dataclass(frozen=True)
class _Said:
    texts: list[str]
    logits: list[torch.Tensor]  # of each prompt and its answer, (tokens, vocabulary)


def run(job: Job) -> Outcome:
    """Merge the adapter of the train stage into its base model."""
    train = job.inputs["train"].folder
    settings = job.settings(Merge)
    prompts = _questions(job, settings.prompts)
    if (train / "model").is_dir():
        job.reporter.say(t("There is no adapter: the whole model was trained. It is written anew and checked"))
        place = pair.Place(str(train / "model"), trust=job.recipe.project.trust_remote_code)
    else:
        trust = job.recipe.project.trust_remote_code
        place = replace(
            pair.before(job.recipe.project.model, job.recipe.folder, train, trust=trust), adapter=str(train / "adapter")
        )
    template = pair.template(place, job.recipe.project.template, job.recipe.project.thinking)
    found = merge(place, job.folder / "model", settings, prompts, template)
    describe(_card(job), Path(place.model), job.folder / "model", found)
    tell(found, job.reporter)
    write_whole(job.folder / "merge.json", orjson.dumps(asdict(found), option=orjson.OPT_INDENT_2))
    said = {"same": found.same, "prompts": found.prompts, "difference": f"{found.difference:.1e}"}
    return Outcome(1, 1, facts=asdict(found) | {"said": said}, unit="models")


def merge(
    place: pair.Place, out: Path, settings: Merge, prompts: Sequence[Messages], template: Template | None = None
) -> Merged:
    """Write base and adapter as one model into the folder `out`, read it back and compare the two.

    The base is loaded unquantised: what NF4 rounded off must not end up in the result.
    """
    base, adapter = place.model, place.adapter
    template = template or pair.template(place)
    dtype = stored_dtype(base) if settings.dtype == "auto" else settings.dtype
    model = load_model(base, adapter=adapter, dtype=dtype, trust=place.trust)
    before = _say(model, template, prompts, settings.tokens)
    if adapter is not None:
        model = model.merge_and_unload()
    stops = write(model, template, Path(base), out, settings.max_shard_size, layout=settings.layout)
    kind, parameters = model.dtype, model.num_parameters()
    del model
    again = Template(load_tokenizer(str(out), trust=place.trust))
    after = _say(load_model(str(out), dtype=dtype, trust=place.trust), again, prompts, settings.tokens, before)
    same, difference = _compared(before, after)
    return Merged(
        prompts=len(prompts),
        same=same,
        difference=difference,
        alike=difference <= TOLERANCE[kind] and (same == len(prompts) or kind != torch.float32),
        dtype=dtype,
        parameters=parameters,
        stop_ids=stops,
        files=sorted(path.name for path in out.iterdir()),
        trained_on=_trained_on(place, template, prompts, after, settings.tokens),
    )


def describe(card: Card, base: Path, out: Path, found: Merged) -> None:
    """Write the model card, with what the check found, into the folder `out`."""
    checked: dict[str, Any] = {
        "parameters": found.parameters,
        "dtype": found.dtype,
        "merge_same": f"{found.same}/{found.prompts}",
    }
    if on := found.trained_on:
        checked["trained_on"] = f"{on.bits} bits, {on.same}/{found.prompts}, {on.divergence:.2g} nats"
    if files := own_code(str(base), trust=True):  # it was loaded: the user had said so
        checked["remote_code"] = list(files)
    (out / "README.md").write_text(card.text(licence_of(base), checked), encoding="utf-8")


def _card(job: Job) -> Card:
    """Return what the run tells; a model in a folder is called by its last name, not by a place on this machine."""
    name = job.recipe.project.model
    records = [
        record
        for record in (to_records(job.inputs["export"].records()) if "export" in job.inputs else [])
        if record.facts.get("split", {}).get("part", "train") == "train"
    ]
    train = job.inputs["train"].manifest
    wanted = ("rows", "tokens", "supervised", "steps", "trained", "loss", "held_out_loss", "template")
    facts = train["facts"]
    settings = train["settings"] | facts.get("chosen", {})
    return Card(
        job.recipe.project.name,
        Path(name).name if (job.recipe.folder / Path(name).expanduser()).exists() else name,
        records,
        {key: value for key, value in settings.items() if key not in ("probes", "validation")},
        {key: facts[key] for key in wanted if key in facts},
    )


def _compared(one: _Said, other: _Said) -> tuple[int, float]:
    """Return how many answers are the same, and how far two logits are apart at most."""
    same = sum(a == b for a, b in zip(one.texts, other.texts, strict=True))
    return same, max((a - b).abs().max().item() for a, b in zip(one.logits, other.logits, strict=True))


def _trained_on(
    place: pair.Place, template: Template, prompts: Sequence[Messages], merged: _Said, tokens: int
) -> Trained | None:
    quantised = place.trained_on
    if quantised is None:
        return None
    model = load_model(place.model, adapter=place.adapter, quantised=quantised, trust=place.trust)
    found = _say(model, template, prompts, tokens, merged)
    p, q = (torch.cat(one.logits).log_softmax(-1) for one in (found, merged))
    return Trained(quantised.bits, *_compared(found, merged), divergence=(p.exp() * (p - q)).sum(-1).mean().item())


def tell(found: Merged, reporter: Reporter) -> None:
    """Say how the merged model compares, loudly where it is another model."""
    if on := found.trained_on:
        reporter.say(
            t(
                "Merged onto the full-precision base; the adapter was trained on it in {bits} bits: {same} of "
                "{prompts} answers the same, logits differ by {difference:.2g} at most, {divergence:.2g} nats a token",
                prompts=found.prompts,
                **asdict(on),
            )
        )
    if found.alike:
        if found.same < found.prompts:
            reporter.say(
                t(
                    "{count} of {prompts} answers go another way by the rounding of {dtype}: logits may differ by up "
                    "to {most:g} there, and do by {difference:.2g}. In float32 no answer may differ",
                    count=found.prompts - found.same,
                    most=TOLERANCE[DTYPES[found.dtype]],
                    **asdict(found),
                )
            )
        return
    reporter.say(
        t(
            "WARNING: the merged model is not base + adapter: {same} of {prompts} answers the same, logits differ by "
            "{difference:.3g}. Do not use it; use the adapter, or merge with dtype float32",
            **asdict(found),
        )
    )


def _questions(job: Job, count: int) -> list[Messages]:
    """Return the openings of held-out conversations, else of training ones, up to their first answer."""
    records = to_records(job.inputs["export"].records()) if "export" in job.inputs else []
    parts: dict[str, list[Messages]] = {"validation": [], "train": []}
    for record in records:
        roles = [role for role, _ in record.messages]
        part = record.facts.get("split", {}).get("part", "train")
        if part in parts and "assistant" in roles:
            parts[part].append(record.messages[: roles.index("assistant")])
    return [*parts["validation"], *parts["train"]][:count] or asked()


def asked() -> list[Messages]:
    """Return the questions that are asked where there are no records."""
    return [(("user", question),) for question in QUESTIONS]


def _say(model: Any, template: Template, prompts: Sequence[Messages], tokens: int, same: _Said | None = None) -> _Said:
    """Return greedy answers, and the logits of each prompt with its answer, or with the answers in `same`."""
    sampling = Sampling(max_new_tokens=tokens)
    texts = [one.text for one in answer(model, template, prompts, sampling, batch_tokens=1)]
    logits = []
    for prompt, text in zip(prompts, same.texts if same else texts, strict=True):
        ids = template.prompt(prompt) + template.tokenizer(text, add_special_tokens=False)["input_ids"]
        with torch.no_grad():
            found = model(input_ids=torch.tensor([ids], device=model.device), use_cache=False)
        logits.append(found.logits[0].float().cpu())
    return _Said(texts, logits)
