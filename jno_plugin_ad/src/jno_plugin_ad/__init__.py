"""Derivatives by automatic differentiation, exact to round-off."""

from jno_plugin_ad._scheme import AutomaticDifferentiation as AutomaticDifferentiation
