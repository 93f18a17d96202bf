"""Who may import whom, and when."""

import ast
import importlib.util
import json
import subprocess
import sys
from pathlib import Path

import pytest

LAZY = (
    "flax",
    "foundax",
    "gmsh",
    "matplotlib",
    "netgen",
    "nevergrad",
    "orbax",
    "pandas",
    "pygmsh",
    "rich",
    "scipy",
    "shapely",
)
"""What `import jno` does not import, besides the plugins."""


def run(program, cwd=None):
    """What a program answers in an interpreter of its own."""
    done = subprocess.run([sys.executable, "-c", program], cwd=cwd, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_layers(house):
    done = subprocess.run(
        [Path(sys.executable).with_name("lint-imports"), "--no-cache", "--no-logo"],
        cwd=house.root,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_import_inside_functions(house, holds):
    """Except in the command line, and where an optional dependency is heavy or may be missing."""
    found = {}
    for source in house.sources.values():
        if source.module.startswith("jno_core.cli"):
            continue
        for _, scope in source.scopes():
            if isinstance(scope, ast.ClassDef):
                continue
            for node in ast.walk(scope):
                if isinstance(node, ast.Import):
                    found |= {f"{source.module} imports {alias.name}": f"line {node.lineno}" for alias in node.names}
                elif isinstance(node, ast.ImportFrom):
                    found[f"{source.module} imports {node.module}"] = f"line {node.lineno}"
    holds("imports at the top", found)


def test_plugins_import_public_names_of_the_core_only(house, holds):
    found = {}
    for plugin in house.plugins:
        for source in (s for s in house.sources.values() if s.package == plugin):
            for target in source.imports().values():
                root, *rest = target.split(".")
                private = root == "jno_core" and any(part.startswith("_") for part in rest)
                if private or root == "jno" or (root in house.plugins and root != plugin):
                    found[f"{source.module} imports {target}"] = "not a public name of jno_core"
    holds("plugins' imports", found)


def test_importing_jno_is_light():
    program = "import jno, json, sys; print(json.dumps(sorted({name.split('.')[0] for name in sys.modules})))"
    roots = run(program)
    assert "jno_core" in roots
    heavy = [root for root in roots if root.startswith("jno_plugin_") or root in LAZY]
    assert not heavy, f"import jno imports {heavy}"


def test_importing_jno_starts_no_backend_and_keeps_the_configuration():
    program = (
        "import jax, json; before = dict(jax.config.values)\n"
        "import jno; from jax._src import xla_bridge\n"
        "changed = [k for k, v in jax.config.values.items() if k in before and before[k] != v]\n"
        "print(json.dumps([changed, xla_bridge.backends_are_initialized()]))"
    )
    assert run(program) == [[], False]


def test_packages_come_from_their_src_folders(house):
    assert {"jno", "jno_core", "jno_plugin_ad"} <= set(house.folders)
    for package, folder in house.folders.items():
        spec = importlib.util.find_spec(package)
        assert spec is not None, f"{package} is not installed: uv sync --all-packages"
        assert spec.origin is not None, (
            f"{package} resolves to a folder without __init__.py: {spec.submodule_search_locations}"
        )
        assert Path(spec.origin) == folder / "__init__.py"


@pytest.mark.parametrize("folder", [".", "plugins", "jno_core"])
def test_the_distributions_folders_do_not_hide_the_packages(house, folder):
    """They bear the packages' names; a flat layout would make Python import the folder instead."""
    names = sorted(house.folders)
    program = f"import importlib.util, json; print(json.dumps([importlib.util.find_spec(n).origin for n in {names}]))"
    files = run(program, cwd=house.root / folder)
    assert [Path(file).parent for file in files] == [house.folders[name] for name in names]
