"""Collecting pages from a server that misbehaves: politely, each address accounted for, nothing asked twice."""

import gzip
import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from llm_server import serving
from web_server import Answer, WebServer

from weitiao import pipeline
from weitiao.cli.collect import app
from weitiao.collect import Manners
from weitiao.collect.run import Counts, collect
from weitiao.errors import UserError
from weitiao.recipe import bind
from weitiao.record import Record, to_records
from weitiao.source.collected import entries
from weitiao.stage import Silent

ROBOTS = Answer(b"User-agent: *\nDisallow: /secret\nDisallow: /*.php$\n", headers={"Content-Type": "text/plain"})
LOC = "<url><loc>{}</loc></url>"


@pytest.fixture
def web() -> Iterator[WebServer]:
    with serving(WebServer()) as server:
        yield server


def get(inputs: list[str], folder: Path, *, again: bool = False, **settings: Any) -> Counts:
    manners = Manners(**{"rate": 500.0, "private": True, "timeout": 1.0, **settings})
    return collect(inputs, folder, manners, Silent(), again=again)


def reasons(folder: Path) -> dict[str, str]:
    return {row["address"].rpartition("/")[2]: row.get("reason", "") for row in entries(folder)}


def read(folder: Path) -> list[Record]:
    recipe = bind({"name": "t", "source": {"inputs": [folder.name]}}, pipeline.SETTINGS, folder.parent)
    return to_records(pipeline.run(recipe)[0].stored.records())


def test_pages_know_address_time_and_licence(web: WebServer, tmp_path: Path) -> None:
    free = {"Link": '<https://creativecommons.org/licenses/by/4.0/>; rel="license"'}
    mine = b'<body><link rel=license href="https://creativecommons.org/publicdomain/zero/1.0/"><p>a</p></body>'
    one = web.add("/one", Answer(b"<p>one</p>", headers=free))
    moved = web.add("/moved", Answer(status=301, headers={"Location": "/there#x"}))
    web.add("/there", Answer("<p>喆镕</p>".encode("gb18030"), headers={"Content-Type": "text/html; charset=gb18030"}))
    wrong = web.add("/wrong", Answer("<p>都是好的</p>".encode(), headers={"Content-Type": "text/html; charset=big5"}))
    own = web.add("/own", Answer(mine))
    counts = get([f"{one}#part", one, moved, wrong, own], tmp_path / "p", licence="house", agent="me/1 (+a@b.org)")
    assert (counts.kept, counts.total) == (4, 4)
    assert web.agents == {"me/1 (+a@b.org)"}
    records = {record.uri: record for record in read(tmp_path / "p")}
    assert {uri: (r.messages[0][1], r.licence) for uri, r in records.items()} == {
        one: ("one", "https://creativecommons.org/licenses/by/4.0/"),
        f"{web.address}/there#x": ("喆镕", "house"),
        wrong: ("都是好的", "house"),
        own: ("a", "CC0-1.0"),
    }
    source = records[one].facts["source"]
    assert source["file"].startswith("p/pages/")
    assert source["collected"].endswith("+00:00")


def test_each_failure_is_named_and_only_what_may_pass_is_asked_again(web: WebServer, tmp_path: Path) -> None:
    loop = {"Location": "/loop2"}
    ways = {
        "gone": [Answer(status=410)],
        "once": [Answer(status=500), Answer(status=503), Answer()],
        "never": [Answer(status=500)],
        "cut": [Answer(b"x" * 1000, cut=10)],
        "cut1": [Answer(b"x" * 1000, cut=10), Answer()],
        "slow": [Answer(b"x" * 500, trickle=True)],
        "loop": [Answer(status=302, headers=loop)],
        "loop2": [Answer(status=302, headers={"Location": "/loop"})],
        "file": [Answer(status=302, headers={"Location": "file:///etc/passwd"})],
        "huge": [Answer(endless=True)],
        "bomb": [Answer(gzip.compress(b"\0" * 5_000_000), headers={"Content-Encoding": "gzip"})],
        "picture": [Answer(b"\x89PNG", headers={"Content-Type": "image/png"})],
        "secret": [Answer()],
        "x.php": [Answer()],
    }
    web.add("/robots.txt", ROBOTS)
    addresses = [web.add(f"/{name}", *answers) for name, answers in ways.items()]
    counts = get(addresses, tmp_path, tries=3, most_megabytes=1.0)
    assert reasons(tmp_path) == {
        "gone": "HTTP 410",
        "once": "",
        "never": "HTTP 500",
        "cut": "connection broken off: ClientPayloadError",
        "cut1": "",
        "slow": "no whole page in time",
        "loop": "redirects go round in a circle",
        "loop2": "redirects go round in a circle",
        "file": "not a web address",
        "huge": "too large",
        "bomb": "too large",
        "picture": "not a page: image/png",
        "secret": "robots.txt forbids it",
        "x.php": "robots.txt forbids it",
    }
    assert (counts.kept, counts.total, web.asked.count("/never")) == (2, 14, 3)
    assert "/secret" not in web.asked
    assert web.asked.count("/robots.txt") == 1
    web.asked.clear()
    web.pages["/never"] = [Answer()]
    counts = get(addresses, tmp_path, tries=1, most_megabytes=1.0)
    assert (counts.kept, counts.known, counts.total) == (1, 2, 14)
    assert set(web.asked) == {"/robots.txt", "/never", "/cut", "/slow"}
    web.asked.clear()
    get(addresses, tmp_path, tries=1, most_megabytes=1.0, again=True)
    assert "/gone" in web.asked
    assert "/once" not in web.asked


def test_a_host_is_asked_at_its_rate_and_waits_as_it_says(web: WebServer, tmp_path: Path) -> None:
    web.add("/robots.txt", Answer(b"User-agent: *\nCrawl-delay: 0.2", headers={"Content-Type": "text/plain"}))
    pages = [web.add(f"/{n}", Answer()) for n in range(4)]
    busy = web.add("/busy", Answer(status=429, headers={"Retry-After": "1"}), Answer())
    get([*pages, busy], tmp_path)
    gaps = [after - before for before, after in zip(web.times[1:], web.times[2:], strict=False)]
    assert min(gaps[:4]) >= 0.19
    assert gaps[-1] >= 0.99


def test_a_host_that_wants_to_be_left_alone_is(web: WebServer, tmp_path: Path) -> None:
    first = web.add("/1", Answer())
    busy = web.add("/busy", Answer(status=503, headers={"Retry-After": "Fri, 31 Dec 2199 23:59:59 GMT"}))
    last = web.add("/2", Answer())
    counts = get([first, busy, last], tmp_path)
    assert (counts.kept, counts.failed) == (1, {"the host asks for a longer wait": 2})
    assert "/2" not in web.asked
    web.add("/busy", Answer())
    assert get([first, busy, last], tmp_path).kept == 2


def test_without_robots_txt_nothing_is_asked_while_the_server_fails(web: WebServer, tmp_path: Path) -> None:
    page = web.add("/1", Answer())
    web.add("/robots.txt", Answer(status=500))
    with pytest.raises(UserError, match=r"No page could be had: robots.txt cannot be had 1"):
        get([page], tmp_path, tries=2)
    web.add("/robots.txt", Answer(status=302, headers={"Location": "/r"}))
    web.add("/r", Answer(b"User-agent: *\nDisallow: /1"))
    with pytest.raises(UserError, match=r"robots.txt forbids it 1"):
        get([page], tmp_path)


@pytest.mark.parametrize(
    "address",
    [
        "http://127.0.0.1:{port}/1",
        "http://localhost:{port}/1",
        "http://0x7f.1:{port}/1",
        "http://[::ffff:127.0.0.1]:{port}/1",
        "http://[64:ff9b::7f00:1]:{port}/1",
        "http://[::1]:{port}/1",
        "http://0.0.0.0:{port}/1",
        "http://169.254.169.254/latest/meta-data",
        "http://10.0.0.1/",
    ],
)
def test_no_address_leads_into_private_networks_unless_allowed(web: WebServer, tmp_path: Path, address: str) -> None:
    web.add("/1", Answer())
    with pytest.raises(UserError, match="private address 1") as caught:
        get([address.format(port=web.port)], tmp_path, private=False)
    assert caught.value.hint.startswith("--private")
    assert web.asked == []
    assert [row["later"] for row in entries(tmp_path)] == [True]


def test_a_sitemap_gives_the_pages_of_its_own_host(web: WebServer, tmp_path: Path) -> None:
    inner = "".join(LOC.format(f"{web.address}/{n}") for n in range(3)) + LOC.format("http://other.example/")
    space = 'xmlns="http://www.sitemaps.org/schemas/sitemap/0.9"'
    xml = {"Content-Type": "application/xml"}
    for n in range(3):
        web.add(f"/{n}", Answer(b"<p>%d</p>" % n))
    web.add("/a.xml.gz", Answer(gzip.compress(f"<urlset {space}>{inner}</urlset>".encode()), headers=xml))
    maps = f"<sitemap><loc>{web.address}/a.xml.gz</loc></sitemap><sitemap><loc>{web.address}/b.xml</loc></sitemap>"
    index = web.add("/sitemap.xml", Answer(f"<sitemapindex {space}>{maps}</sitemapindex>".encode(), headers=xml))
    laughs = b'<!DOCTYPE x [<!ENTITY a "ha"><!ENTITY b "&a;&a;">]><urlset><url><loc>&b;</loc></url></urlset>'
    bad = web.add("/bad.xml", Answer(laughs, headers=xml))
    counts = get([index, bad], tmp_path, at_most=2)
    assert (counts.kept, counts.failed) == (2, {"the sitemap declares a document type": 1})
    assert [record.messages[0][1] for record in read(tmp_path)] in (["0", "1"], ["1", "0"])


def test_a_list_of_addresses_names_its_bad_line(web: WebServer, tmp_path: Path) -> None:
    one = web.add("/1", Answer())
    (tmp_path / "list.txt").write_text(f"# mine\n\n{one}\n", encoding="utf-8")
    assert get([str(tmp_path / "list.txt")], tmp_path / "p").kept == 1
    (tmp_path / "list.txt").write_text(f"{one}\nfile:///etc/passwd\n", encoding="utf-8")
    with pytest.raises(UserError, match=r"list.txt:2: no web address: file:///etc/passwd"):
        get([str(tmp_path / "list.txt")], tmp_path / "p")
    with pytest.raises(UserError, match="neither a web address nor a file"):
        get(["ftp://x.example/"], tmp_path / "p")


def test_an_index_that_a_crash_has_cut_is_mended(web: WebServer, tmp_path: Path) -> None:
    one, two = web.add("/1", Answer()), web.add("/2", Answer())
    get([one], tmp_path)
    with (tmp_path / "collected.jsonl").open("a") as index:
        index.write('{"address": "http')
    assert get([one, two], tmp_path).known == 1
    assert [row["address"] for row in entries(tmp_path)] == [one, two]


def test_the_command_says_what_came(web: WebServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    addresses = [web.add("/1", Answer()), web.add("/2", Answer(status=404))]
    began = time.monotonic()
    words = [*addresses, "-o", str(tmp_path), "--private", "--rate", "100"]
    with pytest.raises(SystemExit) as end:
        app(["collect", *words])
    assert (end.value.code, time.monotonic() - began < 5) == (0, True)
    said = capsys.readouterr().out
    assert said.startswith("Collected 1 of 2 addresses in ")
    assert said.endswith("(HTTP 404 1)\n")
    with pytest.raises(SystemExit):
        app(["collect", *words, "--json"])
    done = json.loads(capsys.readouterr().out)
    assert (done["known"], done["failed"]) == (1, {"HTTP 404": 1})


@pytest.mark.parametrize("line", ["not json", "[1]", '{"a": 1}', '{"address": "x", "time": "y", "file": "a.html"}'])
def test_a_file_of_ones_own_by_the_name_of_the_index_is_told_of(tmp_path: Path, line: str) -> None:
    (tmp_path / "collected.jsonl").write_text(line + "\n")
    with pytest.raises(UserError, match=r"collected\.jsonl:1 is no row of an index"):
        entries(tmp_path)
