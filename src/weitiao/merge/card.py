"""The model card: README.md beside the merged model, with what a reader must know before using it."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

import weitiao
from weitiao.model.hub import MODELSCOPE, SHIPPED
from weitiao.record import Record
from weitiao.talk import t


@dataclass(frozen=True)
class Card:
    """What the card tells: `base` as people know it, the records trained on, the settings and figures of training."""

    name: str
    base: str
    records: Sequence[Record] = ()
    settings: dict[str, Any] = field(default_factory=dict)
    figures: dict[str, Any] = field(default_factory=dict)

    def text(self, licence: str | None, merged: dict[str, Any]) -> str:
        """Return the card; `licence` is the base model's, `merged` what the check of the merged model found."""
        front: dict[str, Any] = {"license": licence or "unknown"}
        if self.base not in ("tiny", SHIPPED):  # the hub has neither
            front["base_model"] = self.base.removeprefix(MODELSCOPE)
        front |= {"library_name": "transformers", "pipeline_tag": "text-generation", "tags": ["weitiao", "lora"]}
        parts = [
            f"---\n{yaml.safe_dump(front, sort_keys=False, allow_unicode=True)}---\n",
            f"# {self.name or 'model'}\n",
            t("{base}, fine-tuned and merged with weitiao {version}.", base=self.base, version=weitiao.__version__),
            *self._data(),
            *_table(t("Recipe"), {key: value for key, value in self.settings.items() if value not in (None, [], "")}),
            *_table(t("Figures"), self.figures | merged),
            f"\n## {t('Licence')}\n",
            t("Base model: {licence}.", licence=licence or t("not stated; ask its publisher")),
        ]
        if self.records:
            named = Counter(record.licence or t("none stated") for record in self.records)
            parts.append(t("Data: {licences}.", licences=", ".join(f"{name} ({n})" for name, n in named.most_common())))
        return "\n".join(parts) + "\n"

    def _data(self) -> list[str]:
        if not self.records:
            return []
        counts = Counter((record.uri, record.licence or "") for record in self.records)
        rows = [f"| {uri} | {count} | {licence} |" for (uri, licence), count in counts.most_common()]
        head = f"| {t('source')} | {t('records')} | {t('licence')} |"
        return [f"\n## {t('Data')}\n", head, "|---|---:|---|", *rows]


def licence_of(base: Path) -> str | None:
    """Return the licence that the card in the folder `base` states."""
    card = base / "README.md"
    text = card.read_text(encoding="utf-8", errors="replace") if card.exists() else ""
    if not text.startswith("---\n"):
        return None
    try:
        front = yaml.safe_load(text[4:].partition("\n---")[0])
    except yaml.YAMLError:
        return None
    return str(front["license"]) if isinstance(front, dict) and front.get("license") else None


def _table(title: str, values: dict[str, Any]) -> list[str]:
    rows = [f"| {key} | {_shown(value)} |" for key, value in values.items()]
    return [f"\n## {title}\n", "| | |", "|---|---|", *rows] if rows else []


def _shown(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(map(_shown, value))
    return f"{value:.4g}" if isinstance(value, float) else str(value).replace("|", "\\|").replace("\n", " ")
