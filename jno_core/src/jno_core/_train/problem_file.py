"""Problems, domains and networks as files. Reading one executes nothing of it and imports nothing that it names."""

import dataclasses
import os
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeAlias, TypeVar, final

from jno_core import containers
from jno_core._domain import Domain
from jno_core._graph import Model, Placeholder
from jno_core._interfaces import TrainState
from jno_core._saving import described, reading, rebuilt
from jno_core._train.problem import Problem
from jno_core._train.run_log import RunLog
from jno_core._train.statistics_file import pack, unpack
from jno_core._train.stored_state import restored_state, stored
from jno_core.errors import JnoValueError, JnoWarning

PROBLEM, DOMAIN, NETWORK = "problem", "domain", "network"
VERSION = 1
"""The version of what is written; readers of older versions refuse it."""

Path: TypeAlias = str | os.PathLike[str]
_HISTORY = "history/"
_T = TypeVar("_T")


@final
@dataclasses.dataclass(frozen=True, eq=False)
class StoredProblem:
    """A problem with what training made of it.

    - `expressions`: constraints and trackers, in the order in which they were given.
    - `problem`: these, analysed.
    - `state`: the training state, whose optimizer states wait for their optimizers; `None` before training.
    - `logs`: the history.
    """

    expressions: tuple[Placeholder, ...]
    problem: Problem
    state: TrainState | None
    logs: tuple[RunLog, ...]


def save_problem(
    path: Path, expressions: Sequence[Placeholder], problem: Problem, state: TrainState | None, logs: Sequence[RunLog]
) -> None:
    """Write a problem to one file, replacing it as a whole.

    Raises `JnoTypeError` naming what is no data, and `JnoOSError`; warns with `JnoWarning` about what is stored in part only.
    """
    history, recorded = pack(logs)
    value = {"expressions": tuple(expressions), "domain": problem.domain, "state": stored(state)}
    names = {id(model): name for name, model in problem.models.items()}
    content, arrays = _described(value, names)
    recorded = {_HISTORY + name: array for name, array in recorded.items()}
    containers.write(path, PROBLEM, VERSION, content | {"history": history}, arrays | recorded)


def load_problem(
    path: Path,
    *,
    classes: Iterable[type] = (),
    functions: Iterable[Callable[..., Any]] | Mapping[str, Any] = (),
    modules: Mapping[str, Any] | None = None,
) -> StoredProblem:
    """Read what `save_problem` wrote; see `jno.load`."""
    content, arrays = containers.read(path, PROBLEM, VERSION)
    value = _rebuilt(content, arrays, path, dict, classes, functions, modules)
    recorded = {name.removeprefix(_HISTORY): a for name, a in arrays.items() if name.startswith(_HISTORY)}
    with reading(path):
        logs = tuple(unpack(content["history"], recorded))
        problem = Problem(value["expressions"], value["domain"])
        return StoredProblem(value["expressions"], problem, restored_state(value["state"], problem.balances), logs)


def save_domain(path: Path, domain: Domain) -> None:
    """Write a domain with its point sets and attached arrays to one file."""
    containers.write(path, DOMAIN, VERSION, *_described(domain, {}))


def load_domain(path: Path, **known: Any) -> Domain:
    """Read what `save_domain` wrote; `known` are the keywords of `load_problem`."""
    return _loaded(path, DOMAIN, Domain, **known)


def save_network(path: Path, model: Model) -> None:
    """Write a network with its weights and what the user decided about it, besides optimizers, to one file."""
    containers.write(path, NETWORK, VERSION, *_described(model, {}))


def load_network(path: Path, **known: Any) -> Model:
    """Read what `save_network` wrote; `known` are the keywords of `load_problem`."""
    return _loaded(path, NETWORK, Model, **known)


def _loaded(path: Path, kind: str, expected: type[_T], **known: Any) -> _T:
    content, arrays = containers.read(path, kind, VERSION)
    return _rebuilt(content, arrays, path, expected, **known)


def _described(value: Any, names: Mapping[int, str]) -> tuple[dict[str, Any], dict[str, Any]]:
    content, arrays, notes = described(value, names)
    _warn(notes)
    return content, arrays


def _rebuilt(
    content: Any,
    arrays: Mapping[str, Any],
    path: Path,
    expected: type[_T],
    classes: Iterable[type] = (),
    functions: Iterable[Callable[..., Any]] | Mapping[str, Any] = (),
    modules: Mapping[str, Any] | None = None,
) -> _T:
    value, notes = rebuilt(content, arrays, path, classes=classes, functions=functions, modules=modules)
    _warn(notes)
    if not isinstance(value, expected):
        raise JnoValueError(f"The content of {str(path)!r} is a {type(value).__name__}, not a {expected.__name__}.")
    return value


def _warn(notes: Sequence[str]) -> None:
    for note in notes:
        warnings.warn(note, JnoWarning, stacklevel=4)
