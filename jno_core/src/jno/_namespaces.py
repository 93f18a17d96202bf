"""The namespaces of the face: those that plugins fill, and the short name of `jno.numpy`."""

from jno import numpy
from jno._views import PluginNamespace
from jno_core import Callback
from jno_core._domain import DomainFactory

np = numpy
domain = DomainFactory()
callbacks = PluginNamespace("callback", "jno.callbacks", Callback=Callback)
sampler = PluginNamespace("resampler", "jno.sampler")
lora = PluginNamespace("adapter", "jno.lora")
optimizers = PluginNamespace("optimizer", "jno.optimizers")
