"""`weitiao gguf` writes the file and the Modelfile, prints its path, and refuses what is there or is an adapter."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("gguf", reason="no gguf")


def weitiao(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "weitiao", "--lang", "en", *arguments]
    return subprocess.run(command, capture_output=True, text=True, env={**os.environ, "OMP_NUM_THREADS": "1"})


def test_gguf(tiny_llama: Path, tmp_path: Path) -> None:
    out = tmp_path / "m.gguf"
    done = weitiao("gguf", str(tiny_llama), str(out), "--quant", "q8_0", "--json")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["architecture"], told["quant"], told["file"]) == ("llama", "q8_0", str(out))
    assert out.stat().st_size == told["bytes"]
    assert "read back, weights differ by" in done.stderr
    text = (tmp_path / "Modelfile").read_text()
    assert text.startswith('FROM ./m.gguf\nTEMPLATE """{{ if .System }}<|im_start|>system\n')
    assert 'PARAMETER stop "<|im_end|>"\n' in text
    again = weitiao("gguf", str(tiny_llama), str(out))
    assert (again.returncode, "is there already" in again.stderr) == (2, True)
    assert weitiao("gguf", str(tiny_llama), str(tmp_path / "m.bin")).returncode == 2
