"""The house as its tests see it: the parsed source files, the classes with their resolved bases, the stated exceptions."""

import ast
import dataclasses
import fnmatch
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import final

import pytest

ROOT = Path(__file__).parents[2]
EXCEPTIONS = Path(__file__).with_name("exceptions.toml")

FUNCTION = ast.FunctionDef | ast.AsyncFunctionDef


@final
@dataclasses.dataclass(frozen=True)
class Source:
    """One file of a package: its path from the root, its dotted module name, its lines and its syntax tree."""

    path: str
    module: str
    lines: tuple[str, ...]
    tree: ast.Module

    @property
    def is_init(self) -> bool:
        return self.path.endswith("__init__.py")

    @property
    def package(self) -> str:
        return self.module.split(".")[0]

    def imports(self) -> dict[str, str]:
        """What each name that an import binds at module level stands for, such as `{"np": "numpy"}`."""
        bound: dict[str, str] = {}
        for node in ast.walk(self.tree):
            if isinstance(node, ast.Import):
                bound |= {
                    (a.asname or a.name.split(".")[0]): (a.name if a.asname else a.name.split(".")[0])
                    for a in node.names
                }
            elif isinstance(node, ast.ImportFrom):
                bound |= {(a.asname or a.name): f"{node.module}.{a.name}" for a in node.names}
        return bound

    def scopes(self) -> Iterator[tuple[str, ast.ClassDef | FUNCTION]]:
        """Every class and function with its qualified name, `module:Class.method`."""

        def below(node: ast.AST, prefix: str) -> Iterator[tuple[str, ast.ClassDef | FUNCTION]]:
            for child in ast.iter_child_nodes(node):
                if isinstance(child, ast.ClassDef | FUNCTION):
                    name = f"{prefix}{child.name}"
                    yield f"{self.module}:{name}", child
                    yield from below(child, f"{name}.")
                else:
                    yield from below(child, prefix)

        return below(self.tree, "")


@final
@dataclasses.dataclass(frozen=True)
class Class:
    """A class of ours: its place, its syntax, and its bases as dotted names, resolved through re-exports."""

    name: str
    source: Source
    node: ast.ClassDef
    bases: tuple[str, ...]

    @property
    def methods(self) -> dict[str, FUNCTION]:
        return {node.name: node for node in self.node.body if isinstance(node, FUNCTION)}

    @property
    def is_final(self) -> bool:
        return "final" in decorators(self.node)


def decorators(node: ast.ClassDef | FUNCTION) -> set[str]:
    """The last parts of the decorators' names: `{"final", "dataclass"}`."""
    return {ast.unparse(d.func if isinstance(d, ast.Call) else d).split(".")[-1] for d in node.decorator_list}


@final
class House:
    """All packages of the workspace."""

    def __init__(self) -> None:
        self.root = ROOT
        self.folders = {
            package.name: package
            for src in sorted((*ROOT.glob("*/src"), *ROOT.glob("plugins/*/src")))
            for package in sorted(src.iterdir())
            if (package / "__init__.py").is_file()
        }
        self.plugins = tuple(name for name in self.folders if name.startswith("jno_plugin_"))
        self.sources = {
            source.module: source
            for folder in self.folders.values()
            for source in map(_read, sorted(folder.rglob("*.py")))
        }
        self.classes = {
            name.replace(":", "."): Class(
                name.replace(":", "."), source, node, tuple(self._base(source, base) for base in node.bases)
            )
            for source in self.sources.values()
            for name, node in source.scopes()
            if isinstance(node, ast.ClassDef)
        }

    def resolve(self, name: str) -> str:
        """The dotted name of the definition that a dotted name stands for; foreign names as they are."""
        module, _, attribute = name.rpartition(".")
        source = self.sources.get(module)
        if source is None:
            return name
        target = source.imports().get(attribute)
        return name if target is None or target == name else self.resolve(target)

    def ancestors(self, cls: Class) -> Iterator[Class]:
        """The classes of ours that a class derives from, near ones first."""
        for base in cls.bases:
            if base in self.classes:
                yield self.classes[base]
                yield from self.ancestors(self.classes[base])

    def foreign_bases(self, cls: Class) -> set[str]:
        """The bases that are not ours, of a class and all its ancestors."""
        return {base for c in (cls, *self.ancestors(cls)) for base in c.bases if base not in self.classes}

    def unimplemented(self, cls: Class) -> set[str]:
        """The names of the abstract methods that a class states or leaves open."""
        abstract = {
            name for base in cls.bases if base in self.classes for name in self.unimplemented(self.classes[base])
        }
        body = [node for node in cls.node.body if isinstance(node, ast.Assign | ast.AnnAssign)]
        assigned = {ast.unparse(target) for node in body for target in _targets(node)}
        own = {name for name, node in cls.methods.items() if "abstractmethod" in decorators(node)}
        return (abstract - set(cls.methods) - assigned) | own

    def _base(self, source: Source, base: ast.expr) -> str:
        first, *rest = ast.unparse(base.value if isinstance(base, ast.Subscript) else base).split(".")
        bound = source.imports().get(first, f"{source.module}.{first}" if not rest else first)
        return self.resolve(".".join((bound, *rest)))


def _targets(node: ast.Assign | ast.AnnAssign) -> list[ast.expr]:
    return node.targets if isinstance(node, ast.Assign) else [node.target]


def _read(path: Path) -> Source:
    text = path.read_text(encoding="utf-8")
    parts = path.relative_to(next(parent for parent in path.parents if parent.name == "src")).with_suffix("").parts
    module = ".".join(parts[:-1] if parts[-1] == "__init__" else parts)
    return Source(str(path.relative_to(ROOT)), module, tuple(text.splitlines()), ast.parse(text, filename=str(path)))


@pytest.fixture(scope="session")
def house():
    return House()


@pytest.fixture(scope="session")
def holds():
    """`holds(rule, found)` fails for what breaks a rule without a stated exception, and for exceptions no longer needed.

    `found` says by place what is wrong there.
    """
    stated = tomllib.loads(EXCEPTIONS.read_text(encoding="utf-8"))["exception"]
    assert all(len(entry["reason"].split()) >= 4 for entry in stated), "every exception carries its reason"

    def holds(rule: str, found: Mapping[str, str]) -> None:
        patterns = [entry["where"] for entry in stated if entry["rule"] == rule]
        excepted = {where for pattern in patterns for where in fnmatch.filter(found, pattern)}
        broken = [f"{where}: {problem}" for where, problem in sorted(found.items()) if where not in excepted]
        assert not broken, f"the rule {rule!r} is broken:\n  " + "\n  ".join(broken)
        stale = [pattern for pattern in patterns if not fnmatch.filter(found, pattern)]
        assert not stale, f"{EXCEPTIONS.name} excepts from {rule!r} what does not break it: {stale}"

    return holds
