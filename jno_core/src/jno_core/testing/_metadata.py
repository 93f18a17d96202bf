"""Checks of what a distribution says about itself. Nothing of it is imported."""

import re
from collections.abc import Sequence

import pytest

from jno_core._registry import KINDS, PluginRecord, PluginStatus
from jno_core._registry.metadata import installed_records, requirements
from jno_core._registry.status import classify
from jno_core.testing._check import Check, require
from jno_core.testing._sources import folders, source_files, top_modules

_NAME = re.compile(r"jno-plugin-[a-z0-9]+(-[a-z0-9]+)*")
_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+)\s*(\[[^\]]*\])?\s*\(?(?P<range>[^;)]*)\)?\s*(;(?P<marker>.*))?")
_LOWER = (">=", ">", "~=", "==")
_UPPER = ("<=", "<", "~=", "==")


def metadata_checks(dist: str, records: Sequence[PluginRecord]) -> tuple[Check, ...]:
    """The checks of a distribution's metadata; `records` are its entry points."""

    def name() -> None:
        require(_NAME.fullmatch(dist), f"The distribution is called {dist!r}; plugins are called jno-plugin-...")

    def core_range() -> None:
        _check_core_range(requirements(dist))

    def entry_points() -> None:
        require(records, f"{dist} has no entry point in a group of jno; the groups are {_groups()}.")
        wrong = [s for s in _statuses(dist) if s.standing in ("invalid", "incompatible")]
        require(not wrong, "; ".join(f"{s.record.kind}:{s.record.name}: {s.note}" for s in wrong))

    def owned_names() -> None:
        wrong = [s for s in _statuses(dist) if s.standing == "shadowed"]
        require(not wrong, "; ".join(f"{s.record.kind}:{s.record.name}: {s.note}. {s.fix}" for s in wrong))

    def py_typed() -> None:
        _check_py_typed(records)

    checks = (name, core_range, entry_points, owned_names, py_typed)
    return tuple(Check(f"metadata:{check.__name__}", check) for check in checks)


def _groups() -> str:
    return ", ".join(kind.group for kind in KINDS.values())


def _statuses(dist: str) -> tuple[PluginStatus, ...]:
    return tuple(status for status in classify(installed_records(), KINDS) if status.record.dist == dist)


def _check_core_range(requires: Sequence[str]) -> None:
    for text in requires:
        match = _REQUIREMENT.fullmatch(text.strip())
        if match is None or re.sub(r"[-_.]+", "-", match["name"]).lower() != "jno-core":
            continue
        if "extra" in (match["marker"] or ""):
            continue
        bounds = [bound.strip() for bound in match["range"].split(",")]
        bounded = any(b.startswith(_LOWER) for b in bounds) and any(b.startswith(_UPPER) for b in bounds)
        require(bounded, f"The requirement {text!r} is open-ended; give a range such as 'jno-core>=0.1,<0.2'.")
        return
    raise AssertionError("The distribution does not require jno-core; give a range such as 'jno-core>=0.1,<0.2'.")


def _check_py_typed(records: Sequence[PluginRecord]) -> None:
    found = [module for module in top_modules(records) if source_files(module)]
    if not found:
        pytest.skip("no module is found; see import:loads")
    for module in found:
        typed = any((folder / "py.typed").is_file() for folder in folders(module))
        require(
            typed, f"The package {module!r} has no file py.typed, so type checkers ignore its annotations (PEP 561)."
        )
