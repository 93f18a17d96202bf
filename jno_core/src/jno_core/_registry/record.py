"""What is known about a plugin before anything of it is imported."""

import dataclasses
from typing import Literal, final

Standing = Literal["ok", "unused", "conflict", "shadowed", "incompatible", "invalid"]


@final
@dataclasses.dataclass(frozen=True, order=True)
class PluginRecord:
    """One entry point of one installed distribution.

    - `kind`: `"scheme"`, `"geometry"`, ...; the group itself if it is not one of jno's.
    - `name`: the family name.
    - `dist`, `version`: the distribution, its name normalized (`jno-plugin-fd`).
    - `value`: the object, as `"module:attribute"`.
    - `api`: the level of the kind's plugin API that it is written for.
    """

    kind: str
    name: str
    dist: str
    version: str
    value: str
    api: int

    @property
    def source(self) -> str:
        """The distribution with its version, as messages show it."""
        return f"{self.dist} {self.version}".rstrip()


@final
@dataclasses.dataclass(frozen=True, order=True)
class PluginStatus:
    """A record, and whether its name would be served by it.

    | `standing` | meaning |
    |---|---|
    | `"ok"` | the name is served by this record |
    | `"unused"` | for another API level, while the same package serves this one: no problem |
    | `"conflict"` | another package provides the name too |
    | `"shadowed"` | the name belongs to another package |
    | `"incompatible"` | for another API level only |
    | `"invalid"` | a name or group that breaks the grammar, or metadata that cannot be read |

    `note` says it in words for a table, `fix` what to do; both are empty for `"ok"`.
    """

    record: PluginRecord
    standing: Standing
    note: str = ""
    fix: str = ""

    @property
    def problem(self) -> bool:
        """Whether somebody should do something about it."""
        return self.standing not in ("ok", "unused")
