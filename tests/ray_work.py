"""Functions that workers of a Ray cluster find by their names, and a driver that is killed: `ray_work.py DRAFT`."""

import sys
import time
from pathlib import Path

from weitiao.errors import UserError


def square(number: int) -> int:
    if number < 0:
        raise UserError(f"negative: {number}", "take another")
    return number * number


def fail(_: int) -> int:
    raise ZeroDivisionError("a bug")


def write(chunk: tuple[Path, int, float]) -> int:
    """Write the square of a number where it is not yet, after some seconds."""
    folder, number, seconds = chunk
    time.sleep(seconds)
    (folder / str(number)).write_text(str(number * number))
    return number


if __name__ == "__main__":
    import ray_work  # by its name, so that workers find it
    from weitiao.engine import ray

    list(ray.run(ray_work.write, [(Path(sys.argv[1]), number, 0.5 * number) for number in range(100)]))
