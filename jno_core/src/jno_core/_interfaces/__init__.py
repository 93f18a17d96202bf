"""Contracts that plugins fulfil. The public names are re-exported by `jno_core`."""

from jno_core._interfaces.capabilities import (
    AbstractBoundaryMap as AbstractBoundaryMap,
    AbstractCombinable as AbstractCombinable,
    AbstractContinuous as AbstractContinuous,
    AbstractDistance as AbstractDistance,
    AbstractEditable as AbstractEditable,
    AbstractEnclosure as AbstractEnclosure,
    AbstractMeshFile as AbstractMeshFile,
    AbstractPeriodic as AbstractPeriodic,
    AbstractRemeshable as AbstractRemeshable,
    AbstractRenewable as AbstractRenewable,
    SetOperation as SetOperation,
)
from jno_core._interfaces.checkpoint import (
    CHECKPOINT_INDEX as CHECKPOINT_INDEX,
    AbstractCheckpointer as AbstractCheckpointer,
    Checkpoint as Checkpoint,
)
from jno_core._interfaces.domain_data import (
    DomainData as DomainData,
    Layout as Layout,
    PointData as PointData,
    TensorData as TensorData,
)
from jno_core._interfaces.geometry import (
    AbstractGeometry as AbstractGeometry,
    PointDraw as PointDraw,
    RegionKind as RegionKind,
)
from jno_core._interfaces.mesh import Mesh as Mesh, MeshLocation as MeshLocation
from jno_core._interfaces.plain_callback import Callback as Callback
from jno_core._interfaces.resampler import AbstractResampler as AbstractResampler, ResampleView as ResampleView
from jno_core._interfaces.run import (
    AbstractRunView as AbstractRunView,
    FitResult as FitResult,
    Metrics as Metrics,
    RunInfo as RunInfo,
)
from jno_core._interfaces.scheme import (
    AbstractExplaining as AbstractExplaining,
    AbstractScheme as AbstractScheme,
    AbstractSumming as AbstractSumming,
    DerivativeRequest as DerivativeRequest,
    DifferentiationModes as DifferentiationModes,
    Field as Field,
    RequestKind as RequestKind,
    SchemeExplanation as SchemeExplanation,
    Support as Support,
)
from jno_core._interfaces.state import TrainState as TrainState
from jno_core._interfaces.stateful import (
    AbstractBalancer as AbstractBalancer,
    AbstractSchedule as AbstractSchedule,
    UpdateView as UpdateView,
)
