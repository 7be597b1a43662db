"""Adapters that say something else than their model, made without training."""

import warnings
from pathlib import Path

import torch
from peft import LoraConfig, get_peft_model
from serve_ask import NANO

from weitiao.model.load import load_model


def make_adapter(folder: Path, seed: int) -> Path:
    """Write a random adapter on nano."""
    torch.manual_seed(seed)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # PEFT 0.21 reads what transformers 5.23 has renamed
        model = get_peft_model(load_model(NANO), LoraConfig(r=4, target_modules=["q_proj", "v_proj", "down_proj"]))
    for name, weight in model.named_parameters():
        if "lora_B" in name:
            torch.nn.init.normal_(weight, std=0.3)
    model.peft_config["default"].base_model_name_or_path = NANO
    model.save_pretrained(folder)
    return folder
