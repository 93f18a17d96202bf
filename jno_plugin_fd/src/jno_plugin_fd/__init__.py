"""Finite differences for jno: `scheme="finite_difference"` and its variants."""

from jno_plugin_fd._scheme import FiniteDifference as FiniteDifference
