"""Runs the command line as `python -m weitiao`."""

from weitiao.cli import main

if __name__ == "__main__":
    main()
