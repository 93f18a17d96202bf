"""What the cases are made of: a small problem, built piece by piece when a piece is asked for, and the kinds of cases."""

import dataclasses
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax

import jno


@dataclasses.dataclass(frozen=True)
class Refused:
    """An input that gives an error of this class, whose message holds the words: those of the cause and of the remedy.

    - `late`: whether it can be known only when something has been computed, so that compiled code may have run before.
    """

    attempt: Callable[["World"], Any]
    error: type[Exception]
    cause: tuple[str, ...]
    remedy: tuple[str, ...]
    late: bool = False


@dataclasses.dataclass(frozen=True)
class Warned:
    """An input that is answered by a warning of this class, after which `attempt` has checked what it got."""

    attempt: Callable[["World"], Any]
    warning: type[Warning]
    cause: tuple[str, ...]
    remedy: tuple[str, ...]


@dataclasses.dataclass(frozen=True)
class Handled:
    """An input with a documented good behaviour, in words; `attempt` checks it by assertions."""

    attempt: Callable[["World"], Any]
    behaviour: str


class built(functools.cached_property):
    """A part of a world; while it is built, `world.building` is positive."""

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        instance.building += 1
        try:
            return super().__get__(instance, owner)
        finally:
            instance.building -= 1


class Layer(eqx.Module):
    weight: jax.Array
    bias: jax.Array


class Network(eqx.Module):
    """A network of one point, whose weights are there without anything having been compiled."""

    layers: tuple[Layer, ...]

    def __init__(self, sizes: tuple[tuple[int, int], ...]) -> None:
        draw = np.random.default_rng(0)
        self.layers = tuple(
            Layer(*(jnp.asarray(draw.uniform(-1, 1, shape), jnp.float32) for shape in ((n, m), (n,)))) for m, n in sizes
        )

    def __call__(self, point: jax.Array) -> jax.Array:
        for layer in self.layers[:-1]:
            point = jnp.tanh(layer.weight @ point + layer.bias)
        return self.layers[-1].weight @ point + self.layers[-1].bias


class World:
    """A square with 9 nodes and networks on it, in an empty folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.building = 0

    @built
    def domain(self) -> Any:
        return jno.domain.rect(mesh_size=0.5)

    @built
    def timed(self) -> Any:
        return jno.domain.line(mesh_size=0.25, time=(0.0, 1.0, 3))

    @built
    def line(self) -> Any:
        """The coordinates of a line of four pieces."""
        return jno.domain.line(mesh_size=0.25).variable("interior")

    @built
    def interior(self) -> Any:
        return self.domain.variable("interior")

    @built
    def boundary(self) -> Any:
        return self.domain.variable("boundary")

    @property
    def x(self) -> Any:
        return self.interior[0]

    @property
    def y(self) -> Any:
        return self.interior[1]

    @built
    def net(self) -> Any:
        return self.network("u")

    @built
    def u(self) -> Any:
        return self.net(self.x, self.y)

    @built
    def vector(self) -> Any:
        """A field of two components."""
        return self.network("v", 2)(self.x, self.y)

    @built
    def k(self) -> Any:
        return jno.np.parameter((1,), name="k")

    @built
    def cloud(self) -> Any:
        """The coordinate of five points without a mesh."""
        return jno.domain.from_array({"interior": np.linspace(0, 1, 5)[:, None]}).variable("interior")[0]

    @built
    def pde(self) -> Any:
        return self.u.laplacian(self.x, self.y) - 1.0

    def module(self, components: int = 1, width: int = 3) -> Any:
        return Network(((2, width), (width, components)))

    def network(self, name: str = "v", components: int = 1) -> Any:
        return jno.nn.wrap(self.module(components), name=name)

    def crux(self, *more: Any) -> Any:
        """A problem that can be solved."""
        self.net.optimizer(optax.adam(1e-3))
        return jno.core([self.pde.mse, *more])

    def mask(self, value: bool = True) -> Any:
        return eqx.tree_at(lambda m: m.layers[0].weight, jax.tree.map(lambda _: False, self.net.module), value)

    def file(self, name: str, content: str | bytes) -> str:
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        return str(path)
