"""The example of a plugin, as its author's users meet it: built, installed beside the core, used by name, uninstalled."""

from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples/plugins/jno-plugin-compact"

# Derivatives by name, against their closed forms: of fourth order in the maximum over all nodes, in any order of the points.
RIGHT = """
import jax
import numpy as np
import jno
from jno import np as jnn

jax.config.update("jax_enable_x64", True)


def errors(scheme, d, n, ends=True):
    axes = [np.arange(n + ends + i) / (n + i) for i in range(d)]
    points = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, d)
    points = points[np.random.default_rng(0).permutation(len(points))]
    domain = jno.domain.from_array({"interior": points})
    *space, _ = domain.variable("interior")
    x, y = space[0], space[-1]
    k, b = 2.0 if ends else 2 * np.pi, (0.3, 0.5, 0.9)

    def wave(*orders):
        # prod_i sin(k x_i + b_i): a derivative multiplies by k and adds pi/2 to b_i.
        result = 1.0
        for i, (s, order) in enumerate(zip(space, orders)):
            result = result * k**order * jnn.sin(k * s + b[i] + order * np.pi / 2)
        return result

    unit = np.eye(d, dtype=int)
    u = wave(*[0] * d)
    pairs = {
        "d": (u.d(x, scheme=scheme), wave(*unit[0])),
        "d2": (u.d2(y, scheme=scheme), wave(*(2 * unit[-1]))),
        "laplacian": (u.laplacian(*space, scheme=scheme), -d * k**2 * u),
    }
    if d > 1:
        pairs["mixed"] = u.d(x, scheme=scheme).d(y, scheme=scheme), wave(*(unit[0] + unit[-1]))
    evaluate = jno.core([], domain=domain).eval
    got, exact = (evaluate([pair[i] for pair in pairs.values()]) for i in range(2))
    return {name: float(abs(g - e).max() / abs(e).max()) for name, g, e in zip(pairs, got, exact)}


def check(scheme, d, n, ends=True):
    coarse, fine = errors(scheme, d, n, ends), errors(scheme, d, 2 * n, ends)
    for name in coarse:
        order = np.log2(coarse[name] / fine[name])
        assert order > 3.6 and fine[name] < 1e-3, (scheme, d, name, coarse[name], fine[name])


check("compact", 1, 40)
check("compact", 2, 20)
check("compact", 3, 12)

from jno_plugin_compact import Compact

check(Compact(periodic=True), 1, 24, ends=False)
check(Compact(periodic=(True, True)), 2, 24, ends=False)
"""

REFUSED = """
import numpy as np
import jno
from jno_core.errors import PluginCapabilityError

points = {"cloud": np.random.default_rng(0).random((40, 1)), "short": np.linspace(0, 1, 4)[:, None]}
for tag, message in (("cloud", "full uniform grid"), ("short", "6 nodes along each axis")):
    domain = jno.domain.from_array({tag: points[tag]})
    x, _ = domain.variable(tag)
    try:
        jno.core([], domain=domain).eval((x * x).d(x, scheme="compact"))
    except PluginCapabilityError as e:
        assert message in str(e), e
    else:
        raise AssertionError(tag)
"""

GONE = """
import numpy as np
import jno
x, _ = jno.domain.from_array({"interior": np.linspace(0, 1, 9)[:, None]}).variable("interior")
try:
    (x * x).d(x, scheme="compact")
except LookupError as e:
    assert "Unknown differentiation scheme 'compact'" in str(e) and "Installed: none" in str(e), e
else:
    raise AssertionError("a scheme of an uninstalled plugin")
"""


@pytest.mark.timeout(600)
def test_the_example_plugin_is_there_when_installed_and_only_then(environment, wheel, build):
    (example,) = build(EXAMPLE).glob("*.whl")
    environment.pip("install", f"jno-core[testing] @ {wheel('jno_core').as_uri()}", example)
    for code in (RIGHT, REFUSED):
        environment.run("python", "-W", "error", "-c", code)
    listed = environment.run("jno", "plugins", "list")
    assert "scheme  compact  jno-plugin-compact 1.0.0  ok" in listed
    environment.run("pytest", "-q", "-p", "no:cacheprovider", EXAMPLE)
    environment.pip("uninstall", "jno-plugin-compact")
    environment.run("python", "-W", "error", "-c", GONE)
