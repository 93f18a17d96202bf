"""`jno.save` and `jno.load`: one pair of functions for all that jno stores."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from jno_core import containers
from jno_core._domain import Domain
from jno_core._graph import Model, ModelCall
from jno_core._train import problem_file
from jno_core._train.core import Core
from jno_core._train.exported import KIND as EXPORTED, load_exported
from jno_core._train.problem_file import DOMAIN, NETWORK, PROBLEM, Path
from jno_core._train.statistics import Statistics
from jno_core._train.statistics_file import KIND as HISTORY
from jno_core.errors import JnoTypeError, JnoValueError


def save(obj: Any, path: Path) -> None:
    """Write a problem, a domain, a network or a training history to one file, replacing it as a whole.

    **Arguments:**

    - `obj`: what `jno.core(...)`, `jno.domain...`, `jno.nn.wrap(...)` or `crux.solve(...)` gave.
    - `path`: the file; missing folders are made. The suffix is free, `.jno` is customary.

    A problem is stored with its constraints, trackers, domain, networks, training state and history. Everything is data:
    expressions as their nodes, networks as the names of their classes with their fields, functions of `jax.numpy` and its
    like by name, other functions in compiled form. Optimizers are functions and are not stored; their states are.

    **Raises:**

    - `JnoTypeError`: an object of another type, or one that holds what is no data (it is named).
    - `JnoOSError`: the file cannot be written; what was there before is as it was.

    Warns with `JnoWarning` about what is stored in part only, such as the weights of a network whose class is local.
    """
    if isinstance(obj, Core):
        obj.save(path)
    elif isinstance(obj, Domain):
        problem_file.save_domain(path, obj)
    elif isinstance(obj, Model | ModelCall):
        problem_file.save_network(path, obj.controlled())
    elif isinstance(obj, Statistics):
        obj.save(path)
    else:
        raise JnoTypeError(
            f"jno.save takes a problem (jno.core), a domain, a network (jno.nn.wrap) or a training history, got {obj!r} of type "
            f"{type(obj).__name__}."
        )


def load(
    path: Path,
    *,
    classes: Iterable[type] = (),
    functions: Iterable[Callable[..., Any]] | Mapping[str, Any] = (),
    modules: Mapping[str, Any] | None = None,
) -> Any:
    """Read what `jno.save` wrote, a problem, a domain, a network or a training history, or what `crux.export` wrote.

    Nothing in the file is executed, and nothing is imported because the file names it: networks are rebuilt from classes that
    are imported already, or that are passed.

    **Arguments:**

    - `path`: the file.
    - `classes`: Equinox modules that are not to be had by their qualified name.
    - `functions`: functions that were stored in compiled form, to differentiate and train through: a list, or a mapping of
      the names in the file.
    - `modules`: networks by name that take the place of stored ones, and their weights.

    **Raises:**

    - `JnoFileNotFoundError`: there is no such file.
    - `JnoValueError`: the file is damaged (its part is named), not one of jno's, or written by a newer one; a class is not
      known here (the message says what to import or to pass).
    - `PluginNotFoundError`: a plugin is missing that the content needs.
    """
    kind = containers.identify(path)
    known = {"classes": classes, "functions": functions, "modules": modules}
    if kind == PROBLEM:
        return Core.load(path, **known)
    if kind == DOMAIN:
        return problem_file.load_domain(path, **known)
    if kind == NETWORK:
        return problem_file.load_network(path, **known)
    if kind == HISTORY:
        return Statistics.load(path)
    if kind == EXPORTED:
        return load_exported(path)
    raise JnoValueError(f"{str(path)!r} holds a {kind!r}, which jno.load does not read.")
