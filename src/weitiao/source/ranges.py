"""A file of Hugging Face of which only what is read is fetched, by HTTP ranges."""

import io
import time
from typing import TYPE_CHECKING

from weitiao.source.hub import Remote, told

if TYPE_CHECKING:
    from _typeshed import WriteableBuffer

_TRIES = 5  # for a range: connections break
_LEAST, _MOST = 1 << 18, 1 << 23  # bytes of a request, read from the beginning


class NoRanges(Exception):
    """The server gives the file only whole."""


class RangeFile(io.RawIOBase):
    """A file of a data set of Hugging Face; raises NoRanges, and UserError where it cannot be had."""

    def __init__(self, remote: Remote) -> None:
        super().__init__()
        from huggingface_hub import hf_hub_url
        from huggingface_hub.utils import build_hf_headers  # type: ignore[attr-defined]

        repo = remote.name.removeprefix("hf:")
        self._url = hf_hub_url(repo, remote.path, repo_type="dataset", revision=remote.revision)
        # Packed on its way, a text would have no ranges.
        self._headers = {**build_hf_headers(), "Accept-Encoding": "identity"}
        self._remote = remote
        self._at = 0
        self._size = -1

    @property
    def size(self) -> int:
        """How many bytes the file has."""
        if self._size < 0:
            self._fetch(0, 1)
        return self._size

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def seekable(self) -> bool:
        """Whether it can be read anywhere."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place."""
        self._at = offset + (0, self._at, self.size if whence == io.SEEK_END else 0)[whence]
        return self._at

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what comes next, as much as there is room for, in one request."""
        room = memoryview(buffer).cast("B")
        found = self._fetch(self._at, self._at + len(room))
        room[: len(found)] = found
        self._at += len(found)
        return len(found)

    def _fetch(self, start: int, stop: int) -> bytearray:
        """Return the bytes of a range; one that breaks off goes on where it was."""
        from huggingface_hub import errors

        found = bytearray()
        tries = 0
        with told(self._remote):
            while start + len(found) < (stop if self._size < 0 else min(stop, self._size)):
                tries += 1
                try:
                    self._ask(start, stop, found)
                except errors.HTTPError as error:  # type: ignore[attr-defined]
                    if tries == _TRIES or isinstance(error, errors.HfHubHTTPError):
                        raise
                    time.sleep(tries - 1)
        return found

    def _ask(self, start: int, stop: int, found: bytearray) -> None:
        """Add what is still missing of a range to `found`."""
        from huggingface_hub import constants
        from huggingface_hub.utils import hf_raise_for_status, http_stream_backoff  # type: ignore[attr-defined]

        headers = {**self._headers, "Range": f"bytes={start + len(found)}-{stop - 1}"}
        wait = constants.HF_HUB_DOWNLOAD_TIMEOUT
        # It must not try again by itself once bytes have come.
        with http_stream_backoff("GET", self._url, headers=headers, timeout=wait, retry_on_exceptions=()) as response:
            total = response.headers.get("Content-Range", "").rpartition("/")[2]
            if response.status_code in (200, 416) or (response.status_code == 206 and not total.isdigit()):
                raise NoRanges  # 416: an empty file has none
            hf_raise_for_status(response)
            self._size = int(total)
            before = len(found)
            for block in response.iter_bytes():
                found += block
            if len(found) == before:
                raise OSError("the server sends nothing")


class Ahead(io.RawIOBase):
    """A file read from its beginning, in requests that grow: few bytes for a few rows, few requests for many."""

    def __init__(self, file: RangeFile) -> None:
        super().__init__()
        self._file = file
        self._held = memoryview(b"")
        self._next = _LEAST

    def readable(self) -> bool:
        """Whether it can be read."""
        return True

    def readinto(self, buffer: "WriteableBuffer") -> int:
        """Read what comes next."""
        if not self._held:
            self._held = memoryview(self._file.read(self._next) or b"")
            self._next = min(2 * self._next, _MOST)
        room = memoryview(buffer).cast("B")
        count = min(len(room), len(self._held))
        room[:count], self._held = self._held[:count], self._held[count:]
        return count
