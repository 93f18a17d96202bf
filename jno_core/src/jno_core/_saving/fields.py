"""Rules for dataclasses of jno: described by their fields, built by their constructors, which check them."""

from typing import Any

from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.writer import Writer


def by_fields(tag: str, cls: type, names: tuple[str, ...], shared: bool = False) -> Rule:
    """The rule for a class with these fields."""

    def describe(writer: Writer, value: Any, where: str, /) -> dict[str, Any]:
        return described_fields(writer, value, where, names)

    def rebuild(reader: Reader, data: Any) -> Any:
        return cls(**{name: reader.rebuild(data[name]) for name in names})

    return Rule(tag, lambda value: type(value) is cls, describe, rebuild, shared)


def described_fields(writer: Writer, value: Any, where: str, names: tuple[str, ...]) -> dict[str, Any]:
    """The descriptions of some fields, by name."""
    return {name: writer.describe(getattr(value, name), f"{where}/{name}") for name in names}
