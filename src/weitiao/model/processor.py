"""What this processor computes with; told without torch."""

from pathlib import Path


def cpu_has_bfloat16() -> bool:
    """Tell whether this processor multiplies bfloat16 in hardware; without, it is slower than float32."""
    info = Path("/proc/cpuinfo")
    return info.exists() and any(flag in info.read_text() for flag in ("avx512_bf16", "amx_bf16"))
