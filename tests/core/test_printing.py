"""Expressions as text, LaTeX, HTML and trees."""

import html.parser
import re

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import example, given, settings, strategies as st

import jno


class Problem:
    """Coordinates, time, a normal, a network, parameters and an attached array."""

    def __init__(self):
        self.domain = jno.domain.from_array({"interior": np.random.default_rng(0).random((4, 2))}, time=(0.0, 1.0, 2))
        self.x, self.y, self.t = self.domain.variable("interior")
        self.net = jno.nn.wrap(eqx.nn.MLP(2, 1, 4, 1, jnp.tanh, key=jax.random.key(0)), name="u")
        self.u = self.net(self.x, self.y)
        self.k = self.domain.variable("kappa_r", np.float32([1.0]), per="shared")
        self.a = jno.np.parameter((1,), name="alpha")


@pytest.fixture(scope="module")
def problem():
    return Problem()


TEXT = {
    "x + y": lambda p: p.x + p.y,
    "x - (y + t)": lambda p: p.x - (p.y + p.t),
    "x - y - t": lambda p: p.x - p.y - p.t,
    "x - (y - t)": lambda p: p.x - (p.y - p.t),
    "(x + y) * t": lambda p: (p.x + p.y) * p.t,
    "x * y + t": lambda p: p.x * p.y + p.t,
    "x / (y * t)": lambda p: p.x / (p.y * p.t),
    "x / y / t": lambda p: p.x / p.y / p.t,
    "x * (y % t)": lambda p: p.x * (p.y % p.t),
    "x * (y // t)": lambda p: p.x * (p.y // p.t),
    "x % y * t": lambda p: p.x % p.y * p.t,
    "(x + y)**2": lambda p: (p.x + p.y) ** 2,
    "x**y**t": lambda p: p.x**p.y**p.t,
    "(x**y)**t": lambda p: (p.x**p.y) ** p.t,
    "-x**2": lambda p: -(p.x**2),
    "(-x)**2": lambda p: (-p.x) ** 2,
    "x**(-2)": lambda p: p.x**-2,
    "-(x + y)": lambda p: -(p.x + p.y),
    "(x < y) == (y < t)": lambda p: (p.x < p.y).equal(p.y < p.t),
    "(x < y) < t": lambda p: (p.x < p.y) < p.t,
    "x + 1 > y * 2": lambda p: p.x + 1 > p.y * 2,
    "2 * x": lambda p: 2 * p.x,
    "0.1 * x": lambda p: 0.1 * p.x,
    "π * x": lambda p: jno.np.pi * p.x,
    "u(x, y)": lambda p: p.u,
    "sin(π * x) * u(x, y)": lambda p: jno.np.sin(jno.np.pi * p.x) * p.u,
    "∂u(x, y)/∂x": lambda p: p.u.d(p.x),
    "∂²u(x, y)/∂x²": lambda p: p.u.d2(p.x),
    "∂(∂u(x, y)/∂x)/∂y": lambda p: p.u.d(p.x).d(p.y),
    "∂(x * y)/∂x": lambda p: (p.x * p.y).d(p.x),
    "∇u(x, y)": lambda p: p.u.grad(p.x, p.y),
    "Δu(x, y)": lambda p: p.u.laplacian(p.x, p.y),
    "-Δu(x, y) - 1": lambda p: -p.u.laplacian(p.x, p.y) - 1,
    "∇∇ᵀu(x, y)": lambda p: p.u.hessian(p.x, p.y),
    "∇[u]u(x, y)": lambda p: p.u.grad(p.net),
    "(∇[u]u(x, y))ᵀ": lambda p: p.u.grad(p.net).T,
    "mse(x - y)": lambda p: (p.x - p.y).mse,
    "alpha * kappa_r": lambda p: p.a * p.k,
    "u(x, y)[..., 0:1]": lambda p: p.u[..., 0:1],
    "(x + y)[0, None, ::2]": lambda p: (p.x + p.y)[0, None, ::2],
    "tracker(mse(x))": lambda p: p.x.mse.tracker(3),
    "stack([x, y])": lambda p: jno.np.stack([p.x, p.y]),
    "where(x > 0, x, 0)": lambda p: jno.np.where(p.x > 0, p.x, 0),
    "array(2, 3)": lambda p: (np.ones((2, 3)) * p.x[0, 0]).left,
    "u_h + 1": lambda p: (p.x * p.y).name("u_h") + 1,
}


@pytest.mark.parametrize("text", TEXT)
def test_text_reads_like_mathematics(problem, text):
    assert repr(TEXT[text](problem)) == text


# The text of an expression of operators is Python, and must compute the same.

OPERATORS = {
    "+": lambda a, b: a + b, "-": lambda a, b: a - b, "*": lambda a, b: a * b, "/": lambda a, b: a / b,
    "//": lambda a, b: a // b, "%": lambda a, b: a % b, "**": lambda a, b: a**b, "<": lambda a, b: 0.5 * (a < b),
    ">=": lambda a, b: (a >= b) + 0.5, "<=": lambda a, b: 0.5 * ((a <= b) < b), ">": lambda a, b: 0.5 * (a > (b > a)),
}  # fmt: skip
POINTS = np.array([0.25, 0.5, -0.75, 2.0, -3.0])


NUMBERS = st.sampled_from([-2, -0.5, 0.5, 1, 3])


def grow(sub):
    symbol = st.sampled_from(list(OPERATORS))
    return st.one_of(
        st.tuples(symbol, sub, sub), st.tuples(symbol, sub, NUMBERS), st.tuples(symbol, NUMBERS, sub), st.tuples(sub)
    )


def build(tree, leaves):
    if isinstance(tree, tuple):
        if len(tree) == 1:
            return -build(tree[0], leaves)
        return OPERATORS[tree[0]](*(build(part, leaves) for part in tree[1:]))
    return leaves[tree] if isinstance(tree, str) else tree


def test_text_of_operators_is_python_that_computes_the_same(problem):
    @settings(deadline=None, max_examples=150)
    @given(st.recursive(st.sampled_from("xy"), grow, max_leaves=7))
    @example(("*", "x", ("%", "y", 3)))
    @example(("**", ("x",), ("y",)))
    @example(("-", "x", ("-", "y", ("x",))))
    def check(tree):
        node = build(("+", "x", tree), {"x": problem.x, "y": problem.y})
        arrays = {"x": POINTS.astype(complex), "y": POINTS[::-1].astype(complex)}
        if any(symbol in repr(tree) for symbol in ("//", "%", "<", ">")):
            arrays = {name: value.real for name, value in arrays.items()}
        with np.errstate(all="ignore"):
            expected = build(("+", "x", tree), arrays)
            value = eval(repr(node), {}, {name: _Plain(array) for name, array in arrays.items()})
        np.testing.assert_allclose(value.array, expected, rtol=1e-9, equal_nan=True)

    check()


class _Plain:
    """An array whose comparison chains are refused, so that `a < b < c` in a text does not pass for `(a < b) < c`."""

    def __init__(self, array):
        self.array = array

    def __bool__(self):
        raise TypeError("chained comparison")


def _operator(name):
    def apply(self, *others):
        return _Plain(getattr(np.asarray(self.array), name)(*(getattr(o, "array", o) for o in others)))

    return apply


_NAMES = "add sub mul truediv floordiv mod pow radd rsub rmul rtruediv rfloordiv rmod rpow neg lt le gt ge"
for _name in _NAMES.split():
    setattr(_Plain, f"__{_name}__", _operator(f"__{_name}__"))


def test_deep_expressions_are_cut(problem):
    node = problem.x
    for _ in range(500):
        node = node * node + 1
    assert "…" in repr(node)
    assert len(repr(node)) < 10_000
    assert r"\ldots" in node._repr_latex_()


# LaTeX and HTML.

LATEX = {
    r"$\frac{x + y}{t}$": lambda p: (p.x + p.y) / p.t,
    r"$\left(x + y\right)^{2}$": lambda p: (p.x + p.y) ** 2,
    r"$2 \, x$": lambda p: 2 * p.x,
    r"$\frac{\partial u\left(x, y\right)}{\partial x} \, y$": lambda p: p.u.d(p.x) * p.y,
    r"$\frac{\partial u\left(x, y\right)}{\partial x}$": lambda p: p.u.d(p.x),
    r"$\frac{\partial^{2} u\left(x, y\right)}{\partial x^{2}}$": lambda p: p.u.d2(p.x),
    r"$-\Delta u\left(x, y\right)$": lambda p: -p.u.laplacian(p.x, p.y),
    r"$\nabla u\left(x, y\right)$": lambda p: p.u.grad(p.x, p.y),
    r"$\nabla_{u} u\left(x, y\right)$": lambda p: p.u.grad(p.net),
    r"$\sin\left(\pi \, x\right)$": lambda p: jno.np.sin(jno.np.pi * p.x),
    r"$\sqrt{x}$": lambda p: jno.np.sqrt(p.x),
    r"$\alpha \, \kappa_{r}$": lambda p: p.a * p.k,
    r"$\mathrm{mse}\left(x\right)$": lambda p: p.x.mse,
    r"$\mathrm{max\ speed}_{100\%}$": lambda p: (p.x + 1).name("max speed_100%"),
    r"$x \le y$": lambda p: p.x <= p.y,
}


@pytest.mark.parametrize("latex", LATEX)
def test_latex(problem, latex):
    assert re.sub(r"\s+", " ", LATEX[latex](problem)._repr_latex_()) == re.sub(r"\s+", " ", latex)


LABELS = st.text(st.sampled_from(list("ab_#%&$ {}^~\\x")), min_size=1, max_size=8)


@settings(deadline=None, max_examples=100)
@given(LABELS)
def test_names_never_break_latex(label):
    domain = jno.domain.from_array({"interior": np.zeros((1, 1))})
    x, _ = domain.variable("interior")
    text = (x + 1).name(label)._repr_latex_()
    assert text[0] == text[-1] == "$"
    depth = 0
    for token in re.findall(r"\\.|[^\\]", text[1:-1]):
        depth += (token == "{") - (token == "}")
        assert depth >= 0
        assert token not in ("#", "%", "&", "$", "~")
    assert depth == 0


class _Parser(html.parser.HTMLParser):
    def __init__(self):
        super().__init__()
        self.open, self.text = [], ""

    def handle_starttag(self, tag, attrs):
        if tag != "br":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_html_is_well_formed_and_shows_shape_and_type(problem):
    for node in (problem.x < problem.y, problem.u.d(problem.x), (problem.x + 1).name("<script>&")):
        parser = _Parser()
        parser.feed(node._repr_html_())
        assert parser.open == []
        assert f"shape {node.aval.shape}, {node.aval.dtype}" in parser.text
        assert "script" not in re.findall(r"<(\w+)", node._repr_html_())


# Trees.


def test_print_shapes_shows_every_node_with_its_shape(problem, capsys):
    residual = problem.u.laplacian(problem.x, problem.y) + jno.np.sin(problem.x)
    crux = jno.core([residual.mse, problem.u.mse.tracker(5)], domain=problem.domain)
    assert crux.print_shapes() is crux
    text = capsys.readouterr().out
    for line in ("mse  ()", "+  (4, 1)", "sin  (4, 1)", "x  (4, 1)", "u  (4, 1)", "tracker every 5"):
        assert re.search(rf"^[│├└─ ]*.*{re.escape(line)}", text, re.M), (line, text)
    assert "laplacian in x, y by automatic_differentiation  (4, 1)" in text


def test_print_tree_shows_the_same_tree_without_shapes(problem, capsys):
    shared = jno.np.sin(problem.x)
    crux = jno.core([(shared * shared + problem.y).mse], domain=problem.domain)
    assert crux.print_tree() is crux
    lines = capsys.readouterr().out.splitlines()
    assert [re.sub(r"^[│├└─ ]*", "", line) for line in lines][-7:] == [
        "mse", "+", "*", "sin", "x", "sin  (shown above)", "y",
    ]  # fmt: skip
    indents = [len(re.match(r"[│├└─ ]*", line)[0]) for line in lines][-7:]
    assert indents == [indents[0] + 3 * depth for depth in (0, 1, 2, 3, 4, 3, 2)]
