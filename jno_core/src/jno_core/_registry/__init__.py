"""Finding plugins by metadata alone, and loading one when its name is used."""

from jno_core._registry.describe import PluginDescription as PluginDescription, describe as describe
from jno_core._registry.kinds import KINDS as KINDS, Kind as Kind
from jno_core._registry.record import PluginRecord as PluginRecord, PluginStatus as PluginStatus
from jno_core._registry.registry import Registry as Registry, registry as registry
