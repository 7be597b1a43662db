"""Asking the web for pages: robots.txt kept, each host at its rate, private networks out of reach."""

import email.utils
import ipaddress
import random
import re
import socket
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC
from urllib.parse import urljoin, urlsplit

import aiohttp
import anyio
from aiohttp.abc import ResolveResult
from protego import Protego

from weitiao.collect import Manners

PRIVATE = "private address"
PAGES = ("text/html", "application/xhtml+xml", "text/plain")
_HOPS = 10
_PASSING = {408, 425, 429, 500, 502, 503, 504}
_MOVED = {301, 302, 303, 307, 308}
_ROBOTS_BYTES = 500 * 1024  # RFC 9309: what a crawler must read at least
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_LICENCE = re.compile(r"""<([^>]+)>\s*;[^,]*rel=["']?license\b""", re.I)


class Failed(Exception):
    """An address that gave no page: the reason, short; whether it may give one later; how long to wait for it."""

    def __init__(self, reason: str, *, passing: bool = False, wait: float = 0.0) -> None:
        super().__init__(reason)
        self.reason, self.passing, self.wait = reason, passing, wait


@dataclass(frozen=True)
class Page:
    """What an address gave: the bytes as they came, where it was in the end, and what the server said of it."""

    address: str
    body: bytes
    kind: str
    charset: str = ""
    licence: str = ""


class _Private(OSError):
    """A name that leads to no public address."""


class _PublicResolver(aiohttp.ThreadedResolver):
    """Resolves names to public addresses alone, at the moment of the connection: a name cannot change in between."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = [one for one in await super().resolve(host, port, family) if _is_public(one["host"])]
        if not found:
            raise _Private(host)
        return found


class Web:
    """The web as this run sees it; used as a context."""

    def __init__(self, manners: Manners) -> None:
        self.manners = manners
        self._robots: dict[str, Protego | Failed] = {}
        self._locks: dict[str, anyio.Lock] = {}
        self._next: dict[str, float] = {}  # host -> before when it is not asked again
        self._closed: dict[str, Failed] = {}  # hosts that want to be left alone for this run

    async def __aenter__(self) -> "Web":
        connector = aiohttp.TCPConnector(resolver=None if self.manners.private else _PublicResolver())
        limits = aiohttp.ClientTimeout(total=self.manners.timeout)
        headers = {"User-Agent": self.manners.agent, "Accept": "text/html,application/xhtml+xml,text/plain,*/*;q=0.1"}
        self._session = aiohttp.ClientSession(connector=connector, timeout=limits, headers=headers)
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._session.close()

    async def page(self, address: str, kinds: tuple[str, ...] = PAGES) -> Page:
        """Return what an address gives, over redirects; raises Failed."""
        seen: list[str] = []
        while True:
            if address in seen:
                raise Failed("redirects go round in a circle")
            seen.append(address)
            if len(seen) > _HOPS:
                raise Failed("too many redirects")
            _judge(address, self.manners)
            robots = await self._rules(address)
            if not robots.can_fetch(address, self.manners.agent):
                raise Failed("robots.txt forbids it")
            found = await self._patiently(address, kinds, _delay(robots, self.manners))
            if isinstance(found, Page):
                return found
            address = found

    async def _rules(self, address: str) -> Protego:
        """Return what robots.txt of the address's host says (RFC 9309)."""
        parts = urlsplit(address)
        site = f"{parts.scheme}://{parts.netloc}"
        if site not in self._robots:
            self._robots[site] = await self._ask_rules(f"{site}/robots.txt")
        rules = self._robots[site]
        if isinstance(rules, Failed):
            raise rules
        return rules

    async def _ask_rules(self, address: str) -> Protego | Failed:
        for _ in range(5):
            try:
                _judge(address, self.manners)
                found = await self._patiently(address, (), 0.0)
            except Failed as failed:
                if failed.reason.startswith("HTTP 4") and not failed.passing:
                    return Protego.parse("")  # there is none: all is allowed
                if failed.reason in (PRIVATE, "not a web address"):
                    return failed
                return Failed("robots.txt cannot be had", passing=True)  # then nothing is, for now
            if isinstance(found, Page):
                return Protego.parse(found.body[:_ROBOTS_BYTES].decode("utf-8", "replace"))
            address = found
        return Protego.parse("")

    async def _patiently(self, address: str, kinds: tuple[str, ...], delay: float) -> Page | str:
        """Ask until there is an answer that stays: a page, or the address where it has moved."""
        host = urlsplit(address).netloc
        pause = max(1 / self.manners.rate, delay)
        async with self._locks.setdefault(host, anyio.Lock()):
            for times in range(1, self.manners.tries + 1):
                if host in self._closed:
                    raise self._closed[host]
                await anyio.sleep(max(0.0, self._next.get(host, 0.0) - time.monotonic()))
                self._next[host] = time.monotonic() + pause
                try:
                    return await self._once(address, kinds)
                except Failed as failed:
                    if not failed.passing:
                        raise
                    if failed.wait > self.manners.longest_wait:
                        self._closed[host] = Failed("the host asks for a longer wait", passing=True)
                        raise self._closed[host] from None
                    if times == self.manners.tries:
                        raise
                    backoff = pause * 2.0 ** (times - 1) * random.uniform(1.0, 1.5)
                    self._next[host] = time.monotonic() + max(failed.wait, min(backoff, self.manners.longest_wait))
        raise AssertionError("a loop of at least one try")

    async def _once(self, address: str, kinds: tuple[str, ...]) -> Page | str:
        try:
            async with self._session.get(address, allow_redirects=False) as response:
                if response.status in _MOVED and (where := response.headers.get("Location")):
                    return urljoin(address, where)
                if response.status != 200:
                    passing = response.status in _PASSING
                    raise Failed(f"HTTP {response.status}", passing=passing, wait=_wait(response.headers))
                kind = response.content_type
                if kinds and kind not in kinds and "Content-Type" in response.headers:
                    raise Failed(f"not a page: {kind}")
                body = await self._body(response)
                licence = match[1] if (match := _LICENCE.search(response.headers.get("Link", ""))) else ""
                return Page(address, body, kind, response.charset or "", licence)
        except TimeoutError:
            raise Failed("no whole page in time", passing=True) from None
        except aiohttp.ClientConnectorDNSError as error:
            if isinstance(error.os_error, _Private):
                raise Failed(PRIVATE) from None
            raise Failed("no such host", passing=True) from None
        except aiohttp.InvalidURL:
            raise Failed("not a web address") from None
        except (aiohttp.ClientError, ValueError, OSError) as error:
            raise Failed(f"connection broken off: {type(error).__name__}", passing=True) from None

    async def _body(self, response: aiohttp.ClientResponse) -> bytes:
        most = int(self.manners.most_megabytes * 1e6)
        blocks: list[bytes] = []
        size = 0
        async for block in response.content.iter_chunked(1 << 16):  # unpacked: a bomb ends here too
            blocks.append(block)
            size += len(block)
            if size > most:
                raise Failed("too large")
        return b"".join(blocks)


def _judge(address: str, manners: Manners) -> None:
    """Raise Failed for an address that is not of the web, carries a password, or is a number of a private network."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname or "", parts.port
    except ValueError:
        raise Failed("not a web address") from None
    if parts.scheme not in ("http", "https") or not host:
        raise Failed("not a web address")
    if "@" in parts.netloc:
        raise Failed("a name or password in the address")
    try:
        public = _is_public(host)
    except ValueError:
        return  # a name: judged where it is resolved
    if not (public or manners.private):
        raise Failed(PRIVATE)


def _is_public(host: str) -> bool:
    number = ipaddress.ip_address(host.partition("%")[0])
    if isinstance(number, ipaddress.IPv6Address):  # it may be an IPv4 address in other clothes
        low = ipaddress.IPv4Address(int(number) & 0xFFFFFFFF)
        number = (low if number in _NAT64 else None) or number.ipv4_mapped or number.sixtofour or number
    return number.is_global and not number.is_multicast


def _delay(robots: Protego, manners: Manners) -> float:
    asked = robots.crawl_delay(manners.agent) or 0.0
    rate = robots.request_rate(manners.agent)
    return max(float(asked), rate.seconds / rate.requests if rate and rate.requests else 0.0)


def _wait(headers: Mapping[str, str]) -> float:
    """Return the seconds that Retry-After asks for, as a number or a date."""
    value = headers.get("Retry-After", "").strip()
    if re.fullmatch(r"\d{1,9}", value):
        return float(value)
    try:
        date = email.utils.parsedate_to_datetime(value)
    except (ValueError, TypeError):
        return 0.0
    return max(0.0, (date if date.tzinfo else date.replace(tzinfo=UTC)).timestamp() - time.time())
