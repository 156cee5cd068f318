"""The check that applies content rules."""

import asyncio
import time
from collections.abc import Callable, Sequence

from mailyard.filter.mail import Envelope, Mail, Need
from mailyard.filter.rules.rule import Rule
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.filter.verdict import Finding
from mailyard.runtime.errors import Unavailable

# More of a message, or more work on it, is done in a thread: what it costs is up to its sender.
_SMALL_OCTETS = 16 * 1024
_SMALL_WORK = 128 * 1024  # octets times patterns
_LONGEST_STRETCH_SECONDS = 0.02


class ContentCheck:
    """Applies the rules that are in force when a message is looked at (a `Check`)."""

    name = "rules"

    def __init__(self, rules: Callable[[], RuleSet]) -> None:
        self._rules = rules

    def needs(self, envelope: Envelope) -> Need:
        """What the rules ask for; nothing of a message that they are not about."""
        return self._rules().needs(envelope)

    async def inspect(self, batch: Sequence[Mail]) -> Sequence[Sequence[Finding]]:
        """Findings of the rules that match.

        Raises:
            Unavailable: the rules have changed since they were asked what they need.

        """
        rules = self._rules()
        if not all(map(rules.is_answerable, batch)):
            raise Unavailable("the rules changed while messages were read; they are read again")
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
    """The rules that match; the defects of the message are looked for here too, off the loop if it is long."""
    matching = rules.match(mail)
    _ = mail.noted_defects
    return matching
