"""The planner differentiates batches of points at once, which is right for pointwise targets only."""

from jno_core import Field
from jno_core.errors import PluginCapabilityError
from jno_core.pointwise import mixing


def check_pointwise(field: Field, columns) -> None:
    """Raise `PluginCapabilityError`, naming what mixes points, unless row i of the target depends on row i only."""
    reason = mixing(field.at, columns, field.aligned)
    if reason is not None:
        raise PluginCapabilityError(
            f"{field.name} is not pointwise, so it has no derivative in the coordinates of one point: {reason}. Make the network "
            "act on each point by itself, or take a mode that evaluates one point at a time, such as "
            "scheme='automatic_differentiation:forward'."
        )
