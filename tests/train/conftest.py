"""A training of a few steps on a tiny random model, as a job like the pipeline makes it."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from weitiao.recipe import bind
from weitiao.record import Record, to_frame
from weitiao.stage import Job, Reporter, Silent
from weitiao.store import Draft, Stored, write_parquet
from weitiao.train import Train

ROWS = [
    ("为什么水不能兑水？", "因为兑了还是水。"),
    ("浓硫酸里有水吗？", "有，大约百分之二。"),
    ("Why is the sky blue?", "Because short waves scatter more."),
    ("一光年等于几个普通年？", "换算不了，光年是长度。"),
    ("1+1?", "2"),
    ("石油也是油，为啥没人用它来炒菜？", "因为它有毒，而且太贵了，炒出来也不好吃。"),
    ("Can you hear silence?", "No."),
    ("生鱼片是死鱼片吗？", "是的，生指没有煮熟。"),
]

MakeJob = Callable[..., Job]


@pytest.fixture
def make_job(tmp_path: Path, tiny_llama: Path) -> MakeJob:
    import torch

    torch.set_num_threads(1)

    def make(
        name: str = "a",
        rows: list[tuple[str, str]] = ROWS,
        reporter: Reporter | None = None,
        model: str | None = None,
        template: str = "auto",
        **settings: Any,
    ) -> Job:
        export, draft = tmp_path / name / "export", tmp_path / name / "draft"
        export.mkdir(parents=True, exist_ok=True)
        draft.mkdir(exist_ok=True)
        records = [
            Record(
                f"r{index}",
                (("user", question), ("assistant", answer)),
                "data.jsonl",
                index + 1,
                facts={"split": {"part": "validation" if index == 3 else "test" if index == 6 else "train"}},
            )
            for index, (question, answer) in enumerate(rows)
        ]
        write_parquet(export / "part-00000.parquet", to_frame(records))
        chosen = {"epochs": 3, "max_length": 128, "learning_rate": 0.01, **settings}
        data = {"name": "t", "model": model or str(tiny_llama), "template": template, "train": chosen}
        recipe = bind(data, {"train": Train}, tmp_path)
        return Job(recipe, "train", Draft(draft), {"export": Stored(export)}, reporter or Silent())

    return make
