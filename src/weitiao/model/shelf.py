"""A model and the adapters on it, side by side by name: the weights are held once, one name answers at a time."""

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from weitiao.errors import UserError
from weitiao.model import pair, tokens
from weitiao.model.batch import Batch, positions
from weitiao.model.load import load_model
from weitiao.model.pair import Place
from weitiao.talk import t


class Shelf:
    """What answers under which name; `batches` are what is under way, each on the model as its name wants it."""

    def __init__(self, places: Mapping[str, Place]) -> None:
        """Load what stands at `places`: at most one model, and any number of adapters on it.

        Raises UserError for adapters of different models, and for one that brings tokens along beside another name.
        """
        bases = {(place.model, place.trust) for place in places.values()}
        if len(bases) != 1:
            names = ", ".join(sorted(base for base, _ in bases))
            raise UserError(t("The adapters belong to different models: {names}", names=names))
        ((path, trust),) = bases
        adapters = {name: place.adapter for name, place in places.items() if place.adapter}
        for name, adapter in adapters.items():
            if len(places) > 1 and tokens.trained_in(Path(adapter)):
                raise UserError(
                    t("The adapter {name} has tokens of its own, so nothing else can stand beside it", name=name),
                    t("Serve it alone: --model {adapter}", adapter=adapter),
                )
        first = next(iter(adapters), None)
        self._model: Any = load_model(path, adapter=adapters[first] if first else None, trust=trust)
        self._known = {name: "default" if name == first else f"adapter-{name}" for name in adapters}
        for name, adapter in adapters.items():
            if name != first:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore", FutureWarning)  # as in `load_model`
                    self._model.load_adapter(adapter, adapter_name=self._known[name])
        self._model.eval()
        self._turned = first  # the name whose weights are in force
        self.room = positions(self._model)
        self.words: int = self._model.get_input_embeddings().weight.shape[0]
        self.templates = {name: pair.template(place) for name, place in places.items()}
        self.batches = {name: Batch(self._model, template.stop_ids) for name, template in self.templates.items()}

    def turn_to(self, name: str) -> Batch:
        """Make the model the one that `name` means, and return its batch."""
        adapter = self._known.get(name)
        if self._known and name != self._turned:
            if adapter is None:
                self._model.base_model.disable_adapter_layers()
            else:
                self._model.base_model.enable_adapter_layers()
                self._model.set_adapter(adapter, inference_mode=True)
        self._turned = name
        return self.batches[name]

    def drop(self, name: str) -> None:
        """Forget what is under way under `name`: a step of it has failed."""
        self.batches[name] = Batch(self._model, self.templates[name].stop_ids)
