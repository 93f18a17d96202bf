"""Carrying a value together with its derivatives through a jaxpr, exactly and for all points at once."""

from jno_plugin_ad._propagation.basis import basis_of as basis_of
from jno_plugin_ad._propagation.interpreter import Interpreter as Interpreter, Rule as Rule
from jno_plugin_ad._propagation.listed import ListedAlgebra as ListedAlgebra, ListedJet as ListedJet
from jno_plugin_ad._propagation.loops import LOOPS as LOOPS
from jno_plugin_ad._propagation.primitives import PRIMITIVES as PRIMITIVES
from jno_plugin_ad._propagation.stacked import (
    StackedAlgebra as StackedAlgebra,
    StackedJet as StackedJet,
    laplacian_of as laplacian_of,
    tangents_of as tangents_of,
)
from jno_plugin_ad._propagation.streams import (
    VALUE as VALUE,
    MultiIndex as MultiIndex,
    Stream as Stream,
    combined as combined,
    order_of as order_of,
    partial as partial,
)
