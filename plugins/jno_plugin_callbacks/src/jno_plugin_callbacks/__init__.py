"""Callbacks: they watch a run, report on it, or ask it to stop."""

from jno_plugin_callbacks._aim import Aim as Aim
from jno_plugin_callbacks._checkpoint import CheckpointCallback as CheckpointCallback
from jno_plugin_callbacks._csv_logger import CsvLogger as CsvLogger
from jno_plugin_callbacks._early_stopping import EarlyStopping as EarlyStopping
from jno_plugin_callbacks._gradients import (
    CosineSimilarity as CosineSimilarity,
    GradientAlignment as GradientAlignment,
    GradientNorms as GradientNorms,
)
from jno_plugin_callbacks._hessian_spectrum import HessianSpectrum as HessianSpectrum
from jno_plugin_callbacks._loss_landscape import LossLandscape as LossLandscape
from jno_plugin_callbacks._mlflow import MlFlow as MlFlow
from jno_plugin_callbacks._nan_guard import NanGuard as NanGuard
from jno_plugin_callbacks._ntk_spectrum import NtkSpectrum as NtkSpectrum
from jno_plugin_callbacks._plot_live import PlotLive as PlotLive
from jno_plugin_callbacks._progress import Progress as Progress
from jno_plugin_callbacks._residual_statistics import ResidualStatistics as ResidualStatistics
from jno_plugin_callbacks._tensorboard import TensorBoard as TensorBoard
from jno_plugin_callbacks._wandb import Wandb as Wandb
