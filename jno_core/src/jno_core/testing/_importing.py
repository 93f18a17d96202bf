"""Checks of importing a plugin: it must be light, and keep to the public names of jno-core."""

import ast
import functools
import json
import subprocess
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, final

from jno_core._registry import PluginRecord
from jno_core.testing._check import Check, require
from jno_core.testing._sources import source_files, top_modules

HEAVY = ("gmsh", "matplotlib", "netgen", "nevergrad", "orbax", "pygmsh", "rich")
"""Modules that cost start-up time, need system libraries, or both; a plugin imports them where it uses them."""


def import_checks(records: Sequence[PluginRecord]) -> tuple[Check, ...]:
    """The checks of importing the modules that the entry points name."""
    probe = _Probe(tuple(sorted({record.value.split(":")[0].strip() for record in records})))

    def loads() -> None:
        errors = probe.report["errors"]
        require(not errors, "; ".join(f"importing {module} raised {error}" for module, error in errors.items()))

    def light() -> None:
        heavy = sorted({name for name in probe.report["modules"] if name.split(".")[0] in HEAVY})
        roots = sorted({name.split(".")[0] for name in heavy})
        require(not heavy, f"Importing the plugin imports {', '.join(roots)}; import these inside of what uses them.")

    def backend() -> None:
        require(
            not probe.report["initialised"],
            "Importing the plugin starts a JAX backend, which takes a device and fixes JAX's configuration. Make no "
            "array at import; module constants are NumPy arrays.",
        )

    def config() -> None:
        changed = probe.report["changed"]
        require(not changed, f"Importing the plugin changes {', '.join(changed)} of jax.config, which is the user's.")

    def public_names() -> None:
        found = [
            f"{file}:{line}: {name}"
            for module in top_modules(records)
            for file in source_files(module)
            for line, name in _foreign_imports(file)
        ]
        require(not found, "Plugins import public names of jno_core only, and never jno:\n" + "\n".join(found))

    checks = (loads, light, backend, config, public_names)
    return tuple(Check(f"import:{check.__name__}", check) for check in checks)


@final
class _Probe:
    """What importing the modules does to a fresh interpreter."""

    def __init__(self, modules: tuple[str, ...]) -> None:
        self._modules = modules

    @functools.cached_property
    def report(self) -> dict[str, Any]:
        """The answer of `_import_probe.py`. Raises `AssertionError` when the interpreter dies."""
        probe = Path(__file__).with_name("_import_probe.py")
        request = json.dumps({"path": sys.path, "modules": self._modules})
        done = subprocess.run([sys.executable, str(probe)], input=request, capture_output=True, text=True, check=False)
        require(done.returncode == 0, f"The interpreter ended with {done.returncode} while importing:\n{done.stderr}")
        return json.loads(done.stdout)


def _foreign_imports(file: Path) -> Iterator[tuple[int, str]]:
    """The line and the name of each import that a plugin must not make."""
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        yield from ((node.lineno, name) for name in names if _is_foreign(name))


def _is_foreign(name: str) -> bool:
    root, *rest = name.split(".")
    return root == "jno" or (root == "jno_core" and any(part.startswith("_") for part in rest))
