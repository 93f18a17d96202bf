"""Callbacks: they watch a run, report on it, or ask it to stop."""

from jno_plugin_callbacks._early_stopping import EarlyStopping as EarlyStopping
from jno_plugin_callbacks._progress import Progress as Progress
