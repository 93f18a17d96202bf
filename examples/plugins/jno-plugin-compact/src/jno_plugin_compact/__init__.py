"""Compact differences for jno: `scheme="compact"`."""

from jno_plugin_compact._scheme import Compact as Compact
