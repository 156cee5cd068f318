"""The registry of checks: every check that the filter runs has one entry here.

A check that its settings switch off makes none. Its group of settings, a class beside it, is a base of
`FilterSettings`. How to add a check: docs/how-to/add-a-check.md.
"""

from collections.abc import Callable, Sequence

from mailyard.filter.check import Check
from mailyard.filter.rules.contentcheck import ContentCheck
from mailyard.filter.settings import FilterSettings

Factory = Callable[[FilterSettings], Check | None]

CHECKS: Sequence[Factory] = (ContentCheck.from_settings,)
"""In the order of their findings in a verdict, within the order that phases and dependencies demand."""


def make_checks(settings: FilterSettings, factories: Sequence[Factory] = CHECKS) -> list[Check]:
    """Make the checks that are switched on."""
    made = (factory(settings) for factory in factories)
    return [check for check in made if check is not None]
