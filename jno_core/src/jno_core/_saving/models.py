"""Rules for networks: the module if it is data, and its weights by path in any case."""

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp

from jno_core._custom_types import PyTree
from jno_core._graph import Model
from jno_core._graph.controls import Settings
from jno_core._graph.modules import ParameterArray, adapt
from jno_core._graph.parameters import Selection
from jno_core._graph.weight_file import named_weights, path_name
from jno_core._saving.errors import NotDataError, NotRebuiltError
from jno_core._saving.fields import described_fields
from jno_core._saving.functions import add_form
from jno_core._saving.known import qualified
from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.stored import Argument, passing
from jno_core._saving.writer import Writer
from jno_core.errors import JnoValueError

_SETTINGS = ("scales", "constraints", "frozen", "dtype", "key")


def _describe(writer: Writer, model: Model, where: str) -> dict[str, Any]:
    del where
    key = writer.model_names.get(id(model)) or model.name or "net"
    place = writer.unique(f"models/{key}")
    try:
        with writer.attempt():
            module = writer.describe(model.module, place)
    except NotDataError as e:
        module = {"left out": str(e)}
        writer.notes.append(f"Of the network {key!r} only the weights are stored: {e}")
    settings = described_fields(writer, model.settings, f"settings/{key}", _SETTINGS)
    _add_constraints(writer, model)
    return {
        "key": key,
        "name": model.name,
        "pointwise": model.pointwise,
        "class": qualified(type(model.module)),
        "module": module,
        "weights": {path: writer.describe(leaf, f"{place}/{path}") for path, leaf in named_weights(model.module)},
        "settings": settings,
    }


def _add_constraints(writer: Writer, model: Model) -> None:
    everything = Selection.everything(model.module)
    for selection, transform in model.settings.constraints:
        for leaf in jax.tree.leaves((selection or everything).filter(model.module)):
            add_form(writer, transform, (Argument(leaf.shape, leaf.dtype),), {}, False)


def _rebuild(reader: Reader, data: Any) -> Model:
    given = reader.modules.get(data["key"])
    if given is not None:
        stored = {path: reader.rebuild(weight) for path, weight in data["weights"].items()}
        module = with_weights(adapt(given.module if isinstance(given, Model) else given), stored, data["key"])
    else:
        module = _rebuilt_module(reader, data)
    # Not through the constructor, which refuses weights that are not finite: a run that went wrong can be looked at.
    model = Model(ParameterArray(jnp.zeros(())), data["name"], pointwise=data["pointwise"])
    model.module = module
    model.settings = Settings(**{name: reader.rebuild(data["settings"][name]) for name in _SETTINGS})
    return model


def _rebuilt_module(reader: Reader, data: Any) -> PyTree:
    key = data["key"]
    if "left out" in data["module"]:
        raise NotRebuiltError(
            f"Of the network {key!r}, a {data['class'].partition(':')[2]}, the file holds the weights only: "
            f"{data['module']['left out']} {_remedy(key)}"
        )
    before = len(reader.unknown)
    try:
        module = reader.rebuild(data["module"])
    except NotRebuiltError as e:
        raise NotRebuiltError(f"The network {key!r} cannot be rebuilt. {e} {_remedy(key)}") from e
    for name in reader.unknown[before:]:
        raise NotRebuiltError(
            f"The network {key!r} uses the function {name!r}, of which the file has the name. {passing(name)}"
        )
    if not isinstance(module, eqx.Module):
        raise JnoValueError(f"The network {key!r} is stored as a {type(module).__name__}.")
    return module


def _remedy(key: str) -> str:
    return (
        f"Or build the network and let it take the stored weights: jno.load(path, modules={{{key!r}: network}}), or "
        f"net.initialize(path)."
    )


def with_weights(module: PyTree, stored: dict[str, Any], key: str) -> PyTree:
    """The module with stored weights.

    Raises `JnoValueError` naming the first path that differs in shape or type, or is on one side only.
    """
    own = dict(named_weights(module))
    for path in sorted(own.keys() ^ stored.keys()):
        where = "file" if path in stored else "network"
        raise JnoValueError(f"The weight {path!r} of {key!r} is only in the {where}. Build the network as it was.")
    for path, weight in own.items():
        if (weight.shape, weight.dtype) != (stored[path].shape, stored[path].dtype):
            raise JnoValueError(
                f"The weight {path!r} of {key!r} is {stored[path].dtype} {stored[path].shape} in the file, and "
                f"{weight.dtype} {weight.shape} in the network. Build the network as it was."
            )
    leaves, structure = jax.tree_util.tree_flatten_with_path(module)
    return jax.tree.unflatten(structure, [stored.get(path_name(path), leaf) for path, leaf in leaves])


MODEL_RULES = (Rule("model", lambda v: type(v) is Model, _describe, _rebuild, shared=True),)
