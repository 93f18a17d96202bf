"""Expressions as functions in files, which evaluate without the code that defined them."""

import dataclasses
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, TypeAlias, final

import equinox as eqx
import jax
import jax.export
import jax.numpy as jnp
from jaxtyping import Array

from jno_core import containers
from jno_core._compile import Program, share
from jno_core._compile.data import Instance, first_instance, instance_at
from jno_core._compile.scope import Scope
from jno_core._domain import Domain
from jno_core._graph import Balance, Collocation, KernelIntegral, Placeholder, TimeIntegral, Variable, walk
from jno_core._graph.variable import default_float
from jno_core._registry.metadata import installed_version
from jno_core._saving import stablehlo
from jno_core._train.export_onnx import export_onnx
from jno_core._train.exported import KIND, VERSION, Input, Parity
from jno_core._train.problem import data_of
from jno_core._train.problem_file import Path
from jno_core.errors import JnoError, JnoValueError, JnoWarning

Weights: TypeAlias = Callable[[Sequence[Balance]], dict[Balance, Array]]


@final
@dataclasses.dataclass(frozen=True, eq=False)
class Slot:
    """An argument, its value at the sample points, and where it belongs in an instance: a part, a name and a column."""

    input: Input
    value: Array
    part: str
    name: str
    column: int = 0


@final
class Function:
    """An expression at the current weights as a function of arrays, for one instance.

    Point sets that a scheme has prepared something for, such as stencils, and those of integrals are part of the function.
    The others are arguments: one for each coordinate, `(n, 1)`, one for normals, and one for each attached array. Arrays that
    all instances share are part of it too. Where time is not a coordinate of points it is an argument `t`, `()`.

    - `slots`: the arguments, in order.
    """

    def __init__(self, node: Placeholder, domain: Domain | None, weights: Weights) -> None:
        self._node = node
        self._program = program = Program((node,))
        self._weights = weights(program.balances)
        data = data_of(program, domain)
        self._single = instance_at(first_instance(data), 0)
        fixed = {o.collocation.name for o in program.operators if o.name in data.operators}
        self._fixed = fixed | {c.name for c in program.collocations if c.rule is not None}
        self._modules = {model: eqx.nn.inference_mode(model.module) for model in program.models.values()}
        self.slots = tuple(self._slots(data.tensors))

    def __call__(self, *values: Array) -> Array:
        """The value of the expression for these arguments."""
        instance = self._with_noise(self._filled(values))

        def evaluated() -> Array:
            scope = Scope(self._program, (self._node,), instance, self._modules, self._weights, None)
            return jnp.asarray(scope.evaluate(self._node))

        return share(evaluated)()

    def __repr__(self) -> str:
        return repr(self._node)

    def avals(self, symbolic: bool) -> list[jax.ShapeDtypeStruct]:
        """Shapes and types of the arguments; symbolic ones stand for any number of points."""
        scope = jax.export.SymbolicScope()
        found = []
        for slot in self.slots:
            shape: Any = slot.value.shape
            if symbolic and shape:
                shape = jax.export.symbolic_shape(", ".join(map(str, slot.input.shape)), scope=scope)
            found.append(jax.ShapeDtypeStruct(shape, slot.value.dtype))
        return found

    def _slots(self, tensors: Mapping[str, Any]) -> Iterator[Slot]:
        sets = self._free_sets()
        for i, c in enumerate(sets):
            prefix, n = (f"{c.name}.", f"n{i}") if len(sets) > 1 else ("", "n")
            columns = self._single.columns[c.name]
            for k, symbol in enumerate(c.names if self._time_is_coordinate(c) else c.coordinates):
                yield _slot(f"{prefix}{symbol}", (n, 1), columns[k], "column", c.name, k)
            aligned = self._single.aligned[c.name]
            if self._reads_normals(c):
                yield _slot(f"{prefix}normal", (n, len(c.coordinates)), aligned["normals"], "normals", c.name)
            for node in self._program.tensors:
                if node.collocation is c:
                    value = aligned[f"tensor {node.tag}"]
                    yield _slot(f"{prefix}{node.tag}", (n, *value.shape[1:]), value, f"tensor {node.tag}", c.name)
        for node in self._program.tensors:
            if node.collocation is None and tensors[node.tag].layout != "shared":
                value = jnp.asarray(self._single.tensors[node.tag])
                yield _slot(node.tag, value.shape, value, "tensor", node.tag)
        if self._time_is_apart():
            yield _slot("t", (), next(iter(self._single.columns.values()))[-1][0, 0], "time", "")

    def _free_sets(self) -> list[Collocation]:
        """Point sets that are arguments; the variables of integration of kernels are none."""
        read: dict[Collocation, None] = {}
        pending = [(root, frozenset[Collocation]()) for root in self._program.roots]
        while pending:
            root, dummies = pending.pop(0)
            kernels = [n for n in walk.nodes([root], _outside_of_kernels) if isinstance(n, KernelIntegral)]
            found = (*walk.collocations([root], _outside_of_kernels), *(kernel.outer for kernel in kernels))
            read.update(dict.fromkeys(c for c in found if c not in dummies))
            pending += [(kernel.integrand, dummies | {kernel.dummy}) for kernel in kernels]
        return [c for c in read if c.name not in self._fixed]

    def _times_read(self) -> set[Collocation]:
        found = walk.nodes(self._program.roots, lambda n: () if isinstance(n, TimeIntegral) else n.children())
        variables = (node for node in found if isinstance(node, Variable))
        return {v.collocation for v in variables if v.axis == "time" and not v.collocation.steady}

    def _time_is_apart(self) -> bool:
        return bool(self._times_read()) and bool(self._fixed)

    def _time_is_coordinate(self, c: Collocation) -> bool:
        return c in self._times_read() and not self._fixed

    def _reads_normals(self, c: Collocation) -> bool:
        variables = (node for node in walk.nodes(self._program.roots) if isinstance(node, Variable))
        return any(v.axis == "normal" and v.collocation is c for v in variables)

    def _filled(self, values: Sequence[Array]) -> Instance:
        """The instance with the arguments in their places."""
        columns = {name: list(parts) for name, parts in self._single.columns.items()}
        aligned = {name: dict(arrays) for name, arrays in self._single.aligned.items()}
        tensors, locations = dict(self._single.tensors), dict(self._single.locations)
        for c in self._free_sets():
            locations[c.name] = None
        for slot, value in zip(self.slots, values, strict=True):
            if slot.part == "column":
                columns[slot.name][slot.column] = value
            elif slot.part == "tensor":
                tensors[slot.name] = value
            elif slot.part != "time":
                aligned[slot.name][slot.part] = value
        for name, parts in columns.items():
            if not any(s.part == "column" and (s.name, s.column) == (name, len(parts) - 1) for s in self.slots):
                time = values[-1] if self._time_is_apart() else self._single.columns[name][-1][0, 0]
                parts[-1] = jnp.broadcast_to(time, parts[0].shape)
        for c in self._free_sets():
            if not self._reads_normals(c):
                aligned[c.name].pop("normals", None)
        columns = {name: tuple(parts) for name, parts in columns.items()}
        return Instance(columns, aligned, tensors, self._single.operators, locations)

    def _with_noise(self, instance: Instance) -> Instance:
        """Noise is zero, as in `crux.eval` without a key."""
        for noise in self._program.noises:
            home = self._program.home(noise).name
            n = instance.columns[home][0].shape[0]
            zeros = jnp.zeros((n, noise.ndim), default_float())
            instance.aligned[home][f"noise {self._program.stream(noise)}"] = zeros
        return instance


def _outside_of_kernels(node: Placeholder) -> tuple[Placeholder, ...]:
    return () if isinstance(node, KernelIntegral) else node.children()


def _slot(name: str, shape: Sequence[int | str], value: Array, part: str, of: str, column: int = 0) -> Slot:
    return Slot(Input(name, tuple(shape), str(value.dtype)), value, part, of, column)


def export(
    path: Path, node: Placeholder, domain: Domain | None, weights: Weights, reference: Callable[[], Any]
) -> Parity:
    """Write an expression as a function; see `Core.export`.

    - `weights(balances)`: the current weights of balancers.
    - `reference()`: what `crux.eval` gives for the expression.

    Raises `JnoValueError` for an expression whose operations cannot be exported.
    """
    function = Function(node, domain, weights)
    expected = first_value(reference(), jax.eval_shape(function, *function.avals(symbolic=False)))
    if str(path).lower().endswith(".onnx"):
        return export_onnx(path, function, expected)
    exported, inputs = _exported(function)
    parity = Parity.of(exported.call(*(slot.value for slot in function.slots)), expected)
    manifest = {
        "expression": repr(node)[:1000],
        "inputs": [dataclasses.asdict(i) for i in inputs],
        "output": {"shape": [str(n) for n in exported.out_avals[0].shape], "dtype": str(exported.out_avals[0].dtype)},
        "platforms": list(exported.platforms),
        "parity": dataclasses.asdict(parity),
        "versions": {name: installed_version(name) for name in ("jno-core", "jax")},
    }
    containers.write(path, KIND, VERSION, manifest, {"stablehlo": stablehlo.to_bytes(exported)})
    return parity


def _exported(function: Function) -> tuple[jax.export.Exported, list[Input]]:
    """For any number of points, or, with a warning, for that of the domain."""
    inputs = [slot.input for slot in function.slots]
    try:
        return stablehlo.export(function, function.avals(symbolic=True)), inputs
    except JnoError:
        raise
    except Exception as e:  # noqa: BLE001 -- networks are foreign code, which may use the number of points as a number
        reason = f"{type(e).__name__}: {str(e).splitlines()[0] if str(e) else ''}"
    try:
        exported = stablehlo.export(function, function.avals(symbolic=False))
    except Exception as e:
        raise JnoValueError(f"{function} cannot be exported: {type(e).__name__}: {str(e).splitlines()[:1]}") from e
    warnings.warn(
        f"{function} was exported for the points of its domain only, because it does not "
        f"work for any number of points ({reason}).",
        JnoWarning,
        stacklevel=4,
    )
    shapes = [slot.value.shape for slot in function.slots]
    return exported, [dataclasses.replace(i, shape=shape) for i, shape in zip(inputs, shapes, strict=True)]


def first_value(evaluated: Any, like: Any) -> Any:
    """The first instance at the first time of what `crux.eval` gave."""
    while jnp.ndim(evaluated) > jnp.ndim(like):
        evaluated = evaluated[0]
    return evaluated
