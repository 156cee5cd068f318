"""Versions of settings and metrics: since when a name exists, and which name it had before.

An old name works beside the new one in the minor version that renames it. The next minor version refuses it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class VersionAdded:
    """The version that first had a setting; part of the setting's type: `Annotated[int, VersionAdded("0.4.0")]`."""

    version: str


@dataclass(frozen=True, slots=True)
class Renamed:
    """The name that a setting or a metric had before `version`.

    Of a setting, `old` is the whole environment variable and part of the type:
    `Annotated[int, Renamed("MAILYARD_SMTP_IN_SIZE", "0.4.0")]`.
    """

    old: str
    version: str

    def is_over(self, current: str) -> bool:
        """Whether `current` is a later minor version than the one that has renamed: the declaration must go then."""
        return _minor(current) > _minor(self.version)


def _minor(version: str) -> tuple[int, int]:
    major, minor, *_ = version.split(".")
    return int(major), int(minor)
