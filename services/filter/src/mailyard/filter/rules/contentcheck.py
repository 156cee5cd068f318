"""The check that applies content rules."""

import asyncio
import time
from collections.abc import Callable, Sequence

from mailyard.filter.check import BatchChanged, Check, Findings, OnFailure
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.rules.rule import Rule
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.filter.rules.rulesource import RuleSource
from mailyard.filter.settings import FilterSettings
from mailyard.runtime.service import Component
from mailyard.spool.finding import Finding

# More of a message, or more work on it, is done in a thread: what it costs is up to its sender.
_SMALL_OCTETS = 16 * 1024
_SMALL_WORK = 128 * 1024  # octets times patterns
_LONGEST_STRETCH_SECONDS = 0.02


class ContentCheck(Check):
    """Applies the rules that are in force when a message is examined."""

    name = "rules"

    def __init__(
        self,
        rules: Callable[[], RuleSet],
        *,
        timeout_seconds: float = 60.0,
        on_failure: OnFailure = OnFailure.DEFER,
        components: Sequence[Component] = (),
    ) -> None:
        """Ask `rules` for the rules in force; `components` keep them up to date."""
        self._rules = rules
        self.timeout_seconds = timeout_seconds
        self.on_failure = on_failure
        self._components = components

    @classmethod
    def from_settings(cls, settings: FilterSettings) -> "ContentCheck":
        """Apply the rules of the file that the settings name; no file: no rules."""
        source = RuleSource(settings.rules, settings.rules_check_seconds)
        return cls(
            lambda: source.current,
            timeout_seconds=settings.rules_timeout_seconds,
            on_failure=settings.rules_on_failure,
            components=(source,),
        )

    def components(self) -> Sequence[Component]:
        """Return the source of rules."""
        return self._components

    def needs(self, envelope: MailEnvelope) -> Need:
        """Return how much of the message the rules need; ENVELOPE for a message that none of them concerns."""
        return self._rules().needs(envelope)

    async def inspect(self, batch: Sequence[Mail]) -> Sequence[Findings]:
        """Return the findings of the rules that match.

        Raises:
            BatchChanged: the rules have changed since `needs` was called.

        """
        rules = self._rules()
        if not all(map(rules.is_answerable, batch)):
            raise BatchChanged("the rules changed while messages were read; they are read again")
        found = []
        pause_at = time.monotonic() + _LONGEST_STRETCH_SECONDS
        for mail in batch:
            octets = len(mail.prefix) + len(mail.start)
            if octets > _SMALL_OCTETS or octets * rules.patterns > _SMALL_WORK:
                matching = await asyncio.to_thread(_match, rules, mail)
            else:
                matching = _match(rules, mail)
            found.append([self._finding(rule) for rule in matching])
            if time.monotonic() > pause_at:
                await asyncio.sleep(0)
                pause_at = time.monotonic() + _LONGEST_STRETCH_SECONDS
        return found

    def _finding(self, rule: Rule) -> Finding:
        return Finding(
            check=self.name,
            rule=rule.name,
            action=rule.action,
            text=rule.text,
            status=rule.status,
            fields=rule.fields,
        )


def _match(rules: RuleSet, mail: Mail) -> list[Rule]:
    """Return the rules that match. The defects of the message are computed here too: for a long message, in a thread."""
    matching = rules.match(mail)
    _ = mail.noted_defects
    return matching
