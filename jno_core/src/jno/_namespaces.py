"""The namespaces of the face that plugins fill."""

from jno._views import PluginNamespace
from jno_core._domain import DomainFactory

domain = DomainFactory()
callbacks = PluginNamespace("callback", "jno.callbacks")
sampler = PluginNamespace("resampler", "jno.sampler")
lora = PluginNamespace("adapter", "jno.lora")
optimizers = PluginNamespace("optimizer", "jno.optimizers")
