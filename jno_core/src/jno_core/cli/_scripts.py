"""`jno demo` and `jno run`: running a module or a file as the main program."""

import argparse
import contextlib
import runpy
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path

from jno_core.cli._output import complain
from jno_core.cli._processes import join_processes


def run_demo(arguments: argparse.Namespace) -> int:
    """Runs the module `jno.demo` with the options that were given."""
    options = {"--out": arguments.out, "--epochs": arguments.epochs}
    given = [text for name, value in options.items() if value is not None for text in (name, str(value))]
    # By name: the command belongs to the core, which knows nothing of the face that users import.
    with _program("jno demo", given):
        runpy.run_module("jno.demo", run_name="__main__")
    return 0


def run_file(arguments: argparse.Namespace) -> int:
    """Runs a file as `python FILE ...` does."""
    file = Path(arguments.file)
    if not file.is_file():
        what = "is a folder" if file.is_dir() else "does not exist"
        complain(f"jno run: {arguments.file!r} {what}; expected a Python script. (Looked in {Path.cwd()}.)")
        return 2
    problem = join_processes(arguments.coordinator, arguments.num_processes, arguments.process_id)
    if problem is not None:
        complain(f"jno run: {problem}")
        return 2
    with _program(arguments.file, arguments.arguments, str(file.resolve().parent)):
        runpy.run_path(str(file), run_name="__main__")
    return 0


@contextlib.contextmanager
def _program(name: str, arguments: Sequence[str], *folders: str) -> Iterator[None]:
    """The process as the program finds it: its own arguments, its folder first on the path."""
    argv, path = sys.argv, sys.path
    sys.argv, sys.path = [name, *arguments], [*folders, *path]
    try:
        yield
    finally:
        sys.argv, sys.path = argv, path
