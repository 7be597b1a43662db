"""A run is looked into: what is counted, filtered, searched and told is what the stages wrote."""

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path

import orjson
import pytest

from weitiao import pipeline
from weitiao.browse import census
from weitiao.browse.catalogue import Catalogue, Fate, Page, Query, words
from weitiao.browse.visit import Browser, Piece, difference
from weitiao.recipe import load
from weitiao.store import Run, write_whole

ROWS = [
    ("石油是怎么来的？", "古代的生物埋在地下，几百万年后成了石油。"),
    ("Is   Petroleum a rock oil?", "Yes: petra is rock, and OLEUM is oil."),
    ("红灯停绿灯行，那黄灯呢？", "已过停止线的可以继续走，没过的停下来。  "),
    ("红灯停绿灯行，那黄灯呢？", "已过停止线的可以继续走，没过的停下来。"),
    ("嗯", ""),
    ("Can I cut water with a knife?", "The knife parts it, but it closes again: a liquid keeps no shape."),
]
RECIPE = """
source: {inputs: [qa.jsonl], skip_bad: true}
prepare: {}
split: {ratios: {train: 0.6, test: 0.4}}
export: {}
"""
DUPLICATE = "fate:prepare/drop_exact_duplicates/exact duplicate"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("project")
    rows = [orjson.dumps({"instruction": asked, "input": "", "output": said}) for asked, said in ROWS]
    (folder / "qa.jsonl").write_bytes(b"\n".join([*rows[:2], b'{"instruction": "broken', *rows[2:]]) + b"\n")
    (folder / "recipe.yaml").write_text(RECIPE)
    pipeline.run(load(folder / "recipe.yaml", pipeline.SETTINGS))
    return folder / "runs" / "recipe"


@pytest.fixture
def run(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "run"))


@pytest.fixture
def catalogue(run: Path) -> Catalogue:
    census.take(run)
    found = Catalogue.open(run / census.CACHE / census.key(run))
    assert found
    return found


def rows(page: Page) -> list[int]:
    return [one.row for one in page.found]


def ask(catalogue: Catalogue, *labels: str, text: str = "", **more: object) -> list[int]:
    """Return the rows of the file in which the records stand that are found."""
    return rows(catalogue.page(Query(text, labels, **more)))  # type: ignore[arg-type]


def test_everything_that_was_ever_in_is_there_once_with_its_fate(catalogue: Catalogue) -> None:
    page = catalogue.page(Query())
    on, prepare = Fate("on"), "prepare"
    assert (page.total, page.number, page.pages) == (7, 1, 1)
    assert [(one.row, one.fate) for one in page.found] == [
        (1, on),
        (2, on),
        (4, on),
        (5, Fate("dropped", prepare, "drop_exact_duplicates", "exact duplicate")),
        (6, Fate("refused", "export", "export", "no answer")),
        (7, on),
        (3, Fate("skipped", "source", "source", "not JSON")),
    ]
    assert {one.uri for one in page.found} == {"qa.jsonl"}
    assert [one.text for one in page.found][4:] == [
        "嗯",
        "Can I cut water with a knife?\nThe knife parts it, but it closes again: a liquid keeps no shape.",
        '{"instruction": "broken',
    ]


def test_the_labels_count_what_the_stages_wrote(catalogue: Catalogue) -> None:
    assert {label.name: label.count for label in catalogue.labels.values()} == {
        "file:qa.jsonl": 7,
        "stage:source": 6,
        "stage:prepare": 5,
        "stage:split": 5,
        "stage:export": 4,
        "did:prepare/tidy_whitespace/changed": 2,
        "did:prepare/drop_short/spared": 1,
        "role:user": 6,
        "role:assistant": 5,
        "tag:shape=alpaca": 6,
        "part:train": 3,
        "part:test": 2,
        "fate:on": 4,
        "fate:source/source/not JSON": 1,
        "fate:prepare/drop_exact_duplicates/exact duplicate": 1,
        "fate:export/export/no answer": 1,
    }


def test_records_are_filtered_sorted_and_counted(catalogue: Catalogue) -> None:
    assert ask(catalogue, DUPLICATE) == [5]
    assert ask(catalogue, DUPLICATE, "fate:source/source/not JSON") == [5, 3]
    assert ask(catalogue, "stage:prepare", "did:prepare/tidy_whitespace/changed") == [2, 4]
    assert ask(catalogue, "stage:export", sort="length", down=True) == [7, 2, 4, 1]
    assert ask(catalogue, "stage:export", sort="length") == [1, 4, 2, 7]
    assert ask(catalogue, down=True) == [3, 7, 6, 5, 4, 2, 1]
    assert ask(catalogue, shortest=30, longest=60) == [4, 5]
    assert ask(catalogue, "part:nowhere") == []
    assert sorted(ask(catalogue, "part:train") + ask(catalogue, "part:test")) == [1, 2, 4, 6, 7]


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("石油", [1]),
        ("oil", [2]),
        ("OLEUM", [2]),
        ("petroleum ROCK", [2]),
        ('"Petroleum a rock"', [2]),
        ('"petroleum  a rock"', []),
        ("红灯停绿", [4, 5]),
        ("水", []),
        ("broken", [3]),
        ("在", [1]),
        ("k", [2, 7, 3]),
        ("为什么", []),
        ("", [1, 2, 4, 5, 6, 7, 3]),
    ],
)
def test_search_is_exact_with_an_index_and_without(run: Path, text: str, found: list[int]) -> None:
    census.take(run)
    folder = run / census.CACHE / census.key(run)
    indexed = Catalogue.open(folder)
    assert indexed
    assert ask(indexed, text=text) == found
    assert indexed.indexed == (1, 1)
    for file in folder.glob("records-*.npy"):
        file.unlink()
    scanned = Catalogue.open(folder)
    assert scanned
    assert scanned.indexed == (0, 1)
    assert ask(scanned, text=text) == found


def test_what_is_found_is_shown_with_its_place(catalogue: Catalogue) -> None:
    (one,) = catalogue.page(Query("petroleum ROCK")).found
    assert one.text == "Is Petroleum a rock oil?\nYes: petra is rock, and OLEUM is oil."
    assert [one.text[a:b] for a, b in one.marks] == ["Petroleum", "rock", "rock"]
    assert words(' a "B c"  石油\0 ') == ["a", "b c", "石油"]


def test_a_run_that_changed_is_read_anew_and_the_old_catalogue_goes(run: Path) -> None:
    census.take(run)
    first = census.key(run)
    shutil.rmtree(run / "export")
    assert census.key(run) != first
    census.take(run)
    assert [path.name for path in (run / census.CACHE).iterdir() if path.is_dir()] == [census.key(run)]
    catalogue = Catalogue.open(run / census.CACHE / census.key(run))
    assert catalogue
    assert [one.fate.action for one in catalogue.page(Query()).found] == [
        "on",
        "on",
        "on",
        "dropped",
        "on",
        "on",
        "skipped",
    ]


def test_what_no_later_stage_took_yet_waits(run: Path) -> None:
    shutil.rmtree(run / "prepare")  # as when a stage before it was run again and gave more
    census.take(run)
    catalogue = Catalogue.open(run / census.CACHE / census.key(run))
    assert catalogue
    assert ask(catalogue, "fate:waiting") == [5]


def test_a_census_that_was_broken_off_is_taken_anew(run: Path) -> None:
    (run / census.CACHE / ".part").mkdir(parents=True)
    (run / census.CACHE / ".part" / "texts.bin").write_bytes(b"half")
    census.take(run)
    assert not (run / census.CACHE / ".part").exists()
    assert Catalogue.open(run / census.CACHE / census.key(run))


def test_a_run_without_records_has_an_empty_page(tmp_path: Path) -> None:
    census.take(tmp_path)
    catalogue = Catalogue.open(tmp_path / census.CACHE / census.key(tmp_path))
    assert catalogue
    assert catalogue.page(Query("石油"), 3) == Page(0, 1, [])
    assert catalogue.number("a") is None


@pytest.fixture
def browser(run: Path) -> Iterator[Browser]:
    browser = Browser(run)
    yield browser
    browser.close()


def test_the_life_of_a_record_is_the_same_with_a_catalogue_and_without(browser: Browser, run: Path) -> None:
    census.take(run)
    catalogue = browser.catalogue()
    assert catalogue
    assert browser.is_current()
    ids = [one.id for one in catalogue.page(Query()).found]
    known = [browser.life(key) for key in ids]
    moved = run.rename(run.with_name("moved"))
    assert Browser(moved).life(ids[1]).changes == known[1].changes
    moved.rename(run)
    (run / census.CACHE).rename(run / "away")
    blind = Browser(run)
    blind.failed = True  # no census now
    for told, key in zip(known, ids, strict=True):
        plain = blind.life(key)
        assert plain.life == told.life
        assert plain.changes == told.changes
    tidied = known[1]
    assert [event.stage for event in tidied.life.events] == ["source", "prepare", "split", "export"]
    assert tidied.changes == {
        1: [Piece("same", "Is"), Piece("gone", "   "), Piece("new", " "), Piece("same", "Petroleum a rock oil?")]
    }


def test_visitors_look_while_a_stage_is_run_again(browser: Browser, run: Path) -> None:
    census.take(run)
    catalogue = browser.catalogue()
    assert catalogue
    key = catalogue.page(Query()).found[0].id
    errors: list[Exception] = []
    done = threading.Event()

    def look() -> None:
        while not done.is_set():
            try:
                assert browser.life(key).life.id == key
                assert browser.funnel()[0]["stage"] == "source"
            except Exception as error:
                errors.append(error)
                raise

    browser.failed = True  # nothing is read anew meanwhile
    visitors = [threading.Thread(target=look) for _ in range(3)]
    for visitor in visitors:
        visitor.start()
    home, files = Run(run), [*(run / "export").glob("*.parquet")]
    written = {path.name: path.read_bytes() for path in files}
    for number in range(50):
        draft = home.draft("export", str(number))
        for name, content in written.items():
            write_whole(draft.folder / name, content)
        home.finish("export", {"facts": {}, "total": 5, "kept": number, "refused": {}})
    done.set()
    for visitor in visitors:
        visitor.join()
    assert not errors


@pytest.mark.parametrize(
    ("before", "after", "pieces"),
    [
        ("水兑水", "水 兑水", ["same:水", "new: ", "same:兑水"]),
        ("a rock oil", "a rocky oil", ["same:a ", "gone:rock", "new:rocky", "same: oil"]),
        ("", "a", ["new:a"]),
        ("abc", "abc", ["same:abc"]),
        ("你好吗", "你们好吗", ["same:你", "new:们", "same:好吗"]),
    ],
)
def test_a_difference_goes_by_characters_and_by_words(before: str, after: str, pieces: list[str]) -> None:
    assert [f"{piece.kind}:{piece.text}" for piece in difference(before, after)] == pieces


def test_what_is_near_a_text_comes_first(catalogue: Catalogue) -> None:
    near = catalogue.near("红灯停绿灯行，那黄灯呢？\n已过停止线的可以继续走。", 3)
    assert [one.text[:3] for one, _ in near[:2]] == ["红灯停", "红灯停"]
    assert 1 >= near[0][1] > 0.7 > near[2][1]
    assert len(catalogue.near("", 9)) == 7
