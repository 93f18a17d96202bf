"""Configuration: files, the environment, differentiation modes, run folders; and the registry of plugins."""

import os

from world import Handled, Refused, Warned

import jno
from jno_core._registry import Registry
from jno_core._settings import isolated_modes
from jno_core.errors import (
    JnoKeyError,
    JnoTypeError,
    JnoValueError,
    JnoWarning,
    PluginNotFoundError,
    PluginTypeError,
)


def _configured(w, text):
    w.file(".jno.toml", text)
    return jno.get_seed(), w.u.d(w.x)


def _seeded(text):
    os.environ["JNO_SEED"] = text
    return jno.get_seed()


def _limited(text):
    os.environ["JNO_PLUGINS"] = text
    return Registry().find("scheme", "automatic_differentiation")


def _merged(w):
    (w.folder / "home").mkdir()
    os.environ["HOME"] = str(w.folder / "home")
    w.file("home/.jno/config.toml", "[jno]\nseed = 7\n")
    w.file(".jno.toml", '[jno]\ndiff_type = "forward"\n')
    assert jno.get_seed() == 7
    assert jno.ad_mode.get_ad_mode() == "forward"


def _frozen(w):
    with isolated_modes():
        before = w.u.d(w.x)
        jno.ad_mode.set_ad_mode("forward")
        after = w.u.d(w.x)
    assert before.scheme.modes != after.scheme.modes


def _quiet(w):
    """Importing and training write nothing outside of the run folder, and change no setting of JAX."""
    import jax

    os.environ["HOME"] = str(w.folder / "home")
    before = dict(jax.config.values)
    w.crux().solve(2)
    assert list(w.folder.iterdir()) == []
    assert dict(jax.config.values) == before


CASES = {
    "a configuration file that is no TOML": Refused(
        lambda w: _configured(w, "[jno\n"), JnoValueError, (".jno.toml", "line 1"), ("TOML",)
    ),
    "`seed = 'abc'` in a file": Refused(
        lambda w: _configured(w, '[jno]\nseed = "abc"\n'), JnoValueError, (".jno.toml", "'abc'"), ("integer",)
    ),
    "a misspelt key in a file": Warned(
        lambda w: _configured(w, "[jno]\nsed = 1\n"),
        JnoWarning,
        ("'jno.sed'", ".jno.toml"),
        ("Did you mean 'jno.seed'?",),
    ),
    "a misspelt mode in a file": Refused(
        lambda w: _configured(w, '[jno]\ndiff_type = "forwad"\n'), JnoValueError, ("'forwad'",), ("forward",)
    ),
    "`JNO_SEED=abc`": Refused(lambda w: _seeded("abc"), JnoValueError, ("JNO_SEED", "'abc'"), ("integer",)),
    "a differentiation mode that is none": Refused(
        lambda w: jno.ad_mode.set_ad_mode("both"), JnoValueError, ("'both'",), ("'forward'",)
    ),
    "a first-order mode for the second order": Refused(
        lambda w: jno.ad_mode.set_hessian_mode("forward"), JnoValueError, ("'forward'",), ("fwd-over-rev",)
    ),
    "a run name that leaves the folder": Refused(
        lambda w: jno.setup("script.py", name="../../x"), JnoValueError, ("'../../x'",), ("name",)
    ),
    "`setup(wandb=...)` with a project": Refused(
        lambda w: jno.setup("script.py", wandb="project"), JnoTypeError, ("wandb", "'project'"), ("True or False",)
    ),
    "`JNO_PLUGINS` without the scheme": Refused(
        lambda w: _limited("fd"), PluginNotFoundError, ("'automatic_differentiation'",), ("JNO_PLUGINS",)
    ),
    "a misspelt distribution in `JNO_PLUGINS`": Refused(
        lambda w: _limited("fdd"), PluginNotFoundError, ("fdd",), ("JNO_PLUGINS",)
    ),
    "an unknown kind of plugin": Refused(
        lambda w: jno.plugins.find("schem", "x"), JnoKeyError, ("'schem'",), ("Did you mean 'scheme'?",)
    ),
    "a plugin of a package that is not there": Refused(
        lambda w: w.u.d(w.x, scheme="jno-plugin-nowhere/x"), PluginNotFoundError, ("jno-plugin-nowhere",), ("install",)
    ),
    "a temporary plugin that is a number": Refused(
        lambda w: jno.plugins.temporary("scheme", "mine", 3).__enter__(),
        PluginTypeError,
        ("'mine'",),
        ("AbstractScheme",),
    ),
    "a temporary plugin over one of jno's": Refused(
        lambda w: jno.plugins.temporary("scheme", "finite_difference", int).__enter__(),
        PluginTypeError,
        ("'finite_difference'",),
        ("AbstractScheme",),
    ),
    "a name of a plugin that is a number": Refused(
        lambda w: jno.plugins.get("scheme", 3), JnoTypeError, ("got 3",), ("a string",)
    ),
    "keys in both configuration files": Handled(_merged, "merged, the project's over the user's"),
    "a mode that changes after a derivative was built": Handled(_frozen, "the derivative keeps its own"),
    "training without `setup`": Handled(_quiet, "writes no file and changes no setting of JAX"),
}
