"""Classes are abstract or final: what is constructed is not derived from, and what is implemented is not overridden."""

import builtins

VALUES = {"enum.Enum", "enum.Flag", "enum.IntEnum", "enum.StrEnum", "typing.NamedTuple", "typing.TypedDict"}
INTERFACES = {"abc.ABC", "typing.Protocol"}


def is_exception(house, cls):
    names = {base.split(".")[-1] for base in house.foreign_bases(cls)}
    return any(issubclass(getattr(builtins, name, object), BaseException) for name in names)


def is_abstract(house, cls):
    return bool(house.unimplemented(cls)) or bool(INTERFACES & set(cls.bases))


def test_every_class_is_abstract_or_final(house, holds):
    found = {}
    for cls in house.classes.values():
        if is_exception(house, cls) or VALUES & house.foreign_bases(cls):
            continue
        if not cls.is_final and not is_abstract(house, cls):
            found[cls.name] = "neither abstract nor marked with typing.final"
        if cls.is_final and is_abstract(house, cls):
            found[cls.name] = f"final, but leaves {', '.join(sorted(house.unimplemented(cls)))} open"
    holds("abstract or final", found)


def test_only_abstract_classes_are_derived_from(house, holds):
    found = {}
    for cls in house.classes.values():
        for base in (house.classes[name] for name in cls.bases if name in house.classes):
            if not is_exception(house, base) and not is_abstract(house, base):
                found[cls.name] = f"derives from {base.name}, which can be constructed"
    holds("abstract bases", found)


def test_no_implemented_method_is_overridden(house, holds):
    found = {}
    for cls in house.classes.values():
        for base in house.ancestors(cls):
            abstract = house.unimplemented(base)
            for name in set(cls.methods) & set(base.methods):
                if not (name.startswith("__") and name.endswith("__")) and name not in abstract:
                    found[f"{cls.name}.{name}"] = f"overrides the implementation in {base.name}"
    holds("no overriding", found)


def test_the_test_sees_the_classes(house):
    assert house.unimplemented(house.classes["jno_core._interfaces.scheme.AbstractScheme"]) > {"apply", "supports"}
    scheme = next(cls for name, cls in house.classes.items() if name.endswith(".AutomaticDifferentiation"))
    assert "jno_core._interfaces.scheme.AbstractScheme" in scheme.bases
    assert scheme.is_final
    assert not house.unimplemented(scheme)
