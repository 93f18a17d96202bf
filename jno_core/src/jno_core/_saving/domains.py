"""Rules for domains: regions with their mesh and given points, point sets, attached arrays, and the geometry if it is data."""

from typing import Any

from jno_core._domain import Domain
from jno_core._domain.contents import Contents, Frame, taken_apart
from jno_core._domain.regions import Cloud, Regions, TimeGrid
from jno_core._interfaces import AbstractGeometry, Mesh, MeshLocation, PointData, TensorData
from jno_core._saving.errors import NotDataError, NotRebuiltError
from jno_core._saving.fields import by_fields, described_fields
from jno_core._saving.known import is_data_class, plugin_record
from jno_core._saving.modules import describe_by_class, rebuild_data
from jno_core._saving.reader import Reader
from jno_core._saving.rules import Rule
from jno_core._saving.writer import Writer
from jno_core.errors import JnoTypeError

_REGIONS = ("dimension", "kinds", "mesh", "geometry", "clouds")
_CONTENTS = ("drawn", "rules", "tensors", "resamplers", "asked")


def _describe_geometry(writer: Writer, value: AbstractGeometry, where: str) -> dict[str, Any]:
    name = type(value).__name__
    try:
        with writer.attempt():
            if not is_data_class(type(value)):
                raise NotDataError(f"{name} is no frozen dataclass of an installed plugin.")
            return {"data": describe_by_class(writer, value, where), "name": name}
    except NotDataError as e:
        return {"left out": str(e), "name": name}


def _rebuild_geometry(reader: Reader, data: Any) -> AbstractGeometry | None:
    name, reason = data["name"], data.get("left out")
    if reason is None:
        try:
            geometry = rebuild_data(reader, data["data"])
        except NotRebuiltError as e:
            reason = str(e)
        else:
            if not isinstance(geometry, AbstractGeometry):
                raise JnoTypeError(f"{name!r} is stored as a geometry, which it is not.")
            return geometry
    reader.notes.append(
        f"The geometry {name} of the domain is not in the file ({reason}). Points come from the stored mesh and point sets."
    )
    return None


def _describe_domain(writer: Writer, value: Domain, where: str) -> dict[str, Any]:
    place = writer.unique("domain")
    frame, contents = taken_apart(value)
    if frame.regions.geometry is not None:
        record = plugin_record(type(frame.regions.geometry))
        if record is not None:
            writer.plugins[record] = None
        writer.geometries.append(frame.regions.geometry)
    return {
        "frame": described_fields(writer, frame, place, ("regions", "time", "instances")),
        "contents": described_fields(writer, contents, place, _CONTENTS),
    }


def _rebuild_domain(reader: Reader, data: Any) -> Domain:
    return Frame(**{name: reader.rebuild(data["frame"][name]) for name in ("regions", "time", "instances")}).build()


def _complete_domain(reader: Reader, domain: Domain, data: Any) -> None:
    Contents(**{name: reader.rebuild(data["contents"][name]) for name in _CONTENTS}).fill(domain)


DOMAIN_RULES = (
    Rule("domain", lambda v: type(v) is Domain, _describe_domain, _rebuild_domain, True, _complete_domain),
    Rule("geometry", lambda v: isinstance(v, AbstractGeometry), _describe_geometry, _rebuild_geometry, True),
    by_fields("regions", Regions, _REGIONS),
    by_fields("cloud", Cloud, ("points", "normals")),
    by_fields("times", TimeGrid, ("values", "steady")),
    by_fields("mesh", Mesh, ("points", "cells", "facets", "regions"), shared=True),
    by_fields("location", MeshLocation, ("mesh", "nodes"), shared=True),
    by_fields("point data", PointData, ("points", "times", "normals", "location", "weights")),
    by_fields("attached data", TensorData, ("value", "layout", "collocation")),
)
