"""collect: pages of the web into a folder that source reads, politely; each with its address, time and licence."""

from pydantic import Field

from weitiao import __version__
from weitiao.recipe import Settings


class Manners(Settings):
    """How pages are asked for."""

    agent: str = Field(
        f"weitiao/{__version__}",
        min_length=1,
        pattern=r"^[\x20-\x7e]+$",
        description="How the collector names itself to servers and robots.txt; add an address where you can be reached",
    )
    rate: float = Field(1.0, gt=0, description="Requests a second to one host; its robots.txt may ask for fewer")
    hosts: int = Field(8, ge=1, description="Hosts asked at the same time, each one request at a time")
    tries: int = Field(4, ge=1, description="Times an address is asked where the server fails or the line breaks")
    timeout: float = Field(60.0, gt=0, description="Seconds until a page must be there whole")
    longest_wait: float = Field(300.0, ge=0, description="Seconds to wait at most where a server asks for patience")
    most_megabytes: float = Field(20.0, gt=0, description="A page larger than this is left alone")
    at_most: int = Field(10_000, ge=1, description="Addresses taken from sitemaps at most")
    licence: str | None = Field(None, description="Licence of the pages, noted with those that name none")
    private: bool = Field(
        False, description="Also ask hosts of this machine and of private networks; else an address cannot lead there"
    )
