"""Domains as files: meshes with their tags and fields, and pictures."""

import os
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from jno_core._interfaces import AbstractMeshFile, Mesh
from jno_core._registry import registry
from jno_core.errors import JnoTypeError, JnoValueError

MESHES = (".vtu", ".vtk", ".msh", ".stl", ".npz")
PICTURES = (".png", ".svg", ".pdf", ".jpg")
PAGES = (".html",)


def checked_path(path: Any, suffixes: tuple[str, ...]) -> Path:
    """The path, if its suffix is one of these.

    Raises `JnoValueError` listing them otherwise.
    """
    if not isinstance(path, str | os.PathLike):
        raise JnoTypeError(f"The file must be a name or a path, got {path!r}.")
    target = Path(path)
    if target.suffix.lower() not in suffixes:
        raise JnoValueError(f"{str(path)!r} must end in one of {', '.join(suffixes)}.")
    return target


def written(target: Path, write: Callable[[Path], Any]) -> None:
    """Let `write` make the file beside its place, and put it there when it is whole; missing folders are made."""
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.with_name(f".{target.stem}.{os.getpid()}{target.suffix}")
    try:
        write(temporary)
        os.replace(temporary, target)
    finally:
        temporary.unlink(missing_ok=True)


def save_figure(figure: Any, target: Path) -> None:
    """Write a figure of matplotlib."""
    written(target, lambda path: figure.savefig(path, dpi=150))


def save_page(figure: Any, target: Path) -> None:
    """Write a figure of plotly as a page that needs nothing else."""
    written(target, lambda path: figure.write_html(path, include_plotlyjs=True))


def save_mesh(mesh: Mesh | None, fields: Mapping[str, np.ndarray], target: Path) -> None:
    """Write a mesh file by the geometry that is called `file`."""
    if mesh is None:
        raise JnoValueError(
            f"{target.suffix} files hold a mesh, and the domain has none: domain.build_mesh(mesh_size)."
        )
    if target.suffix.lower() == ".stl" and fields:
        raise JnoValueError("A .stl file holds no fields; export as .vtu, .vtk, .msh or .npz.")
    writer = registry.get("geometry", "file")
    if not (isinstance(writer, type) and issubclass(writer, AbstractMeshFile)):
        raise JnoTypeError(f"The geometry 'file' cannot write meshes: {writer!r} is no AbstractMeshFile.")
    written(target, lambda path: writer.write(path, mesh, fields))


def checked_fields(mesh: Mesh | None, fields: Any) -> dict[str, np.ndarray]:
    """Arrays at the nodes by name, `(n,)` or `(n, k)`, in double precision.

    Raises `JnoTypeError` unless it is a mapping of names to real numbers, and `JnoValueError` for arrays of other shapes.
    """
    if fields is None:
        return {}
    if not isinstance(fields, Mapping) or not all(isinstance(name, str) and name for name in fields):
        raise JnoTypeError(f"fields must map names to arrays at the nodes, as in {{'u': values}}; got {fields!r}.")
    found = {}
    n = 0 if mesh is None else len(mesh.points)
    for name, value in fields.items():
        array = np.asarray(value)
        if array.dtype.kind not in "iufb":
            raise JnoTypeError(f"The field {name!r} must be real numbers, got dtype {array.dtype}.")
        if array.ndim not in (1, 2) or len(array) != n or array.size == 0:
            raise JnoValueError(
                f"The field {name!r} must have shape ({n},) or ({n}, k) for {n} nodes, got {array.shape}."
            )
        found[name] = array.astype(np.float64)
    return found
