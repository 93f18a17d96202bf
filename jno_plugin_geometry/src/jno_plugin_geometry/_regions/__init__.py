"""Regions in closed form, one class for each dimension. See docs/design/geometry.md."""
