"""The body of jno: what plugins import.

Users import `jno`; authors of plugins import the contracts from here.
"""

from jno_core._interfaces import (
    CHECKPOINT_INDEX as CHECKPOINT_INDEX,
    AbstractBalancer as AbstractBalancer,
    AbstractBoundaryMap as AbstractBoundaryMap,
    AbstractCheckpointer as AbstractCheckpointer,
    AbstractCombinable as AbstractCombinable,
    AbstractDistance as AbstractDistance,
    AbstractEditable as AbstractEditable,
    AbstractEnclosure as AbstractEnclosure,
    AbstractExplaining as AbstractExplaining,
    AbstractGeometry as AbstractGeometry,
    AbstractMeshFile as AbstractMeshFile,
    AbstractPeriodic as AbstractPeriodic,
    AbstractRemeshable as AbstractRemeshable,
    AbstractResampler as AbstractResampler,
    AbstractRunView as AbstractRunView,
    AbstractSchedule as AbstractSchedule,
    AbstractScheme as AbstractScheme,
    Callback as Callback,
    Checkpoint as Checkpoint,
    DerivativeRequest as DerivativeRequest,
    DifferentiationModes as DifferentiationModes,
    Field as Field,
    FitResult as FitResult,
    Mesh as Mesh,
    MeshLocation as MeshLocation,
    Metrics as Metrics,
    PointDraw as PointDraw,
    RegionKind as RegionKind,
    RequestKind as RequestKind,
    ResampleView as ResampleView,
    RunInfo as RunInfo,
    SchemeExplanation as SchemeExplanation,
    SetOperation as SetOperation,
    Support as Support,
    TrainState as TrainState,
    UpdateView as UpdateView,
)
from jno_core.hooks import hookimpl as hookimpl
