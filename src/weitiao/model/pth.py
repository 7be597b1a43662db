"""Read tensors out of a PyTorch `.pth`, `.pt` or `.bin` file without running anything that is pickled in it.

XTuner's checkpoints name `getattr`, mmengine's `HistoryBuffer` and numpy's array rebuilder, which is why torch's own
safe loader refuses them (mmengine #1655). Here every global but the tensors' own gets an inert stand-in.
"""

import io
import pickle
import zipfile
from collections import OrderedDict
from pathlib import Path, PurePosixPath
from typing import Any

import torch

from weitiao.errors import UserError
from weitiao.talk import t

_DTYPES = {
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "DoubleStorage": torch.float64,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}


def read_pth(path: Path) -> Any:
    """Return what was saved: dicts, lists and tensors as they were, all other objects as inert stand-ins.

    Raises UserError if the file is not in torch's zip format (torch 1.6 and later) or is damaged.
    """
    try:
        with zipfile.ZipFile(path) as archive:
            names = {PurePosixPath(name).name: name for name in archive.namelist() if name.endswith("data.pkl")}
            if "data.pkl" not in names:
                raise UserError(t("{path} is no PyTorch file: there is no data.pkl in it", path=path))
            return _Reader(archive, names["data.pkl"]).load()
    except zipfile.BadZipFile:
        raise UserError(
            t("{path} is no PyTorch file that can be read safely: it is not in the zip format", path=path),
            t("Files of torch before 1.6 have to be saved anew with a later torch"),
        ) from None
    except (pickle.UnpicklingError, EOFError, KeyError, RuntimeError, TypeError, ValueError, AttributeError) as error:
        raise UserError(t("{path} is damaged: {error}", path=path, error=error)) from None


class _Inert:
    """Stands for any object; takes whatever the pickle does to it and does nothing."""

    def __new__(cls, *_: Any, **__: Any) -> "_Inert":
        return super().__new__(cls)

    def __init__(self, *_: Any, **__: Any) -> None:
        pass

    def __setstate__(self, _: Any) -> None:
        pass

    def __setitem__(self, _: Any, __: Any) -> None:
        pass

    def __call__(self, *_: Any, **__: Any) -> "_Inert":
        return self

    def append(self, _: Any) -> None:
        """Take an item."""

    def extend(self, _: Any) -> None:
        """Take items."""

    def add(self, _: Any) -> None:
        """Take an item."""


class _Reader(pickle.Unpickler):
    """An unpickler that knows tensors and plain containers, and runs nothing."""

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        super().__init__(io.BytesIO(archive.read(name)))
        self._archive = archive
        self._folder = name.removesuffix("data.pkl")
        self._storages: dict[str, torch.Tensor] = {}

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) == ("collections", "OrderedDict"):
            return OrderedDict
        if module in ("torch", "torch.storage") and name in _DTYPES:
            return _DTYPES[name]
        if module == "torch._utils" and name in ("_rebuild_tensor_v2", "_rebuild_parameter"):
            return _tensor if name == "_rebuild_tensor_v2" else _parameter
        return _Inert

    def persistent_load(self, pid: Any) -> torch.Tensor:
        _, dtype, key, _, count = pid
        if not isinstance(dtype, torch.dtype):
            raise pickle.UnpicklingError(f"storage of an unknown type: {key}")
        if key not in self._storages:
            content = bytearray(self._archive.read(f"{self._folder}data/{key}"))
            if len(content) < count * dtype.itemsize:
                raise pickle.UnpicklingError(f"storage {key} is cut")
            self._storages[key] = torch.frombuffer(content, dtype=dtype, count=count) if count else torch.empty(0)
        return self._storages[key]


def _tensor(
    storage: torch.Tensor, offset: int, size: tuple[int, ...], stride: tuple[int, ...], *_: Any
) -> torch.Tensor:
    return torch.as_strided(storage, size, stride, offset).clone()  # bounds are checked there


def _parameter(tensor: torch.Tensor, *_: Any) -> torch.Tensor:
    return tensor
