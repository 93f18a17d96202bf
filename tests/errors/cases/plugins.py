"""Plugins that are broken: importing jno and everything else goes on, and the use of the broken one says what to do."""

import importlib
import sys

from world import Handled, Refused

from jno_core import hookimpl
from jno_core.errors import (
    JnoValueError,
    PluginConflictError,
    PluginIncompatibleError,
    PluginLoadError,
    PluginTypeError,
)

SCHEME = """
from jno_core import AbstractScheme

class Mine(AbstractScheme):
    pass
"""


def installed(w, source, group="jno.schemes", name="mine", module="broken_plugin", dist="jno-plugin-broken"):
    """Puts a distribution with one module and one entry point on the path."""
    w.file(f"site/{module}.py", source)
    info = f"site/{dist.replace('-', '_')}-0.3.dist-info"
    w.file(
        f"{info}/METADATA", f"Metadata-Version: 2.1\nName: {dist}\nVersion: 0.3\nRequires-Dist: jno-core<0.2,>=0.1\n"
    )
    w.file(f"{info}/entry_points.txt", f"[{group}]\n{name} = {module}:Mine\n")
    if str(w.folder / "site") not in sys.path:
        sys.path.insert(0, str(w.folder / "site"))
    importlib.invalidate_caches()


def _used(source, scheme="mine", **where):
    def attempt(w):
        installed(w, source, **where)
        return w.crux().eval(w.u.d(w.x, scheme=scheme))

    return attempt


def _twice(w):
    installed(w, SCHEME, module="plugin_a", dist="jno-plugin-a")
    installed(w, SCHEME, module="plugin_b", dist="jno-plugin-b")
    return w.u.d(w.x, scheme="mine")


def _ours(w):
    """A stranger under the name of one of jno's schemes changes nothing."""
    installed(w, "raise ImportError", name="finite_difference")
    w.crux().eval(w.u.d(w.x, scheme="finite_difference"))
    assert "broken_plugin" not in sys.modules


def _unused(w):
    installed(w, "raise SystemExit(3)")
    w.crux().solve(2)
    assert "broken_plugin" not in sys.modules


class Unknown:
    @hookimpl
    def on_chunk_end(self, step, losses):
        pass


class Twice:
    @hookimpl
    def on_fit_end(self, result):
        pass


_TWICE = Twice()

CASES = {
    "one that cannot find what it imports": Refused(
        _used("import not_there"),
        PluginLoadError,
        ("'mine' of jno-plugin-broken 0.3", "No module named 'not_there'"),
        ("pip uninstall jno-plugin-broken",),
    ),
    "one with a syntax error": Refused(
        _used("def"), PluginLoadError, ("jno-plugin-broken 0.3", "SyntaxError"), ("pip uninstall jno-plugin-broken",)
    ),
    "one that leaves the process": Refused(
        _used("raise SystemExit(3)"),
        PluginLoadError,
        ("jno-plugin-broken 0.3", "SystemExit"),
        ("pip uninstall jno-plugin-broken",),
    ),
    "one that recurses for ever": Refused(
        _used("def f():\n    f()\nf()"),
        PluginLoadError,
        ("jno-plugin-broken 0.3", "RecursionError"),
        ("pip uninstall jno-plugin-broken",),
    ),
    "one without the class that it names": Refused(
        _used("Yours = 3"), PluginLoadError, ("jno-plugin-broken 0.3", "Mine"), ("pip uninstall jno-plugin-broken",)
    ),
    "one that is a function": Refused(
        _used("def Mine():\n    pass"),
        PluginTypeError,
        ("the function Mine",),
        ("derived from jno_core.AbstractScheme",),
    ),
    "one with methods missing": Refused(
        _used(SCHEME), PluginTypeError, ("the class Mine, which is abstract",), ("that defines",)
    ),
    "one for another level of the plugin API": Refused(
        _used(SCHEME, group="jno.schemes.v2"), PluginIncompatibleError, ("plugin API 2",), ("pip install --upgrade",)
    ),
    "two of one name": Refused(
        _twice, PluginConflictError, ("jno-plugin-a 0.3", "jno-plugin-b 0.3"), ("scheme='jno-plugin-a/mine'",)
    ),
    "a hook with an argument that there is not": Refused(
        lambda w: w.crux().solve(1, callbacks=[Unknown()]),
        PluginTypeError,
        ("'Unknown'", "losses"),
        ("hooks of a run",),
    ),
    "a callback that is given twice": Refused(
        lambda w: w.crux().solve(1, callbacks=[_TWICE, _TWICE]),
        JnoValueError,
        ("given twice",),
        ("each callback once",),
    ),
    "a stranger under the name of one of jno's schemes": Handled(_ours, "not used"),
    "a broken one that is not used": Handled(_unused, "not imported"),
}
