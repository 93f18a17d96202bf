"""Expressions as text, LaTeX and trees.

One description of each node (`_parts`) serves text and LaTeX; precedence decides about parentheses, so that what is
printed reads like mathematics.
"""

import functools
import html
from collections.abc import Callable, Iterator
from typing import Any, final

from jno_core._graph.balanced import BalancedWeight
from jno_core._graph.derivative import AbstractDerivative, Hessian, Jacobian
from jno_core._graph.function import BinaryOp, FunctionCall, Index, Literal
from jno_core._graph.integral import KernelIntegral, TimeIntegral
from jno_core._graph.model import ModelCall
from jno_core._graph.noise import Noise
from jno_core._graph.parameter_gradient import NetworkGradient
from jno_core._graph.placeholder import Placeholder
from jno_core._graph.tracker import Tracker
from jno_core._graph.variable import TensorTag, Variable

_PRECEDENCE = {
    "==": 1,
    "!=": 1,
    "<": 1,
    "<=": 1,
    ">": 1,
    ">=": 1,
    "+": 2,
    "-": 2,
    "*": 3,
    "/": 3,
    "//": 3,
    "%": 3,
    "@": 3,
    "**": 5,
}
_UNARY, _ATOM = 4, 9
_MAX_DEPTH = 12
_SUPERSCRIPTS = str.maketrans("0123456789", "⁰¹²³⁴⁵⁶⁷⁸⁹")
_ESCAPES = str.maketrans({c: f"\\{c}" for c in "#%&$_{} "} | {"\\": r"\backslash{}", "^": r"\wedge{}", "~": r"\sim{}"})
_GREEK = [
    "alpha",
    "beta",
    "gamma",
    "delta",
    "epsilon",
    "zeta",
    "eta",
    "theta",
    "kappa",
    "lambda",
    "mu",
    "nu",
    "xi",
    "pi",
    "rho",
    "sigma",
    "tau",
    "phi",
    "chi",
    "psi",
    "omega",
]


def to_text(node: Placeholder) -> str:
    """One line of Unicode mathematics; what lies deeper than a dozen levels becomes `…`."""
    return _Writer(latex=False).write(node, 0, 0)


def to_latex(node: Placeholder) -> str:
    """The same for LaTeX's mathematics mode."""
    return _Writer(latex=True).write(node, 0, 0)


def to_html(node: Placeholder) -> str:
    """What a notebook shows: the formula, with shape and dtype of one instance."""
    note = html.escape(f"{type(node).__name__}, shape {node.aval.shape}, {node.aval.dtype}")
    return f"<div>\\({html.escape(to_latex(node))}\\)<br><small>{note}</small></div>"


def tree_lines(root: Placeholder, describe: Callable[[Placeholder], str]) -> Iterator[str]:
    """The tree of an expression, one line per node; a node that was shown before is not opened again."""
    seen: set[Placeholder] = set()
    stack = [(root, "", "", "")]
    while stack:
        node, before, branch, below = stack.pop()
        again = node in seen and bool(node.children())
        yield f"{before}{branch}{describe(node)}{'  (shown above)' if again else ''}"
        seen.add(node)
        children = () if again else node.children()
        for i in range(len(children) - 1, -1, -1):
            last = i == len(children) - 1
            stack.append((children[i], before + below, "└─ " if last else "├─ ", "   " if last else "│  "))


def head(node: Placeholder) -> str:
    """What a node is, without its children: for trees."""
    if isinstance(node, BinaryOp):
        return node.op
    if isinstance(node, FunctionCall):
        return node.display_name
    if isinstance(node, Index):
        return f"[{_index_text(node.index)}]"
    if isinstance(node, AbstractDerivative):
        names = ", ".join(v.symbol for v in node.variables)
        return f"{node.request.kind} in {names} by {node.scheme}"
    if isinstance(node, ModelCall):
        return repr(node.model)
    if isinstance(node, NetworkGradient):
        return f"gradient in the parameters of {node.model!r}"
    if isinstance(node, KernelIntegral):
        return f"integral over {node.dummy.tag!r} for each point of {node.outer.name!r}"
    if isinstance(node, TimeIntegral):
        return "integral over time"
    if isinstance(node, Tracker):
        return f"tracker every {node.interval}"
    return to_text(node)


@final
class _Writer:
    """Writes nodes as text or LaTeX; the difference is in the few methods at the end."""

    def __init__(self, latex: bool) -> None:
        self.latex = latex

    def write(self, node: Placeholder, outer: int, depth: int) -> str:
        if node.label is not None and not isinstance(node, Variable):
            return self.word(node.label)
        if depth > _MAX_DEPTH:
            return r"\ldots" if self.latex else "…"
        text, precedence = _parts(node, self, depth + 1)
        return self.parentheses(text) if precedence < outer else text

    def listed(self, nodes: Any, depth: int) -> str:
        return ", ".join(self.write(n, 0, depth) if isinstance(n, Placeholder) else self.plain(n) for n in nodes)

    def plain(self, value: Any) -> str:
        if isinstance(value, list | tuple):
            return f"[{self.listed(value, _MAX_DEPTH - 1)}]"
        return self.word(str(value)) if self.latex else repr(value)

    def parentheses(self, text: str) -> str:
        return rf"\left({text}\right)" if self.latex else f"({text})"

    def word(self, text: str) -> str:
        if not self.latex:
            return text
        base, _, index = text.partition("_")
        escaped = base.translate(_ESCAPES)
        letter = "\\" + base if base in _GREEK else escaped if len(base) == 1 else rf"\mathrm{{{escaped}}}"
        return f"{letter}_{{{index.translate(_ESCAPES)}}}" if index else letter

    def operator(self, symbol: str, left: str, right: str) -> str:
        if not self.latex:
            return f"{left}**{right}" if symbol == "**" else f"{left} {symbol} {right}"
        if symbol == "/":
            return rf"\frac{{{left}}}{{{right}}}"
        if symbol == "**":
            return f"{left}^{{{right}}}"
        signs = {"*": r"\,", "@": r"\cdot", "<=": r"\le", ">=": r"\ge", "==": "=", "!=": r"\ne", "%": r"\bmod"}
        return f"{left} {signs.get(symbol, symbol)} {right}"

    def partial(self, symbols: tuple[str, ...], target: str) -> str:
        order = len(symbols)
        counts = {s: symbols.count(s) for s in symbols}
        if self.latex:
            below = "".join(rf"\partial {s}" + (f"^{{{c}}}" if c > 1 else "") for s, c in counts.items())
            power = f"^{{{order}}}" if order > 1 else ""
            return rf"\frac{{\partial{power} {target}}}{{{below}}}"
        below = "".join(f"∂{s}" + (str(c).translate(_SUPERSCRIPTS) if c > 1 else "") for s, c in counts.items())
        return f"∂{str(order).translate(_SUPERSCRIPTS) if order > 1 else ''}{target}/{below}"

    def symbol(self, text: str, latex: str) -> str:
        return latex if self.latex else text


@functools.singledispatch
def _parts(node: Placeholder, writer: _Writer, depth: int) -> tuple[str, int]:
    """Text and precedence of a node that has no rule of its own: its class and children."""
    return f"{type(node).__name__}({writer.listed(node.children(), depth)})", _ATOM


@_parts.register
def _(node: Literal, writer: _Writer, depth: int) -> tuple[str, int]:
    del depth
    value = node.value
    if getattr(value, "ndim", 0):
        return writer.word(f"array{tuple(value.shape)}"), _ATOM
    number = value if isinstance(value, bool | int | float | complex) else value.item()
    text = f"{number:.6g}" if isinstance(number, float) else str(number)
    if isinstance(number, float) and abs(number - 3.141592653589793) < 1e-7:
        text = writer.symbol("π", r"\pi")
    return text, _UNARY if text.startswith("-") else _ATOM


@_parts.register
def _(node: Variable, writer: _Writer, depth: int) -> tuple[str, int]:
    del depth
    return (node.label or node.symbol) if not writer.latex else writer.word(node.label or node.symbol), _ATOM


@_parts.register
def _(node: TensorTag, writer: _Writer, depth: int) -> tuple[str, int]:
    del depth
    return writer.word(node.tag), _ATOM


@_parts.register
def _(node: BinaryOp, writer: _Writer, depth: int) -> tuple[str, int]:
    precedence = _PRECEDENCE[node.op]
    if writer.latex and node.op == "/":
        sides = 0, 0
    elif precedence == _PRECEDENCE["<"]:
        sides = precedence + 1, precedence + 1
    else:
        sides = precedence + (node.op == "**"), precedence + (not _absorbs(node.op, node.right))
    left, right = writer.write(node.left, sides[0], depth), writer.write(node.right, sides[1], depth)
    return writer.operator(node.op, left, right), precedence


@_parts.register
def _(node: FunctionCall, writer: _Writer, depth: int) -> tuple[str, int]:
    name = node.display_name
    if name == "negative":
        return "-" + writer.write(node.children()[0], _UNARY, depth), 2
    if name == "transpose" and len(node.args) == 1:
        return writer.write(node.children()[0], _ATOM, depth) + writer.symbol("ᵀ", r"^{\top}"), _ATOM
    if writer.latex and name in ("sin", "cos", "tan", "exp", "log", "sinh", "cosh", "tanh", "max", "min"):
        return rf"\{name}{writer.parentheses(writer.listed(node.args, depth))}", _ATOM
    if writer.latex and name == "sqrt":
        return rf"\sqrt{{{writer.listed(node.args, depth)}}}", _ATOM
    return writer.word(name) + writer.parentheses(writer.listed(node.args, depth)), _ATOM


@_parts.register
def _(node: Index, writer: _Writer, depth: int) -> tuple[str, int]:
    return f"{writer.write(node.target, _ATOM, depth)}[{_index_text(node.index)}]", _ATOM


@_parts.register
def _(node: ModelCall, writer: _Writer, depth: int) -> tuple[str, int]:
    name = writer.word(repr(node.model))
    return (name if not node.args else name + writer.parentheses(writer.listed(node.args, depth))), _ATOM


@_parts.register
def _(node: Jacobian, writer: _Writer, depth: int) -> tuple[str, int]:
    target = writer.write(node.target, _ATOM, depth)
    if node.stacked:
        return writer.symbol("∇", r"\nabla ") + target, _UNARY
    return writer.partial(tuple(v.symbol for v in node.variables), target), _UNARY


@_parts.register
def _(node: Hessian, writer: _Writer, depth: int) -> tuple[str, int]:
    target = writer.write(node.target, _ATOM, depth)
    if not node.trace:
        return writer.symbol("∇∇ᵀ", r"\nabla\nabla^{\top} ") + target, _UNARY
    if len(node.variables) == 1:
        return writer.partial((node.variables[0].symbol,) * 2, target), _UNARY
    return writer.symbol("Δ", r"\Delta ") + target, _UNARY


@_parts.register
def _(node: NetworkGradient, writer: _Writer, depth: int) -> tuple[str, int]:
    name = writer.word(repr(node.model))
    nabla = rf"\nabla_{{{name}}} " if writer.latex else f"∇[{name}]"
    return nabla + writer.write(node.target, _ATOM, depth), _UNARY


def _integral(writer: _Writer, integrand: str, over: str) -> str:
    return rf"\int {integrand}\, d\text{{{over}}}" if writer.latex else f"∫ {integrand} d{over}"


@_parts.register
def _(node: KernelIntegral, writer: _Writer, depth: int) -> tuple[str, int]:
    return _integral(writer, writer.write(node.integrand, _UNARY, depth), node.dummy.tag), _UNARY


@_parts.register
def _(node: TimeIntegral, writer: _Writer, depth: int) -> tuple[str, int]:
    return _integral(writer, writer.write(node.integrand, _UNARY, depth), "t"), _UNARY


@_parts.register
def _(node: Noise, writer: _Writer, depth: int) -> tuple[str, int]:
    del depth
    return writer.word(node.distribution) + writer.parentheses(f"{node.low:g}, {node.high:g}"), _ATOM


@_parts.register
def _(node: BalancedWeight, writer: _Writer, depth: int) -> tuple[str, int]:
    del depth
    return f"{writer.word(node.balance.name)}[{node.position}]", _ATOM


@_parts.register
def _(node: Tracker, writer: _Writer, depth: int) -> tuple[str, int]:
    return writer.word("tracker") + writer.parentheses(writer.write(node.expr, 0, depth)), _ATOM


def _absorbs(op: str, right: Placeholder) -> bool:
    """Whether a right operand of the same precedence may stand without parentheses: `a * (b / c)` is `a * b / c`."""
    return op in ("+", "**") or (op == "*" and not (isinstance(right, BinaryOp) and right.op in ("//", "%", "@")))


def _index_text(index: Any) -> str:
    def part(item: Any) -> str:
        if isinstance(item, slice):
            bounds = [("" if v is None else str(v)) for v in (item.start, item.stop, item.step)]
            return ":".join(bounds[:2] if item.step is None else bounds)
        return "..." if item is Ellipsis else str(item)

    return ", ".join(map(part, index if isinstance(index, tuple) else (index,)))
