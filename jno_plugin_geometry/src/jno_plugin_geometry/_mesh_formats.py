"""Mesh files: NumPy's own by NumPy, all others by meshio.

meshio has no names for parts of a mesh in most formats. `.msh` has physical groups; `.vtu` and `.vtk` get an array of
cell data for every part, `boundary:NAME` or `region:NAME`, that counts its facets or cells from 1 and is 0 elsewhere.
"""

import contextlib
import io
import pathlib
import re
import warnings
import zipfile
from collections.abc import Mapping
from typing import Any
from urllib.parse import quote, unquote

import numpy as np

from jno_core import Mesh
from jno_core.errors import JnoValueError
from jno_plugin_geometry._mesh_content import MeshContent

_READERS = {
    ".msh": "gmsh",
    ".vtu": "vtu",
    ".vtk": "vtk",
    ".stl": "stl",
    ".inp": "abaqus",
    ".mesh": "medit",
    ".su2": "su2",
    ".xdmf": "xdmf",
}
READABLE = (*_READERS, ".npz")
WRITABLE = (".msh", ".vtu", ".vtk", ".stl", ".npz")
_CELLS = ("vertex", "line", "triangle", "tetra")
_IDS = ("gmsh:physical", "medit:ref")
_OWN = {"boundary": "facets", "region": "regions"}


def read(path: pathlib.Path) -> MeshContent:
    """What a file holds. Any exception stands for a file that cannot be read."""
    if path.suffix.lower() == ".npz":
        return _read_npz(path)
    raw = _read_meshio(path)
    kinds = {block.type for block in raw.cells if len(block.data)}
    if not kinds:
        raise JnoValueError("it has no cells")
    unknown = kinds - set(_CELLS)
    if unknown:
        raise JnoValueError(
            f"it has cells of the kinds {sorted(unknown)}; jno reads segments, triangles and tetrahedra of first order. "
            "In gmsh: Mesh.ElementOrder = 1, without recombination"
        )
    dimension = max(_CELLS.index(kind) for kind in kinds)
    if dimension == 0:
        raise JnoValueError("it has points and no cells")
    points = np.asarray(raw.points, np.float64)
    cells, facets = raw.get_cells_type(_CELLS[dimension]), raw.get_cells_type(_CELLS[dimension - 1])
    if path.suffix.lower() == ".stl":
        points, cells = _merged(points, cells)
    regions, sides = _groups(raw, _CELLS[dimension]), _groups(raw, _CELLS[dimension - 1])
    data = {
        unquote(name): values for name, values in raw.point_data.items() if not name.startswith(("gmsh:", "medit:"))
    }
    parts = {name: facets[index].astype(np.int64) for name, index in sides.items()}
    return MeshContent(points, cells.astype(np.int64), parts, regions, data)


def write(path: pathlib.Path, mesh: Mesh, fields: Mapping[str, np.ndarray]) -> None:
    """A file that `read` turns into the same mesh; `.stl` holds the cells of a plane mesh or the boundary alone."""
    suffix = path.suffix.lower()
    if suffix == ".npz":
        _write_npz(path, mesh, fields)
        return
    # Heavy to import, and nothing else needs it.
    import meshio

    points = np.concatenate([mesh.points, np.zeros((len(mesh.points), 3 - mesh.dimension))], axis=1)
    with contextlib.redirect_stderr(io.StringIO()):
        if suffix == ".msh":
            meshio.gmsh.write(str(path), _with_groups(meshio, points, mesh, fields), fmt_version="2.2", binary=True)
        elif suffix == ".stl":
            if mesh.dimension == 1:
                raise JnoValueError("A .stl file holds triangles; export segments as .vtu, .msh or .npz.")
            triangles = mesh.cells if mesh.dimension == 2 else _outward(mesh)
            meshio.stl.write(str(path), meshio.Mesh(points, [("triangle", triangles)]), binary=True)
        elif suffix == ".vtu":
            meshio.vtu.write(str(path), _with_markers(meshio, points, mesh, fields))
        else:
            meshio.vtk.write(str(path), _with_markers(meshio, points, mesh, fields))


def _read_meshio(path: pathlib.Path) -> Any:
    # Heavy to import, and nothing else needs it.
    import meshio

    suffix = path.suffix.lower()
    if suffix == ".msh" and not _begins_with(path, b"$"):
        # Ansys Fluent has files of the same suffix, which meshio writes unless it is told otherwise.
        raise JnoValueError("it is no file of gmsh; with meshio write it by file_format='gmsh', or as .vtu")
    said = io.StringIO()
    with contextlib.redirect_stderr(said), contextlib.redirect_stdout(said), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.filterwarnings("error", message="string or file could not be read")
        raw = getattr(meshio, _READERS[suffix]).read(str(path))
    cells = sum(len(block.data) for block in raw.cells)
    # meshio takes what there is of a section that was cut off.
    if "not closed by" in said.getvalue() or (suffix == ".vtk" and cells < _promised_cells(path)):
        raise JnoValueError("it ends too early")
    return raw


def _begins_with(path: pathlib.Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(64).lstrip().startswith(start)


def _promised_cells(path: pathlib.Path) -> int:
    """How many cells a legacy VTK file says to have; from version 5 on it states one more, and meshio notices itself."""
    with path.open("rb") as file:
        version = re.search(rb"Version (\d+)", file.readline())
        found = re.search(rb"^CELLS (\d+) ", file.read(), re.MULTILINE)
    return 0 if found is None else int(found[1]) - (version is not None and int(version[1]) >= 5)


def _groups(raw: Any, kind: str) -> dict[str, np.ndarray]:
    """The named sets of cells of one kind, by index among them."""
    chosen = [i for i, block in enumerate(raw.cells) if block.type == kind]
    starts = dict(zip(chosen, np.cumsum([0, *(len(raw.cells[i].data) for i in chosen)]), strict=False))
    found = {}
    for name, sets in raw.cell_sets.items():
        if not name.startswith("gmsh:"):
            pieces = [np.asarray(sets[i], dtype=np.int64) + starts[i] for i in chosen if sets[i] is not None]
            found[name] = np.concatenate(pieces) if pieces else np.zeros(0, np.int64)
    dimension = _CELLS.index(kind)
    top = max(_CELLS.index(block.type) for block in raw.cells if len(block.data))
    named = {int(number): name for name, (number, d) in raw.field_data.items() if int(d) == dimension}
    for key, blocks in raw.cell_data.items():
        values = np.concatenate([np.asarray(blocks[i]).reshape(-1) for i in chosen]) if chosen else np.zeros(0)
        own, _, tag = key.partition(":")
        if key in _IDS:
            ids = [int(number) for number in np.unique(values) if number > 0]
            unnamed = "region" if dimension == top else "group"
            tags = {number: named.get(number, f"{unnamed}_{number}") for number in ids}
            found |= {tag: np.flatnonzero(values == number) for number, tag in tags.items() if tag not in found}
        elif own in _OWN:
            inside = np.flatnonzero(values > 0)
            found[unquote(tag)] = inside[np.argsort(values[inside], kind="stable")]
        elif values.dtype.kind in "iu" and values.size and _joined(key, blocks):
            found |= {tag: np.flatnonzero(values == i) for i, tag in enumerate(key.split("-"))}
    return {name: index for name, index in found.items() if len(index)}


def _joined(key: str, blocks: Any) -> bool:
    """Whether meshio made this array of cell data from sets: `left-right` with 0, 1 for these and -1 elsewhere."""
    values = np.unique(np.concatenate([np.asarray(block).reshape(-1) for block in blocks]))
    return "-" in key and np.array_equal(values[values >= 0], np.arange(len(key.split("-")))) and values[0] >= -1


def _with_markers(meshio: Any, points: np.ndarray, mesh: Mesh, fields: Mapping[str, np.ndarray]) -> Any:
    kinds = _CELLS[mesh.dimension], _CELLS[mesh.dimension - 1]
    # The same facet in two tags is one cell unless its nodes come in another order.
    facets, number = np.unique(np.concatenate(list(mesh.facets.values())), axis=0, return_inverse=True)
    numbers = np.split(number.ravel(), np.cumsum([len(rows) for rows in mesh.facets.values()])[:-1])
    cell_data = {}
    for tag, rows in zip(mesh.facets, numbers, strict=True):
        marker = np.zeros(len(facets), np.int64)
        marker[rows] = np.arange(1, len(rows) + 1)
        cell_data[f"boundary:{quote(tag, safe='')}"] = [np.zeros(len(mesh.cells), np.int64), marker]
    for tag, index in mesh.regions.items():
        marker = np.zeros(len(mesh.cells), np.int64)
        marker[index] = np.arange(1, len(index) + 1)
        cell_data[f"region:{quote(tag, safe='')}"] = [marker, np.zeros(len(facets), np.int64)]
    data = {quote(name, safe=""): values for name, values in fields.items()}
    return meshio.Mesh(points, [(kinds[0], mesh.cells), (kinds[1], facets)], point_data=data, cell_data=cell_data)


def _with_groups(meshio: Any, points: np.ndarray, mesh: Mesh, fields: Mapping[str, np.ndarray]) -> Any:
    """Physical groups; a cell or facet in several of them is repeated, as gmsh does in this version of the format."""
    d = mesh.dimension
    wrong = [
        tag for tag in (*mesh.facets, *mesh.regions, *fields) if '"' in tag or "\\" in tag or not tag.isprintable()
    ]
    if wrong:
        raise JnoValueError(f"A .msh file cannot hold the names {wrong}; export as .vtu or .npz.")
    regions = {"interior": np.arange(len(mesh.cells)), **mesh.regions}
    ids = {(d, tag): i for i, tag in enumerate(regions, start=1)}
    ids |= {(d - 1, tag): i for i, tag in enumerate(mesh.facets, start=1)}
    blocks = [(_CELLS[d], mesh.cells[index]) for index in regions.values()]
    blocks += [(_CELLS[d - 1], rows) for rows in mesh.facets.values()]
    groups = [np.full(len(rows), i, np.int32) for (_, rows), i in zip(blocks, ids.values(), strict=True)]
    data: dict[str, np.ndarray] = {}
    for name, values in fields.items():
        k = 1 if values.ndim == 1 else values.shape[1]
        if k in (1, 3, 9):
            data[name] = values
        elif k == 2:
            data[name] = np.concatenate([values, np.zeros((len(values), 1))], axis=1)
        else:
            data |= {f"{name}_{i + 1}": values[:, i] for i in range(k)}
    return meshio.Mesh(
        points,
        blocks,
        point_data=data,
        cell_data={"gmsh:physical": groups, "gmsh:geometrical": groups},
        field_data={tag: np.array([i, dimension]) for (dimension, tag), i in ids.items()},
    )


def _outward(mesh: Mesh) -> np.ndarray:
    """The triangles of the boundary, counter-clockwise seen from outside."""
    facets = mesh.facets["boundary"]
    a, b, c = (mesh.points[facets[:, i]] for i in range(3))
    inward = np.sum(np.cross(b - a, c - a) * mesh.facet_normals("boundary"), axis=1) < 0
    return np.where(inward[:, None], facets[:, [0, 2, 1]], facets)


def _merged(points: np.ndarray, cells: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Nodes at the same place as one, where they first stand: each triangle of a `.stl` file brings its own."""
    _, first, group = np.unique(points, axis=0, return_index=True, return_inverse=True)
    order = np.argsort(first)
    rank = np.empty_like(order)
    rank[order] = np.arange(len(order))
    return points[first[order]], rank[group.ravel()][cells]


def _read_npz(path: pathlib.Path) -> MeshContent:
    if not zipfile.is_zipfile(path):
        raise JnoValueError("it is no archive of arrays, or ends too early")
    with np.load(path, allow_pickle=False) as archive:
        arrays = {name: archive[name] for name in archive.files}
    if not {"points", "cells"} <= set(arrays):
        raise JnoValueError(
            f"it has the arrays {list(arrays)}, and a mesh needs 'points' and 'cells'. For points without a mesh: "
            f"jno.domain.from_array(dict(numpy.load({str(path)!r})))"
        )
    if arrays["points"].dtype.kind not in "iuf" or any(
        array.dtype.kind not in "iu"
        for name, array in arrays.items()
        if name.startswith(("cells", "facets/", "regions/"))
    ):
        raise JnoValueError("its points must be numbers, and its cells, facets and regions whole numbers")

    def below(folder: str) -> dict[str, np.ndarray]:
        return {name.removeprefix(folder): array for name, array in arrays.items() if name.startswith(folder)}

    return MeshContent(arrays["points"], arrays["cells"], below("facets/"), below("regions/"), below("point_data/"))


def _write_npz(path: pathlib.Path, mesh: Mesh, fields: Mapping[str, np.ndarray]) -> None:
    arrays = {"points": mesh.points, "cells": mesh.cells}
    arrays |= {f"facets/{tag}": rows for tag, rows in mesh.facets.items()}
    arrays |= {f"regions/{tag}": index for tag, index in mesh.regions.items()}
    arrays |= {f"point_data/{name}": values for name, values in fields.items()}
    with path.open("wb") as file:
        np.savez_compressed(file, allow_pickle=False, **arrays)
