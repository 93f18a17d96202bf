"""Every error that jno raises on purpose.

All derive from `JnoError`, and each also from the built-in that a careful caller expects, so `except ValueError` and
`except JnoError` both work. A message says what was got, what was expected, and what to do.
"""


class JnoError(Exception):
    """The root of every error that jno raises on purpose."""


class JnoValueError(JnoError, ValueError):
    """A value of the right type that cannot be used."""


class JnoTypeError(JnoError, TypeError):
    """An object of a type that cannot be used here."""


class JnoIndexError(JnoError, IndexError):
    """An index outside of what is indexed."""


class JnoKeyError(JnoError, KeyError):
    """A name that is not in the collection it was looked up in."""

    def __str__(self) -> str:
        # KeyError prints the repr of its argument, which would show a message in quotes with escaped line ends.
        return str(self.args[0]) if self.args else ""


class JnoOSError(JnoError, OSError):
    """A file that cannot be written; the message says what was needed and what is free."""


class JnoFileNotFoundError(JnoError, FileNotFoundError):
    """A file or folder that does not exist."""


class JnoImportError(JnoError, ImportError):
    """An optional package that is not installed; the message says how to install it."""


class JnoNotImplementedError(JnoError, NotImplementedError):
    """A documented argument whose implementation comes with a later release, which the message names."""


class NonFiniteLossError(JnoError, FloatingPointError):
    """A loss term or gradient became NaN or infinite, and a callback was told to raise then."""


class JnoWarning(UserWarning):
    """The root of every warning that jno gives."""


class NonFiniteLossWarning(JnoWarning):
    """A loss term or gradient became NaN or infinite; training stopped at the last finite state."""


class PluginError(JnoError):
    """The root of the errors about plugins."""


class PluginNotFoundError(PluginError, LookupError):
    """No installed plugin provides the name."""


class PluginConflictError(PluginError):
    """Two installed packages provide the same name."""


class PluginIncompatibleError(PluginError):
    """The name is provided for another level of the plugin API only."""


class PluginLoadError(PluginError, ImportError):
    """The plugin was found, and importing it failed."""


class PluginTypeError(PluginError, TypeError):
    """The entry point holds something that does not fulfil its kind's contract."""


class PluginCapabilityError(PluginError, ValueError):
    """The plugin does not support what was asked of it (a variant, an operator, a dimension)."""
