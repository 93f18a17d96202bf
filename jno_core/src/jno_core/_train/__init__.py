"""Training and evaluation."""

from jno_core._train.core import Core as Core
from jno_core._train.run_log import RunLog as RunLog, Track as Track
from jno_core._train.statistics import Statistics as Statistics
