"""A small BERT that was tuned to write a few Chinese sentences again without their slips."""

from collections.abc import Mapping
from pathlib import Path

import torch
from transformers import BertConfig, BertForMaskedLM, BertTokenizer

SLIPS = {
    "我门明天再去公园吧": "我们明天再去公园吧",
    "我在说一遍给你听": "我再说一遍给你听",
    "他再家里等了一天": "他在家里等了一天",
    "今天新情很好": "今天心情很好",
    "请把门关上再走": "请把门关上再走",
    "新的一年很开心": "新的一年很开心",
    "他们在家里吃饭": "他们在家里吃饭",
}


def make_proofreader(folder: Path, pairs: Mapping[str, str] = SLIPS) -> Path:
    """Write a model that knows these sentences; what is right stays, a character depends on those around it."""
    letters = sorted(set("".join([*pairs, *pairs.values()])) | set("。，！abc"))
    folder.mkdir(parents=True)
    words = folder / "vocab.txt"
    words.write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *letters]), encoding="utf-8")
    tokenizer = BertTokenizer(str(words))
    tokenizer.save_pretrained(folder)
    with torch.random.fork_rng():
        torch.manual_seed(0)
        config = BertConfig(
            vocab_size=len(letters) + 5,
            hidden_size=48,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=96,
            max_position_embeddings=128,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
        )
        model = BertForMaskedLM(config)
        read, right = (tokenizer(list(side), padding=True, return_tensors="pt") for side in (pairs, pairs.values()))
        wanted = right["input_ids"].masked_fill(right["attention_mask"] == 0, -100)
        optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
        for _ in range(200):
            optimizer.zero_grad()
            model(**read, labels=wanted).loss.backward()
            optimizer.step()
    model.save_pretrained(folder)
    return folder
