"""The version of the core, which is that of the language users write."""

__version__ = "0.1.0"
