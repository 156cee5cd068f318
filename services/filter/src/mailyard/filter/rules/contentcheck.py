"""The check that applies content rules."""

from collections.abc import Callable, Sequence

from mailyard.filter.mail import Envelope, Mail, Need
from mailyard.filter.rules.rule import Rule
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.filter.verdict import Finding
from mailyard.runtime.errors import Unavailable


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
        return [[self._finding(rule) for rule in rules.match(mail)] for mail in batch]

    def _finding(self, rule: Rule) -> Finding:
        return Finding(
            check=self.name,
            rule=rule.name,
            action=rule.action,
            text=rule.text,
            status=rule.status,
            fields=rule.fields,
        )
