"""Training and evaluation."""

from jno_core._train.core import Core as Core
from jno_core._train.statistics import RunLog as RunLog, Statistics as Statistics, Track as Track
