import json
import random
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import torch
from safetensors.torch import load, load_file

from weitiao.errors import UserError
from weitiao.stage import Job, Silent
from weitiao.store import Stored
from weitiao.train.run import run

T = TypeVar("T")
MakeJob = Callable[..., Job]
TIMES = ("seconds", "tokens_per_second", "memory_gb")


class Interrupt(Silent):
    """Stops the work before the given step of this try, as Ctrl-C does."""

    def __init__(self, step: int) -> None:
        self.step = step

    def track(self, items: Iterable[T], total: int, what: str) -> Iterator[T]:
        for number, item in enumerate(items):
            if number == self.step:
                raise KeyboardInterrupt
            yield item


class Notes(Silent):
    def __init__(self) -> None:
        self.said: list[str] = []

    def say(self, text: str) -> None:
        self.said.append(text)


METHODS: list[dict[str, Any]] = [
    {"method": "lora"},
    {"method": "rslora", "loraplus_ratio": 4},
    {"method": "dora"},
    {"method": "pissa"},
    {"method": "full"},
    {"method": "full", "freeze": ["model.embed_tokens.*", "model.layers.0.*"], "neftune_alpha": 5},
    {"method": "lora", "bits": 4},
    {"method": "lora", "bits": 4, "double_quant": False},
    {"method": "dora", "bits": 4, "neftune_alpha": 5},
    {"method": "lora", "bits": 8},
]


def named(settings: dict[str, Any]) -> str:
    return "-".join(f"{value}" for value in settings.values())


def metrics(folder: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]
    return [{key: value for key, value in line.items() if key not in TIMES} for line in lines]


def weights(job: Job) -> bytes:
    (path,) = [*job.folder.glob("adapter/*.safetensors"), *job.folder.glob("model/*.safetensors")]
    return path.read_bytes()


def losses(job: Job) -> list[float]:
    return [line["loss"] for line in metrics(job.folder) if line["kind"] == "train"]


def test_it_trains_and_every_record_is_in_the_ledger(make_job: MakeJob) -> None:
    notes = Notes()
    job = make_job(reporter=notes, epochs=8, probes=["1+1?"], save_every=2)
    outcome = run(job)
    assert (outcome.total, outcome.kept, outcome.refused) == (6, 6, {})
    found = losses(job)
    assert found[-1] < 0.7 * found[0]
    held = [line for line in metrics(job.folder) if line["kind"] == "validation"]
    assert held[0]["step"] == 0
    assert held[-1]["step"] == len(found) == outcome.facts["steps"]
    ledger = Stored(job.folder).ledger()
    assert ledger["id"].to_list() == ["r0", "r1", "r2", "r4", "r5", "r7"]
    assert ledger["action"].unique().to_list() == ["trained"]
    details = [json.loads(detail) for detail in ledger["detail"]]
    assert all(detail["loss"] < detail["loss_before"] for detail in details)
    assert sum(detail["supervised"] for detail in details) == outcome.facts["supervised"]
    probes = [json.loads(line) for line in (job.folder / "probes.jsonl").read_text().splitlines()]
    assert probes[0]["step"] == 0
    assert probes[-1]["step"] == len(found)
    assert set(probes[0]) == {"step", "question", "text", "tokens", "stopped"}
    assert "6 of 6 records train every stop token; template: the tokenizer's own" in notes.said
    kept = sorted(path.name for path in job.folder.glob("checkpoint-*"))
    assert len(kept) == 2
    assert not list(job.folder.glob("checkpoint-*/state.pt"))
    assert list((job.folder / "logs").glob("events*"))
    plan = json.loads((job.folder / "plan.json").read_bytes())
    assert plan["stops_trained"] == plan["rows"] == 6


def test_adapter_names_the_base_of_the_recipe_and_sorts_its_targets(make_job: MakeJob, tiny_llama: Path) -> None:
    job = make_job(max_steps=1)
    run(job)
    config = json.loads((job.folder / "adapter" / "adapter_config.json").read_bytes())
    assert config["base_model_name_or_path"] == str(tiny_llama)
    assert config["target_modules"] == sorted(config["target_modules"])
    assert "lm_head" not in config["target_modules"]


@pytest.mark.parametrize("settings", [
    {"dropout": 0.2, "save_every": 1},
    {"dropout": 0.1, "accumulate": 2, "gradient_checkpointing": True},
    {"keep": "best", "learning_rate": 0.05, "save_total_limit": 1},
    *[{**method, "save_every": 1} for method in METHODS[1:]],
], ids=named)  # fmt: skip
def test_resumed_equals_uninterrupted_bit_for_bit(make_job: MakeJob, settings: dict[str, Any]) -> None:
    settings = {"epochs": 5, "max_length": 64, "evaluate_every": 2, "probes": ["1+1?"], "probe_tokens": 4, **settings}
    whole = make_job("whole", **settings)
    run(whole)
    assert len(losses(whole)) >= 8
    for attempt in (random.randrange(1, 5), random.randrange(1, 3)):
        with pytest.raises(KeyboardInterrupt):
            run(make_job("cut", reporter=Interrupt(attempt), **settings))
    resumed = make_job("cut", **settings)
    run(resumed)
    assert weights(resumed) == weights(whole)
    assert metrics(resumed.folder) == metrics(whole.folder)
    assert (resumed.folder / "probes.jsonl").read_bytes() == (whole.folder / "probes.jsonl").read_bytes()
    assert Stored(resumed.folder).ledger().equals(Stored(whole.folder).ledger())


@pytest.mark.parametrize("settings", METHODS, ids=named)
def test_accumulated_single_records_equal_one_big_pack(make_job: MakeJob, settings: dict[str, Any]) -> None:
    settings = {"learning_rate": 1e-3, "record_losses": False, **settings}
    small = make_job("small", max_length=64, packing=False, accumulate=6, **settings)
    big = make_job("big", max_length=512, **settings)
    run(small)
    run(big)
    assert losses(small) == pytest.approx(losses(big), abs=2e-5)
    one, other = (load(weights(job)) for job in (small, big))
    assert all(torch.allclose(one[key], other[key], atol=1e-5) for key in one)


def test_gradient_checkpointing_changes_nothing(make_job: MakeJob) -> None:
    plain, thrifty = make_job("plain", max_steps=3), make_job("thrifty", max_steps=3, gradient_checkpointing=True)
    run(plain)
    run(thrifty)
    assert losses(plain) == pytest.approx(losses(thrifty), abs=1e-6)


def test_a_row_whose_loss_is_not_a_number_is_named(make_job: MakeJob, tiny_llama: Path, tmp_path: Path) -> None:
    from transformers import AutoModelForCausalLM, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(tiny_llama)
    model = AutoModelForCausalLM.from_pretrained(tiny_llama)
    bad = set(tokenizer("Why")["input_ids"]) - set(tokenizer("1+1?2生鱼片是死鱼片吗？是的，指没有煮熟。")["input_ids"])
    assert bad
    with torch.no_grad():
        model.model.embed_tokens.weight[sorted(bad)[0]] = torch.inf
        model.lm_head.weight = torch.nn.Parameter(torch.nan_to_num(model.lm_head.weight.clone(), posinf=0.0))
    model.config.tie_word_embeddings = False
    model.save_pretrained(tmp_path / "bad")
    tokenizer.save_pretrained(tmp_path / "bad")
    job = make_job(model=str(tmp_path / "bad"), record_losses=False)
    with pytest.raises(UserError) as error:
        run(job)
    assert "data.jsonl:3 (r2, " in error.value.message
    assert "r0" not in error.value.message
    with pytest.raises(UserError, match=r"data\.jsonl:3 \(r2, "):
        run(make_job("measured", model=str(tmp_path / "bad")))


def test_dropped_and_cut_rows_are_counted(make_job: MakeJob) -> None:
    job = make_job(overlong="drop", max_length=45, epochs=1)
    outcome = run(job)
    ledger = Stored(job.folder).ledger()
    dropped = ledger.filter(ledger["action"] == "dropped")
    assert outcome.refused == {"too long": len(dropped)}
    assert dropped["id"].to_list() == ["r5", "r7"]
    job = make_job("b", overlong="cut", max_length=45, epochs=1)
    assert run(job).kept == 6
    rows = Stored(job.folder).ledger()
    assert [tuple(row) for row in rows.select("id", "action").rows() if row[0] == "r5"] == [
        ("r5", "cut"),
        ("r5", "trained"),
    ]


def test_a_record_that_no_step_reached_is_not_called_trained(make_job: MakeJob) -> None:
    job = make_job(packing=False, max_steps=2)
    outcome = run(job)
    assert (outcome.total, outcome.kept, outcome.refused) == (6, 2, {"training ended before": 4})
    actions = Stored(job.folder).ledger()["action"].to_list()
    assert sorted(actions) == ["skipped"] * 4 + ["trained"] * 2


def test_unknown_target(make_job: MakeJob) -> None:
    with pytest.raises(UserError, match="no linear layer `wqkv`"):
        run(make_job(targets=["wqkv"]))


def test_tiny_is_made_from_the_training_texts_alone(make_job: MakeJob) -> None:
    job = make_job(model="tiny", max_steps=1)
    outcome = run(job)
    assert outcome.facts["tiny"]["vocabulary"] < 1024
    assert (
        json.loads((job.folder / "adapter" / "adapter_config.json").read_bytes())["base_model_name_or_path"] == "base"
    )
    again = make_job("again", model="tiny", max_steps=1)
    run(again)
    assert weights(job) == weights(again)
    assert (job.folder / "base" / "tokenizer.json").read_bytes() == (
        again.folder / "base" / "tokenizer.json"
    ).read_bytes()


def test_bfloat16_weights_keep_the_adapter_in_float32(make_job: MakeJob) -> None:
    job = make_job(dtype="bfloat16", epochs=6)
    outcome = run(job)
    assert outcome.facts["dtype"] == "bfloat16"
    assert losses(job)[-1] < 0.8 * losses(job)[0]
    found = load_file(job.folder / "adapter" / "adapter_model.safetensors")
    assert {value.dtype for value in found.values()} == {torch.float32}
