"""serve: models behind an OpenAI-compatible address; requests that come together are answered together."""

from pydantic import Field

from weitiao.recipe import Settings


class Limits(Settings):
    """What a server bears."""

    max_new_tokens: int = Field(512, ge=1, description="Longest answer in tokens, where a request names no limit")
    places: int = Field(64, ge=1, description="Answers under way at once")
    batch_tokens: int = Field(
        65_536, ge=1, description="Tokens of answers under way, each counted as long as the longest may become"
    )
    waiting: int = Field(256, ge=0, description="Answers that may wait for a place; more are refused with 429")
    seconds: float = Field(600, gt=0, description="Seconds an answer may take, the wait for a place included")
    megabytes: float = Field(4, gt=0, description="Largest request")
    grace: float = Field(10, ge=0, description="Seconds that answers get to end when the server is stopped")
