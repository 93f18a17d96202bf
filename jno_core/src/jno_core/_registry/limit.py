"""The environment variable JNO_PLUGINS: which distributions are looked at."""

import dataclasses
import os
from typing import final

from jno_core._registry.metadata import normalized


@final
@dataclasses.dataclass(frozen=True)
class Limit:
    """The distributions that `text` lists, separated by commas; all of them if it is `None`, none if it is empty.

    The prefix `jno-plugin-` may be left out.
    """

    text: str | None

    @classmethod
    def from_environment(cls) -> "Limit":
        """The limit that JNO_PLUGINS sets."""
        return cls(os.environ.get("JNO_PLUGINS"))

    def allows(self, dist: str) -> bool:
        """Whether a distribution, by its normalized name, is looked at."""
        if self.text is None:
            return True
        listed = {normalized(entry.strip()) for entry in self.text.split(",")}
        return dist in listed or dist.removeprefix("jno-plugin-") in listed
