"""Bad inputs: each gives the named error, on the user's own line, with a message that names the cause and the remedy.

A case is a function of a small problem, the class of the error, and words of its message: those that name the cause and
those that name the remedy. Beside the cases stand legal inputs that look like them.
"""

import importlib.util
import itertools
import re
import traceback
from pathlib import Path

import equinox as eqx
import jax
import jax.numpy as jnp
import optax
import pytest

import jno
from jno_core._registry import Registry
from jno_core._settings import isolated_modes
from jno_core.errors import JnoError, JnoWarning

CASES = Path(__file__).parent / "cases"
MOST_LINES = 15
INTERNALS = re.compile(
    r"Traceback|Tracer|jax\._src|site-packages|jaxpr|ShapedArray|eval_shape|PyTreeDef|GetAttrKey|dot_general|vmap|"
    r"abstract array|abstract tracer|on_values|File \"",
    re.IGNORECASE,
)
# In these the problem is being compiled.
TOO_LATE = ("jno_core._compile.lower", "jno_core._compile.scope", "jno_core._train.step", "jno_core._train.loop")


def _tables():
    for file in sorted(CASES.glob("*.py")):
        spec = importlib.util.spec_from_file_location(f"bad_inputs_{file.stem}", file)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        yield file.stem, module


TABLES = dict(_tables())
BAD = {f"{name}: {case}": entry for name, m in TABLES.items() for case, entry in m.BAD.items()}
LEGAL = {f"{name}: {case}": entry for name, m in TABLES.items() for case, entry in m.LEGAL.items()}


class Problem:
    """A square with 9 nodes, networks on it, and the surroundings of the user's script."""

    def __init__(self, folder, monkeypatch):
        self.folder = folder
        self.environment = monkeypatch.setenv
        self.registry = Registry
        self.domain = jno.domain.rect(mesh_size=0.5)
        self.x, self.y, self.t = self.domain.variable("interior")
        self.x_b, self.y_b, _, *self.normals = self.domain.variable("boundary", normals=True, split=True)
        self.left, self.right = self.domain.variable("left"), self.domain.variable("right")
        self.net, self.other = self.network(1, "u"), self.network(2, "v")
        self.u, self.v = self.net(self.x, self.y), self.other(self.x, self.y)
        self.pde = self.u.laplacian(self.x, self.y) - 1.0
        self.timed = jno.domain.line(mesh_size=0.25, time=(0.0, 1.0, 3))

    def module(self, components=1, width=3):
        return eqx.nn.MLP(2, components, width, 1, jnp.tanh, key=jax.random.key(0))

    def network(self, components=1, name="u"):
        return jno.nn.wrap(self.module(components), name=name)

    def trained(self):
        """The problem with an optimizer."""
        self.net.optimizer(optax.adam(1e-3))
        return self

    def crux(self, *more):
        """A problem that can be solved."""
        return jno.core([self.trained().pde.mse, *more])

    def mask(self, where=lambda m: m.layers[0].weight, value=True):
        return eqx.tree_at(where, jax.tree.map(lambda _: False, self.net.module), value)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)


@pytest.fixture
def problem(tmp_path, monkeypatch):
    for name in ("JNO_SEED", "JNO_PLUGINS", "JNO_LOG_DIR"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    # All frames of a traceback, those of JAX too.
    before = jax.config.jax_traceback_filtering
    jax.config.update("jax_traceback_filtering", "off")
    with isolated_modes():
        yield Problem(tmp_path, monkeypatch)
    jax.config.update("jax_traceback_filtering", before)


@pytest.mark.parametrize("case", BAD)
def test_a_bad_input_is_refused_where_it_is_made(case, problem):
    attempt, error, cause, remedy = BAD[case]
    with pytest.raises(error) as caught:
        attempt(problem)
    assert issubclass(error, JnoError | JnoWarning | AttributeError)
    message = str(caught.value)
    missing = [word for word in (*cause, *remedy) if word not in message]
    assert not missing, f"{missing} not in: {message}"
    assert len(message.splitlines()) <= MOST_LINES
    assert not INTERNALS.search(message), message
    frames = [frame for frame, _ in traceback.walk_tb(caught.value.__traceback__)]
    own = [frame.f_code for frame in frames if frame.f_globals["__name__"].startswith("bad_inputs_")]
    assert own[-1] is attempt.__code__
    assert frames[-1].f_globals["__name__"].startswith("jno")
    late = [frame for frame in frames if frame.f_globals["__name__"].startswith(TOO_LATE)]
    assert not late, late


@pytest.mark.parametrize("case", LEGAL)
def test_a_legal_input_that_looks_alike_is_accepted(case, problem):
    LEGAL[case](problem)


def test_every_case_names_a_cause_and_a_remedy():
    for case, (_, _, cause, remedy) in BAD.items():
        assert all(itertools.chain(cause, remedy)), case
        assert cause, case
        assert remedy, case
    assert len(BAD) >= 70
