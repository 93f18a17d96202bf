"""Configuration files, environment variables, differentiation modes, `setup`, plugins."""

import pathlib

import jno
from jno_core.errors import (
    JnoKeyError,
    JnoTypeError,
    JnoValueError,
    JnoWarning,
    PluginConflictError,
    PluginNotFoundError,
    PluginTypeError,
)

AD = "automatic_differentiation"


def _configured(text):
    """A derivative and the seed under a configuration file of the project."""

    def attempt(p):
        pathlib.Path(".jno.toml").write_text(text)
        return p.u.d(p.x), jno.get_seed()

    return attempt


def _seeded(text):
    def attempt(p):
        p.environment("JNO_SEED", text)
        return p.domain.variable("interior")

    return attempt


def _limited(text, kind, name):
    """A look-up in a registry that JNO_PLUGINS limits."""

    def attempt(p):
        p.environment("JNO_PLUGINS", text)
        return p.registry().find(kind, name)

    return attempt


def _temporary(name, plugin):
    def attempt(p):
        with jno.plugins.temporary("scheme", name, plugin):
            pass

    return attempt


BAD = {
    # Configuration files.
    "no TOML": (
        _configured("[jno\nseed = 1"),
        JnoValueError,
        [".jno.toml", "line 1"],
        ["not valid TOML", "Expected ']'"],
    ),
    "seed string": (_configured('[jno]\nseed = "a"'), JnoValueError, ["jno.seed", ".jno.toml", "'a'"], ["an integer"]),
    "seed negative": (_configured("[jno]\nseed = -1"), JnoValueError, ["jno.seed", "-1"], ["from 0 to 4294967295"]),
    "seed bool": (_configured("[jno]\nseed = true"), JnoValueError, ["jno.seed", "True"], ["an integer from 0"]),
    "seed table": (_configured("[jno.seed]\na = 1"), JnoValueError, ["jno.seed", "{'a': 1}"], ["an integer from 0"]),
    "misspelt key": (
        _configured("[jno]\nsedd = 1"),
        JnoWarning,
        ["Unknown key 'jno.sedd'", ".jno.toml"],
        ["Did you mean 'jno.seed'?"],
    ),
    "key without its table": (_configured("seed = 1"), JnoWarning, ["Unknown key 'seed'"], ["'jno.seed'"]),
    "unknown table": (_configured("[else]\na = 1"), JnoWarning, ["'else.a'"], ["Known keys: jno.seed"]),
    "misspelt mode": (
        _configured('[jno]\ndiff_type = "foward"'),
        JnoValueError,
        ["jno.diff_type", "'foward'"],
        ["one of ('forward', 'reverse')"],
    ),
    "second mode": (
        _configured('[jno]\nhessian_type = "forward"'),
        JnoValueError,
        ["jno.hessian_type", "'forward'"],
        ["'fwd-over-rev'"],
    ),
    "scheme number": (_configured("[jno]\nscheme = 3"), JnoValueError, ["jno.scheme", "got 3"], ["a string"]),
    "misspelt scheme": (
        _configured('[jno]\nscheme = "automatic_diferentiation"'),
        PluginNotFoundError,
        ["'automatic_diferentiation'"],
        [f"Did you mean '{AD}'?"],
    ),
    "folder number": (_configured("[runs]\nbase_dir = 3"), JnoValueError, ["runs.base_dir", "got 3"], ["a string"]),
    # The environment.
    "seed word": (_seeded("abc"), JnoValueError, ["JNO_SEED", "'abc'"], ["an integer from 0 to 4294967295"]),
    "seed float": (_seeded("1.5"), JnoValueError, ["JNO_SEED", "'1.5'"], ["an integer from 0"]),
    "seed below 0": (_seeded("-1"), JnoValueError, ["JNO_SEED", "'-1'"], ["an integer from 0"]),
    "plugin left out": (
        _limited("balancers", "scheme", AD),
        PluginNotFoundError,
        [AD, "left out by JNO_PLUGINS='balancers'"],
        ["provided by jno-plugin-ad", "jno plugins"],
    ),
    "no plugin at all": (
        _limited("", "geometry", "rect"),
        PluginNotFoundError,
        ["'rect'", "JNO_PLUGINS=''"],
        ["provided by jno-plugin-geometry"],
    ),
    "misspelt limit": (
        _limited("gemetry,ad", "geometry", "line"),
        PluginNotFoundError,
        ["JNO_PLUGINS='gemetry,ad'"],
        ["provided by jno-plugin-geometry"],
    ),
    # Modes and `setup`.
    "first mode": (
        lambda p: jno.ad_mode.set_ad_mode("forwrad"),
        JnoValueError,
        ["'forwrad'"],
        ["('forward', 'reverse')"],
    ),
    "mode number": (lambda p: jno.ad_mode.set_ad_mode(3), JnoValueError, ["got 3"], ["one of ('forward', 'reverse')"]),
    "first mode for the second": (
        lambda p: jno.ad_mode.set_hessian_mode("reverse"),
        JnoValueError,
        ["'reverse'"],
        ["'rev-over-rev'"],
    ),
    "scheme of another family": (
        lambda p: jno.ad_mode.parse_ad_scheme("finite_difference"),
        JnoValueError,
        ["'finite_difference'"],
        [f"'{AD}'", "'forward', 'reverse'"],
    ),
    "scheme that is no string": (
        lambda p: jno.ad_mode.parse_hessian_scheme(3),
        JnoTypeError,
        ["got 3"],
        [f"such as '{AD}'"],
    ),
    "run name": (lambda p: jno.setup("run", name="a/b"), JnoValueError, ["'a/b'"], ["one path component", "'poisson'"]),
    "run name number": (lambda p: jno.setup("run", name=3), JnoTypeError, ["name", "got 3"], ["setup(__file__)"]),
    "script number": (lambda p: jno.setup(3), JnoTypeError, ["script_file", "got 3"], ["setup(__file__)"]),
    "mode of a run": (lambda p: jno.setup("run", diff_type="a"), JnoValueError, ["diff_type", "'a'"], ["'forward'"]),
    "folder in a file": (
        lambda p: jno.setup(p.file("taken", "") + "/run"),
        JnoValueError,
        ["taken/run", "cannot be made"],
        ["JNO_LOG_DIR"],
    ),
    "wandb": (lambda p: jno.setup("run", wandb=1), JnoTypeError, ["wandb", "got 1"], ["True or False"]),
    # Plugins.
    "misspelt kind": (
        lambda p: jno.plugins.find("schem", "a"),
        JnoKeyError,
        ["'schem'"],
        ["Did you mean 'scheme'?", "'geometry'"],
    ),
    "name number": (lambda p: jno.plugins.get("scheme", 3), JnoTypeError, ["got 3"], ["must be a string"]),
    "unknown package": (
        lambda p: p.u.d(p.x, scheme=f"nobody/{AD}"),
        PluginNotFoundError,
        ["No package nobody is installed"],
        ["jno plugins"],
    ),
    "unknown name of a package": (
        lambda p: p.u.d(p.x, scheme="jno-plugin-ad/rbf"),
        PluginNotFoundError,
        ["jno-plugin-ad", "provides no such name"],
        [f"it provides: '{AD}'"],
    ),
    "temporary number": (
        _temporary("mine", 3),
        PluginTypeError,
        ["'mine'", "int"],
        ["derived from jno_core.AbstractScheme"],
    ),
    "temporary name": (_temporary("My-x", 3), JnoValueError, ["'My-x'"], ["lower-case letters"]),
    "temporary over another": (
        _temporary(AD, jno.plugins.get("scheme", AD)),
        PluginConflictError,
        [AD, "exists already"],
        ["override=True"],
    ),
}

LEGAL = {
    "empty file": _configured(""),
    "largest seed": _configured("[jno]\nseed = 4294967295"),
    "scheme with a variant": _configured(f'[jno]\nscheme = "{AD}:forward"'),
    "seed with spaces": _seeded(" 7 "),
    "limit with its prefix": _limited("jno-plugin-ad, geometry", "geometry", "rect"),
    "modes": lambda p: (jno.ad_mode.set_ad_mode("forward"), jno.ad_mode.set_hessian_mode("rev-over-rev")),
    "folder as script": lambda p: jno.setup(str(p.folder / "run"), name="poisson"),
    "temporary under a new name": _temporary("mine", jno.plugins.get("scheme", AD)),
}
