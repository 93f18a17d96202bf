"""The table of errors in docs/errors.md, made from the cases: `python tests/errors/table.py` writes it."""

import os
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
DOCUMENT = HERE.parents[1] / "docs" / "errors.md"
GROUPS = {
    "operators": "Expressions",
    "derivatives": "Derivatives and integrals",
    "domains": "Domains",
    "models": "Networks and parameters",
    "losses": "Losses, data, evaluation",
    "training": "Training",
    "schedules": "Learning rates",
    "settings": "Settings and names of plugins",
    "plugins": "Broken plugins",
    "files": "Files",
}
HEAD = """# Errors

What jno answers to inputs that are wrong or look wrong. Every row is tested: each input is tried in a process of its own, with
a time limit of 20 seconds. An error is one of the classes of `jno_core.errors`; all of them derive from `JnoError`, and each also
from the built-in that fits, so `except ValueError` works, too. Its message has at most 15 lines, holds the words in the third
column, and shows nothing of JAX. Nothing of the problem has been compiled when it is raised, except in the rows marked with \\*,
where the fault is known only after something was traced or computed.

This page is written by `python tests/errors/table.py` from `tests/errors/cases`; do not edit it by hand.

{count} inputs: {refused} are refused, {warned} give a warning, {handled} have a good behaviour that is easily missed.
"""


def document(groups: dict[str, dict[str, Any]]) -> str:
    """The page, from the cases of every group."""
    cases = [case for group in groups.values() for case in group.values()]
    kinds = [type(case).__name__ for case in cases]
    head = HEAD.format(
        count=len(cases), refused=kinds.count("Refused"), warned=kinds.count("Warned"), handled=kinds.count("Handled")
    )
    parts = [head]
    for name, title in GROUPS.items():
        rows = [_row(what, case) for what, case in groups[name].items()]
        parts.append(f"\n## {title}\n\n| input | answer | the message says |\n|---|---|---|\n" + "\n".join(rows) + "\n")
    return "".join(parts)


def _row(what: str, case: Any) -> str:
    kind = type(case).__name__
    if kind == "Handled":
        return _cells(what, _escaped(case.behaviour), "")
    words = ", ".join(f"“{word}”" for word in (*case.cause, *case.remedy))
    answer = f"`{case.error.__name__}`" if kind == "Refused" else f"`{case.warning.__name__}`, a warning"
    return _cells(what + (" \\*" if kind == "Refused" and case.late else ""), answer, _escaped(words))


def _cells(*cells: str) -> str:
    return f"| {' | '.join(cells)} |".replace("|  |", "| |")


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("*", "\\*").replace("<", "\\<").replace("_", "\\_")


def all_cases() -> dict[str, dict[str, Any]]:
    """The cases by group."""
    sys.path.insert(0, str(HERE))
    from judge import loaded

    return {name: loaded(HERE / "cases" / f"{name}.py").CASES for name in GROUPS}


if __name__ == "__main__":
    os.environ["JAX_PLATFORMS"] = "cpu"
    DOCUMENT.write_text(document(all_cases()))
