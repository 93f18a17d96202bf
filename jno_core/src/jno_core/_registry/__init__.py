"""Finding plugins by metadata alone, and loading one when its name is used."""

from jno_core._registry.describe import PluginDescription as PluginDescription
from jno_core._registry.describe import describe as describe
from jno_core._registry.kinds import KINDS as KINDS
from jno_core._registry.kinds import Kind as Kind
from jno_core._registry.record import PluginRecord as PluginRecord
from jno_core._registry.record import PluginStatus as PluginStatus
from jno_core._registry.registry import Registry as Registry
from jno_core._registry.registry import registry as registry
