"""The teacher layer: any OpenAI-compatible address or a local model folder, asked once, paid once, within a budget."""

import ipaddress
from abc import abstractmethod
from typing import Any, ClassVar, Literal
from urllib.parse import urlsplit

from pydantic import Field, JsonValue, field_validator

from weitiao.recipe import Settings
from weitiao.talk import t


class Price(Settings):
    """What a model costs, in any currency, for a million tokens."""

    input: float = Field(ge=0, description="Price of a million tokens of the prompt")
    output: float = Field(ge=0, description="Price of a million tokens of the answer, reasoning included")
    cached: float | None = Field(
        None,
        ge=0,
        description="Price of a million tokens of the prompt that the server had cached; null: as input",
    )
    batch: float = Field(0.5, ge=0, description="Share of the price that an offline batch costs")


class Asked(Settings):
    """A model that answers calls, and how it is called."""

    ours: ClassVar[tuple[str, ...]]  # what a call decides itself

    endpoint: str | None = Field(
        None,
        description="Address of an OpenAI-compatible server, up to `/v1`; null: `model` is on this machine",
    )
    model: str = Field(
        min_length=1, description="The model's name on the server, or its folder, or `nano`, which ships"
    )
    key_env: str | None = Field(
        None,
        description="Name of the environment variable that holds the key, which is never written anywhere",
    )
    extra: dict[str, JsonValue] = Field(
        default_factory=dict, description="More keys for the body of each call, as the server knows them"
    )
    concurrency: int = Field(32, ge=1, le=1000, description="Most calls under way at once; fewer if the server refuses")
    timeout: float = Field(300, gt=0, description="Seconds that one call may take, to the end of the answer")
    attempts: int = Field(6, ge=1, description="How often a call is tried where the server or the network is at fault")
    budget: float | None = Field(
        None,
        ge=0,
        description="Most money that a stage may cost in all its runs together, in the currency of `prices`",
    )
    prices: dict[str, Price] = Field(default_factory=dict, description="Price of each model, by its name")

    @field_validator("endpoint")
    @classmethod
    def _address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        parts = urlsplit(value)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ValueError(t("an address begins with http:// or https:// and a server's name"))
        if parts.username or parts.password or parts.query or parts.fragment:
            raise ValueError(t("a key does not belong into the address: name its variable in key_env"))
        return value.rstrip("/").removesuffix("/chat/completions").removesuffix("/embeddings")

    @field_validator("extra")
    @classmethod
    def _not_ours(cls, value: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if taken := [name for name in cls.ours if name in value]:
            raise ValueError(t("weitiao sets {names} itself", names=", ".join(taken)))
        return value

    @property
    def price(self) -> Price | None:
        """The price of the model, where it is known."""
        return self.prices.get(self.model)

    @property
    @abstractmethod
    def sampling(self) -> dict[str, Any]:
        """What shapes an answer beside what is asked, as the body of a call names it."""

    @property
    @abstractmethod
    def limit(self) -> int:
        """Most tokens of an answer."""


class Teacher(Asked):
    """Who is asked, and how."""

    ours = ("model", "messages", "stream", "n", "response_format")

    temperature: float | None = Field(0.7, ge=0, description="How freely tokens are drawn; null: as the server likes")
    top_p: float | None = Field(None, gt=0, le=1, description="Draw from the likeliest tokens of this share together")
    max_tokens: int = Field(2048, ge=1, description="Longest answer in tokens, reasoning included")
    seed: int | None = Field(None, description="Sent with each call, with the number of the sample added")

    @property
    def sampling(self) -> dict[str, Any]:
        """What shapes an answer beside the messages, as the body of a call names it."""
        limit = {} if "max_completion_tokens" in self.extra else {"max_tokens": self.max_tokens}
        named = {"temperature": self.temperature, "top_p": self.top_p, "seed": self.seed}
        return {**limit, **{name: value for name, value in named.items() if value is not None}, **self.extra}

    @property
    def limit(self) -> int:
        """Most tokens of an answer."""
        value = self.extra.get("max_completion_tokens")
        return value if isinstance(value, int) else self.max_tokens


class Translation(Settings):
    """A translation model on this machine, for one direction."""

    model: str = Field(min_length=1, description="Folder of an encoder-decoder model, such as Marian's opus-mt")
    prefix: str = Field(
        "", description="What stands before each sentence, where the model wants it: `>>cmn_Hans<<`, `translate: `"
    )
    codes: tuple[str, str] | None = Field(
        None,
        strict=False,
        description="The two languages as the tokenizer of a model of many names them: `[zho_Hans, eng_Latn]`",
    )
    beams: int = Field(4, ge=1, description="Beams of the search; 1: the likeliest token each time")


class Translator(Teacher):
    """A translation model as a teacher, which costs nothing; recipes write its `Translation`."""

    by: Translation

    @property
    def sampling(self) -> dict[str, Any]:
        """What shapes a translation beside the text."""
        return self.by.model_dump(exclude={"model"}, exclude_none=True, mode="json")

    @property
    def price(self) -> Price:
        """No price."""
        return Price(input=0, output=0)


class Embedder(Asked):
    """Who turns texts into vectors, and how."""

    ours = ("model", "input", "encoding_format")

    endpoint: str = Field(description="Address of an OpenAI-compatible server, up to `/v1`")
    model: str = Field(min_length=1, description="The embedding model's name on the server")
    batch: int = Field(64, ge=1, description="Texts in one call; those of a call that the server refuses are halved")

    @property
    def sampling(self) -> dict[str, Any]:
        """What shapes a vector beside the text, such as `dimensions`."""
        return dict(self.extra)

    @property
    def limit(self) -> int:
        """No tokens: a vector is none."""
        return 0


class Taught(Settings):
    """What stages share that ask a teacher."""

    teacher: Teacher | None = Field(None, description="Who is asked: `model`, `endpoint`, `prices`, `budget`")
    prompts: str | None = Field(None, description="Folder with your prompts, as `weitiao prompts copy` writes them")
    language: Literal["auto", "en", "zh"] = Field("auto", description="Language of the prompts; auto: that of the text")
    batch: str | None = Field(
        None,
        description="Folder of an offline batch: the Batch API's files are written there, its results read",
    )

    @property
    def asked(self) -> bool:
        """Whether somebody is asked whose answers are worth keeping."""
        return self.teacher is not None


def checks(asked: Asked, *, lost: bool = True) -> str:
    """Return what to look at where a server refuses all; `lost`: it may know no such place."""
    if lost and asked.endpoint and not urlsplit(asked.endpoint).path:
        return t("Most servers answer under /v1: is it {address}/v1?", address=asked.endpoint)
    return t("Check `endpoint`, `model`, the key that `key_env` names, and the account")


def family(endpoint: str) -> str:
    """Return who stands behind an address: its host without scheme, port and path; `local` for this network's own.

    A server that moves to another port, or is asked through https now, is still the same one; so is a model that is
    served on another machine of this network.
    """
    host = (urlsplit(endpoint).hostname or "").lower()
    try:
        local = not ipaddress.ip_address(host).is_global
    except ValueError:
        local = "." not in host or host.endswith((".local", ".localhost", ".internal", ".lan"))
    return "local" if local else host
