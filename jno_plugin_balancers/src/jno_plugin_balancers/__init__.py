"""Loss balancers, rules that weigh the losses of a problem against each other while it trains, and learning-rate schedules."""

from jno_plugin_balancers._constant import Constant as Constant
from jno_plugin_balancers._cosine import Cosine as Cosine, WarmupCosine as WarmupCosine
from jno_plugin_balancers._dlrs import DynamicSchedule as DynamicSchedule, DynamicScheduleState as DynamicScheduleState
from jno_plugin_balancers._exponential import Exponential as Exponential
from jno_plugin_balancers._piecewise_constant import PiecewiseConstant as PiecewiseConstant
from jno_plugin_balancers._relobralo import ReLoBRaLo as ReLoBRaLo, ReLoBRaLoState as ReLoBRaLoState
