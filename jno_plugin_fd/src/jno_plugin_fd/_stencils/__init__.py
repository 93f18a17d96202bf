"""Weights of difference formulas on meshes and grids, made once on the host."""

from jno_plugin_fd._stencils.cotangent import cotangent_stencil as cotangent_stencil
from jno_plugin_fd._stencils.gradients import (
    GradientRule as GradientRule,
    gradient_stencil as gradient_stencil,
    gradient_stencil_of as gradient_stencil_of,
)
from jno_plugin_fd._stencils.grids import regular_axes as regular_axes
from jno_plugin_fd._stencils.interpolation import interpolation as interpolation
from jno_plugin_fd._stencils.kernels import (
    Side as Side,
    closure_kernels as closure_kernels,
    difference_kernel as difference_kernel,
    difference_weights as difference_weights,
)
from jno_plugin_fd._stencils.polynomial import polynomial_stencil as polynomial_stencil
from jno_plugin_fd._stencils.stencil import Stencil as Stencil
