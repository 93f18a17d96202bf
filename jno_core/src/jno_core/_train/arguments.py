"""Checks of what the user passes to `core`, `solve` and `eval`."""

from typing import Any

from jno_core.errors import JnoError, JnoNotImplementedError, JnoTypeError, JnoValueError

_LATER: dict[str, tuple[Any, str]] = {
    "batchsize": (None, "0.3"),
    "checkpoint_gradients": (False, "0.3"),
    "offload_data": (False, "0.3"),
    "accumulation_steps": (1, "0.3"),
    "min_consecutive": (1, "0.3"),
    "profile": (False, "0.3"),
    "substeps": (None, "0.3"),
}


def check_later(**given: Any) -> None:
    """Refuse documented arguments that this release does not have yet, naming the release that brings them."""
    for name, value in given.items():
        default, release = _LATER[name]
        if value is not default and value != default:
            raise JnoNotImplementedError(
                f"solve({name}={value!r}) comes with jno {release}; this release runs with {name}={default!r} only."
            )


def check_mesh(mesh: Any) -> None:
    """Refuse device meshes other than one device."""
    if mesh is None:
        return
    if (
        not isinstance(mesh, tuple | list)
        or len(mesh) != 2
        or any(isinstance(m, bool) or not isinstance(m, int) for m in mesh)
    ):
        raise JnoTypeError(f"mesh must be two integers (batch, model), got {mesh!r}.")
    if any(m < 1 for m in mesh):
        raise JnoValueError(f"mesh=(batch, model) needs positive numbers of devices, got {mesh!r}.")
    if tuple(mesh) != (1, 1):
        raise JnoNotImplementedError(
            f"mesh={tuple(mesh)} comes with jno 0.3; this release runs on one device, mesh=(1, 1)."
        )


def check_resume(path: Any) -> None:
    """Refuse to resume."""
    if path is not None:
        raise JnoNotImplementedError(f"resume_from={path!r} comes with jno 0.3, together with checkpoints.")


def check_chunk(chunk: Any) -> None:
    """Check the number of points that are taken at a time."""
    if chunk is None or chunk == "auto":
        return
    if isinstance(chunk, bool) or not isinstance(chunk, int):
        raise JnoTypeError(f"solve(chunk=...) takes 'auto', None or a number of points such as 500; got {chunk!r}.")
    if chunk < 1:
        raise JnoValueError(f"solve(chunk={chunk}): the least possible number of points is 1; None takes all at once.")


def check_epochs(epochs: Any, inner_steps: Any) -> None:
    """Check the number of epochs and the bound on fused steps."""
    for name, value, least in (("epochs", epochs, 0), ("inner_steps", inner_steps, 1)):
        if isinstance(value, bool) or not isinstance(value, int):
            raise JnoTypeError(f"solve({name}=...) takes an integer, as in solve({name}={least + 1}); got {value!r}.")
        if value < least:
            raise JnoValueError(f"solve({name}={value}): the least possible value is {least}.")
    if epochs % inner_steps:
        raise JnoValueError(f"inner_steps={inner_steps} must divide epochs={epochs}.")


def check_samples(samples: Any) -> None:
    """Check which posterior samples `eval` shall use."""
    if samples == "chain":
        raise JnoValueError(
            "samples='chain' needs a model with posterior samples, and no expression here contains one."
        )
    if samples not in ("auto", "point"):
        raise JnoValueError(f"samples must be 'auto', 'point' or 'chain', got {samples!r}.")


def no_loss(trackers: bool) -> JnoError:
    """The error of a problem without constraints."""
    what = "only trackers, which are not trained on" if trackers else "no constraints"
    return JnoValueError(f"There is nothing to minimise: core got {what}. Pass a loss such as pde.mse.")


def wrong_domain(domain: Any) -> JnoError:
    """The error of an evaluation domain that is none."""
    return JnoTypeError(f"eval(domain=...) takes a domain such as jno.domain.rect(...), got {domain!r}.")
