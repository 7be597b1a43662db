"""What is asked and what comes back: a reply, or a failure with its reason."""

from dataclasses import dataclass
from enum import StrEnum

from pydantic import BaseModel

Messages = tuple[tuple[str, str], ...]


class Reason(StrEnum):
    """Why a request has no answer; the words stand in the ledger."""

    EMPTY = "empty answer"
    LENGTH = "answer cut at the token limit"
    FILTER = "stopped by the content filter"
    DECLINED = "declined by the model"
    NOT_JSON = "answer is not JSON"
    SHAPE = "answer is JSON of another shape"
    REFUSED = "request refused by the server"
    SERVER = "error in the server"
    BROKEN = "connection broken off"
    NO_SERVER = "no connection to the server"
    TIMEOUT = "no whole answer in time"
    NOT_CHAT = "not a chat answer"
    NOT_VECTORS = "not vectors"
    NO_TEXT = "no text"
    BUSY = "server too busy"
    BUDGET = "no room in the budget"
    WAITING = "waits for the batch"


OF_SERVER = (  # no model has said anything
    *(Reason.REFUSED, Reason.SERVER, Reason.BROKEN, Reason.NO_SERVER),
    *(Reason.TIMEOUT, Reason.NOT_CHAT, Reason.NOT_VECTORS, Reason.BUSY),
)
UNASKED = (Reason.BUDGET, Reason.WAITING, Reason.NO_TEXT)  # nobody was asked
FINAL = (Reason.LENGTH, Reason.NO_TEXT)  # asking the same again would change nothing


@dataclass(frozen=True)
class Request:
    """One question: (role, content) messages, the shape of the answer where it is data, and which sample it is."""

    messages: Messages
    schema: type[BaseModel] | None = None
    sample: int = 0


@dataclass(frozen=True)
class Usage:
    """Tokens of a call; `cached` of those of the prompt were in the server's cache."""

    prompt: int = 0
    completion: int = 0
    cached: int = 0

    def __add__(self, other: "Usage") -> "Usage":
        return Usage(self.prompt + other.prompt, self.completion + other.completion, self.cached + other.cached)


@dataclass(frozen=True)
class Said:
    """What a model said, not yet judged; `finish` as the server names it."""

    text: str
    reasoning: str
    finish: str
    usage: Usage
    declined: str = ""


@dataclass(frozen=True)
class Reply:
    """A whole answer; `data` is an instance of the request's schema where it has one."""

    text: str
    reasoning: str
    data: BaseModel | None
    usage: Usage
    finish: str


@dataclass(frozen=True)
class Failure:
    """No usable answer; `raw` is what the model said, `detail` what speaks against it or what the server said."""

    reason: Reason
    raw: str = ""
    detail: str = ""
