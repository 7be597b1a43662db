"""Every input of the fuzzer's corpus gives records and a ledger that add up, or an error in words."""

from pathlib import Path

import pytest

from fuzz_targets import TARGETS

CORPUS = Path(__file__).parent / "corpus"
INPUTS = sorted(path.relative_to(CORPUS).as_posix() for path in CORPUS.glob("*/*"))


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_has_inputs_of_every_target(target: str) -> None:
    assert any(name.startswith(f"{target}/") for name in INPUTS)


@pytest.mark.parametrize("name", INPUTS)
def test_an_input_adds_up_or_is_refused_in_words(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("WEITIAO_WORKERS", "1")
    TARGETS[name.partition("/")[0]]((CORPUS / name).read_bytes())
