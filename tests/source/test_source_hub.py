"""Data sets by name over a real socket: pinned, resumed, with their licence, and nothing of theirs is run."""

import io
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hub_server import CARD, ROW, SHA, DataHub

from weitiao.errors import UserError
from weitiao.source import hub as source_hub
from weitiao.source.files import find
from weitiao.source.publisher import head_of, licence, licence_of

pytest.importorskip("huggingface_hub")
needs_modelscope = pytest.mark.skipif(find_spec("modelscope_hub") is None, reason="modelscope is not installed")
HUBS = pytest.mark.parametrize("name", ["hf:owner/name", pytest.param("modelscope:owner/name", marks=needs_modelscope)])


def parquet(*texts: str) -> bytes:
    target = io.BytesIO()
    pl.DataFrame({"text": texts}).write_parquet(target)
    return target.getvalue()


@HUBS
def test_records_know_address_row_licence_and_revision(name: str, hub: DataHub, read: Any) -> None:
    found = read(name)
    ((_, revision),) = found.manifest["facts"]["revisions"].items()
    assert [(r.uri, r.row, r.licence) for r in found.records] == [
        (f"{name}@{revision}/train.jsonl", 1, "CC-BY-4.0"),
        (f"{name}@{revision}/train.jsonl", 2, "CC-BY-4.0"),
    ]
    assert found.texts == ["问1|答", "问2|答"]
    assert revision == (SHA if name.startswith("hf:") else revision)
    assert not [path for _, path, _ in hub.asked if path.endswith(".py")]
    before = len(hub.asked)
    assert read(name).records == found.records
    assert len(hub.asked) == before  # the list is kept for the process, the files in the cache


@HUBS
def test_without_a_network_a_known_data_set_is_as_it_was(name: str, hub: DataHub, read: Any) -> None:
    first = read(name)
    source_hub._listing.cache_clear()
    hub.status = 503
    assert read(name).records == first.records


def test_files_of_all_kinds_are_read_by_our_own_readers(hub: DataHub, read: Any) -> None:
    hub.files = {
        "data/train-00000-of-00002.parquet": parquet("甲"),
        "data/train-00001-of-00002.parquet": parquet("乙"),
        "data/test-00000-of-00001.parquet": parquet("丙"),
        "dataset_infos.json": b"{}",
        ".gitattributes": b"",
    }
    assert read("hf:owner/name:train").texts == ["甲", "乙"]
    assert read("hf:owner/name::test").texts == ["丙"]
    with pytest.raises(UserError) as caught:
        read("hf:owner/name")
    assert caught.value.message == "hf:owner/name has several splits: train, test"
    with pytest.raises(UserError) as caught:
        read("hf:owner/name:dev")
    assert caught.value.message == "hf:owner/name has no split `dev`; it has: train, test"


def test_the_card_says_which_files_a_configuration_has(hub: DataHub, read: Any) -> None:
    hub.files = {
        "zh/a.jsonl": ROW % 1,
        "zh/deep/b.jsonl": ROW % 2,
        "en/a.csv": b"text\nhello\n",
        "en/t.csv": b"text\nbye\n",
    }
    hub.card = {
        "configs": [
            {"config_name": "zh", "data_files": "zh/**/*.jsonl"},
            {
                "config_name": "en",
                "data_files": [{"split": "train", "path": "en/a*"}, {"split": "test", "path": ["en/t.csv"]}],
            },
        ]
    }
    assert read("hf:owner/name:zh").texts == ["问1|答", "问2|答"]
    assert read("hf:owner/name:en:test").texts == ["bye"]
    with pytest.raises(UserError) as caught:
        read("hf:owner/name")
    assert caught.value.message == "hf:owner/name has several configurations: en, zh"


def test_a_pinned_revision_is_asked_for_once(hub: DataHub, read: Any) -> None:
    assert read(f"hf:owner/name@{SHA}").texts == ["问1|答", "问2|答"]
    source_hub._listing.cache_clear()
    hub.asked.clear()
    assert read(f"hf:owner/name@{SHA}").texts == ["问1|答", "问2|答"]
    assert hub.asked == []


def test_a_new_revision_is_read_anew(hub: DataHub, read: Any) -> None:
    read("hf:owner/name")
    source_hub._listing.cache_clear()
    hub.sha, hub.files["train.jsonl"] = "b" * 40, ROW % 3
    found = read("hf:owner/name")
    assert found.texts == ["问3|答"]
    assert found.manifest["facts"]["revisions"] == {"hf:owner/name": "b" * 40}


def test_a_file_that_breaks_off_goes_on_where_it_was(hub: DataHub) -> None:
    content = hub.files["train.jsonl"] = b"0123456789abcdef" * (24 << 16)
    hub.cut = 1
    (remote,) = source_hub.files_of("hf:owner/name")
    assert remote.fetch().read_bytes() == content
    ranges = [asked for method, path, asked in hub.asked if method == "GET" and path.endswith("train.jsonl")]
    assert [bool(asked) for asked in ranges] == [False, True]  # the library keeps what has come by tens of megabytes
    assert int(ranges[1].removeprefix("bytes=").rstrip("-")) > 0


@pytest.mark.parametrize(
    ("status", "headers", "said", "hint"),
    [
        (404, {"X-Error-Code": "RepoNotFound"}, "No data set hf:owner/name to be had: there is none", "hf download"),
        (403, {"X-Error-Code": "GatedRepo"}, "The data set hf:owner/name is given only to those", "hf auth login"),
        (429, {"Retry-After": "0"}, "No data set hf:owner/name to be had: ", "--local-dir DIR"),
        (500, {}, "No data set hf:owner/name to be had: ", "--local-dir DIR"),
    ],
)  # fmt: skip
def test_a_hub_that_refuses_is_an_error_in_words(
    hub: DataHub, read: Any, status: int, headers: dict[str, str], said: str, hint: str
) -> None:
    hub.status, hub.headers = status, headers
    with pytest.raises(UserError) as caught:
        read("hf:owner/name")
    assert caught.value.message.startswith(said)
    assert hint in caught.value.hint


@needs_modelscope
def test_modelscope_without_such_a_data_set_says_so(hub: DataHub, read: Any) -> None:
    with pytest.raises(UserError) as caught:
        read("modelscope:owner/none")
    assert caught.value.message.startswith("No data set modelscope:owner/none to be had: ")


def test_a_data_set_made_by_a_script_is_not_run(hub: DataHub, read: Any) -> None:
    hub.files = {"name.py": b"raise SystemExit(1)", "README.md": CARD}
    with pytest.raises(UserError) as caught:
        read("hf:owner/name")
    assert caught.value.message == "hf:owner/name has no files of data that are read here"
    assert caught.value.hint == "It is made by a program of its own, name.py, which was not run"


@pytest.mark.parametrize("name", ["hf:name", "hf:a/b/c", "hf:a/b:c:d:e", "hf:../x/y", "modelscope:"])
def test_what_is_no_name_is_said(name: str, tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        find([name], tmp_path)
    assert caught.value.message == f"{name} is no name of a data set"


@pytest.mark.parametrize(
    ("card", "said"),
    [
        ({"license": "cc-by-sa-4.0"}, "CC-BY-SA-4.0"),
        ({"license": ["mit", "cc0-1.0"]}, "mit AND CC0-1.0"),
        ({"license": "other", "license_name": "my-own"}, "my-own"),
        ({"license": [{"name": "CC BY 4.0", "url": "https://x"}, {"url": "https://y"}]}, "CC BY 4.0 AND https://y"),
        ({"license": None}, ""),
        ({}, ""),
    ],
)
def test_the_licence_of_a_card(card: dict[str, Any], said: str) -> None:
    assert licence_of(card) == said


def test_a_head_that_cannot_be_read_says_nothing() -> None:
    assert head_of("# no head") == {}
    assert head_of("---\nlicense: [\n---\n") == {}
    assert head_of("---\na: &a [x, x]\nb: [*a, *a]\n---\n") == {}
    assert head_of("---\nlicense: mit\n---") == {"license": "mit"}


def test_a_folder_of_opendatalab_brings_its_licence(read: Any, tmp_path: Path) -> None:
    metafile = (
        "displayName: Some Data\nlicense:\n  - name: CC BY-SA 4.0\n    url: https://creativecommons.org\ntags: [text]\n"
    )
    top = "OpenDataLab___Some_Data"
    read.write(f"{top}/metafile.yaml", metafile)
    read.write(f"{top}/README.md", "# Some Data\n")
    read.write(f"{top}/dsdl/set-train/train.yaml", "$dsdl-version: '0.5.3'\n")
    read.write(f"{top}/raw/data/train.jsonl", ROW % 1)
    found = read(top, licence="unknown")
    assert [(r.uri, r.row, r.licence) for r in found.records] == [(f"{top}/raw/data/train.jsonl", 1, "CC BY-SA 4.0")]
    assert sorted(found.manifest["facts"]["not_read"]) == [
        f"{top}/README.md", f"{top}/dsdl/set-train/train.yaml", f"{top}/metafile.yaml",
    ]  # fmt: skip
    assert licence(tmp_path) == ""
