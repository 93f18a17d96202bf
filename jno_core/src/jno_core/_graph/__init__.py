"""The expression graph."""

# First, because it imports the node modules at its end.
from jno_core._graph.placeholder import Placeholder as Placeholder  # isort: skip

from jno_core._graph.balanced import Balance as Balance, BalancedWeight as BalancedWeight, balance as balance
from jno_core._graph.derivative import (
    AbstractDerivative as AbstractDerivative,
    Hessian as Hessian,
    Jacobian as Jacobian,
    differentiate as differentiate,
)
from jno_core._graph.function import (
    OPERATORS as OPERATORS,
    BinaryOp as BinaryOp,
    FunctionCall as FunctionCall,
    Index as Index,
    Literal as Literal,
    as_node as as_node,
    call as call,
)
from jno_core._graph.integral import KernelIntegral as KernelIntegral, TimeIntegral as TimeIntegral
from jno_core._graph.model import (
    MaskedModel as MaskedModel,
    Model as Model,
    ModelCall as ModelCall,
    parameter as parameter,
)
from jno_core._graph.noise import Noise as Noise
from jno_core._graph.parameter_gradient import NetworkGradient as NetworkGradient
from jno_core._graph.tracker import Tracker as Tracker
from jno_core._graph.variable import Collocation as Collocation, TensorTag as TensorTag, Variable as Variable
