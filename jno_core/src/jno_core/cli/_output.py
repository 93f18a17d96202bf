"""Writing for people: lines, and tables with aligned columns."""

import sys
from collections.abc import Sequence


def say(text: str = "") -> None:
    """Writes a line to the standard output."""
    sys.stdout.write(text + "\n")


def complain(text: str) -> None:
    """Writes a line to the standard error."""
    sys.stderr.write(text + "\n")


def table(rows: Sequence[Sequence[str]]) -> str:
    """The rows with aligned columns, two blanks between them."""
    widths = [max(len(cell) for cell in column) for column in zip(*rows, strict=True)]
    lines = ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) for row in rows]
    return "\n".join(line.rstrip() for line in lines)


def indented(text: str) -> str:
    """The text with four blanks before each line."""
    return "\n".join(f"    {line}" for line in text.splitlines())
