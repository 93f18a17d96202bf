"""The planner differentiates all points at once, which is right for pointwise targets and silently wrong for others."""

from jno_core import Field
from jno_core.errors import PluginCapabilityError
from jno_core.pointwise import obstacle
from jno_plugin_ad._planner import Columns


def check_pointwise(field: Field, columns: Columns) -> None:
    """Return if row i of `field.at` depends on row i of the columns and of the aligned arrays only.

    Raises `PluginCapabilityError` otherwise, naming the field, the primitive and the line where points are mixed.
    """
    found = obstacle(field.at, columns, field.aligned)
    if found is not None:
        at = f" ({found.line})" if found.line else ""
        raise PluginCapabilityError(
            "The planner of 'automatic_differentiation' differentiates at all points at once, so row i of the target must "
            f"depend on point i only. {field.name or 'The target'} {found.what}{at}. {found.remedy} Or take one point "
            "at a time by an explicit mode, scheme='automatic_differentiation:forward' or 'automatic_differentiation:reverse'."
        )
