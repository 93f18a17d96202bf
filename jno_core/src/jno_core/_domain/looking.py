"""What there is to see of a domain: pictures, descriptions, files, the quality of its mesh."""

import abc
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from jno_core._domain import description, exporting
from jno_core._domain.picture import Picture
from jno_core._domain.plotting import drawn_figure
from jno_core._domain.plotting_interactive import interactive_figure
from jno_core._domain.point_sets import PointSets
from jno_core._domain.quality import MeshQuality
from jno_core._interfaces import Mesh
from jno_core.errors import JnoTypeError, JnoValueError


class AbstractLooking(abc.ABC):
    """Looking at a domain changes nothing: neither its points nor the random streams of those to come."""

    _sets: PointSets

    @abc.abstractmethod
    def attached(self) -> Mapping[str, Any]:
        """The attached arrays by name."""

    def plot(
        self,
        save_path: str | Path | None = None,
        *,
        figsize: tuple[float, float] = (6, 5),
        show_normals: bool = False,
        arrow_scale: float = 1.0,
        color_by: Any = None,
        interactive: bool = False,
    ) -> Any:
        """A picture of regions, boundary tags, interfaces (dashed), mesh and drawn points: a matplotlib `Figure`.

        - `save_path`: where to write it, `.png`, `.svg`, `.pdf` or `.jpg`; with `interactive=True` `.html`.
        - `figsize`: in inches.
        - `show_normals`: arrows at the drawn points that have normals, or if there are none, on all facets; `arrow_scale`
          lengthens them.
        - `color_by`: `"quality"` for the radius ratios of the cells, or values at the nodes `(n,)`.
        - `interactive`: a plotly `Figure`, to turn and zoom.
        """
        drawn = {name: data for name, (_, data) in self._sets.drawn.items()}
        picture = Picture.of(
            self._sets.regions,
            drawn,
            show_normals=show_normals,
            arrow_scale=arrow_scale,
            color_by=color_by,
        )
        return _figure(picture, save_path, figsize, interactive, False)

    def plot_mesh(
        self,
        save_path: str | Path | None = None,
        *,
        figsize: tuple[float, float] = (6, 5),
        color_by: Any = None,
        interactive: bool = False,
    ) -> Any:
        """A picture of the mesh alone, with its tags; see `plot`. Raises `JnoValueError` without a mesh."""
        self._meshed("plot_mesh()")
        picture = Picture.of(self._sets.regions, {}, color_by=color_by)
        return _figure(picture, save_path, figsize, interactive, True)

    def quality(self) -> MeshQuality:
        """How well the cells of the mesh are shaped. Raises `JnoValueError` without a mesh."""
        return MeshQuality.of(self._meshed("quality()"))

    def summary(self) -> str:
        """Print and return what the domain consists of: tags and their sizes, times, instances, points, arrays."""
        text = description.as_text(self._title(), self._sets, self.attached())
        sys.stdout.write(text + "\n")
        return text

    def export(self, path: str | Path, fields: Mapping[str, Any] | None = None) -> Path:
        """Write the domain to a file, whole or not at all, and return its path. Missing folders are made.

        - `.vtu`, `.vtk`, `.msh`, `.npz`: the mesh with its tags, which `jno.domain(path)` reads back; `.stl`: its triangles.
          `fields` are arrays at the nodes by name, `(n,)` or `(n, k)`.
        - `.png`, `.svg`, `.pdf`, `.jpg`, `.html`: a picture; `fields` is one `(n,)` array that colours the mesh.

        Raises `JnoValueError` for another suffix, for fields of another shape, and for mesh files without a mesh.
        """
        target = exporting.checked_path(path, (*exporting.MESHES, *exporting.PAGES, *exporting.PICTURES))
        mesh = self._sets.regions.mesh
        checked = exporting.checked_fields(mesh, fields)
        if target.suffix.lower() in exporting.MESHES:
            exporting.save_mesh(mesh, checked, target)
            return target
        if len(checked) > 1 or any(array.ndim > 1 for array in checked.values()):
            raise JnoValueError(f"A picture shows one field of shape (n,), got {list(checked)}; .vtu files hold many.")
        name, values = next(iter(checked.items()), ("", None))
        drawn = {} if checked else {name: data for name, (_, data) in self._sets.drawn.items()}
        picture = Picture.of(self._sets.regions, drawn, color_by=values, values_name=name)
        _figure(picture, target, (6, 5), target.suffix.lower() in exporting.PAGES, False)
        return target

    def _repr_html_(self) -> str:
        return description.as_html(self._title(), self._sets, self.attached())

    def _title(self) -> str:
        regions = self._sets.regions
        what = "points" if regions.mesh is None else "a mesh"
        what = what if regions.geometry is None else type(regions.geometry).__name__
        return f"Domain of {what} in {regions.dimension}-D"

    def _meshed(self, what: str) -> Mesh:
        mesh = self._sets.regions.mesh
        if mesh is None:
            raise JnoValueError(f"{what} needs a mesh, and the domain has none: domain.build_mesh(mesh_size).")
        return mesh


def _figure(picture: Picture, save_path: Any, figsize: tuple[float, float], interactive: bool, mesh_alone: bool) -> Any:
    if len(figsize) != 2 or not all(side > 0 for side in figsize):
        raise JnoTypeError(f"figsize must be (width, height) in inches, got {figsize!r}.")
    suffixes = exporting.PAGES if interactive else exporting.PICTURES
    target = None if save_path is None else exporting.checked_path(save_path, suffixes)
    figure = interactive_figure(picture, figsize) if interactive else drawn_figure(picture, figsize, mesh_alone)
    if target is not None:
        (exporting.save_page if interactive else exporting.save_figure)(figure, target)
    return figure
