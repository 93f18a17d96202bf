"""Checks of what the user passes to `core`, `solve` and `eval`."""

from pathlib import Path
from typing import Any

from jno_core.errors import JnoError, JnoTypeError, JnoValueError


def check_batches(batchsize: Any, accumulation_steps: Any, offload_data: bool) -> None:
    """Check the size of a batch and what needs one."""
    _check_integer("batchsize", batchsize, 1, none="None (all)")
    _check_integer("accumulation_steps", accumulation_steps, 1)
    for name, value, default in (("accumulation_steps", accumulation_steps, 1), ("offload_data", offload_data, False)):
        if batchsize is None and value != default:
            raise JnoValueError(
                f"{name}={value} needs batches: add batchsize=..., the number of instances (or, with one instance, of "
                "points) in each."
            )


def check_window(min_consecutive: Any) -> None:
    """Check the number of consecutive time steps."""
    _check_integer("min_consecutive", min_consecutive, 1, none="None (all time steps)")


def check_flags(**flags: Any) -> None:
    """Check that switches are True or False."""
    for name, value in flags.items():
        if not isinstance(value, bool):
            raise JnoTypeError(f"solve({name}=...) takes True or False, got {value!r}.")


def _check_integer(name: str, value: Any, least: int, none: str | None = None) -> None:
    if value is None and none is not None:
        return
    if isinstance(value, bool) or not isinstance(value, int):
        also = f" or {none}" if none else ""
        raise JnoTypeError(f"solve({name}=...) takes an integer{also}, as in solve({name}={least + 1}); got {value!r}.")
    if value < least:
        raise JnoValueError(f"solve({name}={value}): the least possible value is {least}.")


def check_mesh(mesh: Any) -> None:
    """Check the shape of a device mesh."""
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
    _check_integer("epochs", epochs, 0)
    _check_integer("inner_steps", inner_steps, 1)
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


def trace_directory(run: Path | None) -> Path:
    """Where a profile goes. Raises `JnoValueError` without a run folder."""
    if run is None:
        raise JnoValueError(
            "solve(profile=True) writes its trace to the run folder, and there is none: call jno.setup(__file__) first."
        )
    return run / "traces"


def no_loss(trackers: bool) -> JnoError:
    """The error of a problem without constraints."""
    what = "only trackers, which are not trained on" if trackers else "no constraints"
    return JnoValueError(f"There is nothing to minimise: core got {what}. Pass a loss such as pde.mse.")


def wrong_domain(domain: Any) -> JnoError:
    """The error of an evaluation domain that is none."""
    return JnoTypeError(f"eval(domain=...) takes a domain such as jno.domain.rect(...), got {domain!r}.")
