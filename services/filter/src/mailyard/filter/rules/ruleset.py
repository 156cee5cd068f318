"""Compiled rules: all patterns about the same subject are one set, and a message is matched lazily."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import NamedTuple

from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.rules.patterns import Matches, Pattern, PatternSet
from mailyard.filter.rules.rule import INCOMPLETE, Condition, LookAt, Rule
from mailyard.message.defects import Defect

Texts = Iterable[str | bytes]


class _Subject(NamedTuple):
    """The subject of a set of patterns."""

    look_at: LookAt
    header: bytes


class _Prepared(NamedTuple):
    """A condition whose patterns are numbers in the set of their subject."""

    condition: Condition
    subject: _Subject
    numbers: frozenset[int]


class _PreparedRule(NamedTuple):
    rule: Rule
    conditions: tuple[_Prepared, ...]  # those that need less come first
    need: Need


_OF_ENVELOPE: Mapping[LookAt, Callable[[MailEnvelope], Texts]] = {
    LookAt.SENDER: lambda envelope: (envelope.sender,),
    LookAt.RECIPIENT: lambda envelope: envelope.recipients,
    LookAt.RECIPIENT_DOMAIN: lambda envelope: [each.rpartition("@")[2] for each in envelope.recipients],
    LookAt.TENANT: lambda envelope: (envelope.tenant,),
    LookAt.DIRECTION: lambda envelope: (envelope.direction,),
}
_OF_CONTENT: Mapping[LookAt, Callable[[Mail], Texts]] = {
    LookAt.BODY: lambda mail: mail.texts,
    LookAt.RAW: lambda mail: (mail.start,),
    LookAt.ATTACHMENT_NAME: lambda mail: mail.attachment_names,
    LookAt.ATTACHMENT_TYPE: lambda mail: mail.attachment_types,
    LookAt.DEFECT: lambda mail: [*mail.defects, *([INCOMPLETE] if mail.is_incomplete else [])],
}


class RuleSet:
    """Rules in their order, immutable: a changed file makes a new set."""

    def __init__(self, rules: Sequence[Rule]) -> None:
        """Compile the patterns of all rules. Raises PatternError: they need too much memory together."""
        patterns: dict[_Subject, list[Pattern]] = defaultdict(list)
        self._rules = tuple(_prepare(rule, patterns) for rule in rules)
        self._sets = {
            subject: PatternSet(list_, octets=subject.look_at is LookAt.RAW)
            for subject, list_ in patterns.items()
        }
        self.patterns = sum(map(len, patterns.values()))
        self._most = max((rule.need for rule in self._rules), default=Need.ENVELOPE)

    def __len__(self) -> int:
        return len(self._rules)

    def needs(self, envelope: MailEnvelope) -> Need:
        """Return how much of the message must be read to decide which rules match."""
        if self._most is Need.ENVELOPE:
            return Need.ENVELOPE
        matching = _Matching(self._sets, envelope, None)
        need = Need.ENVELOPE
        for rule in self._rules:
            if rule.need > need and matching.is_open(rule):
                need = rule.need
        return need

    def is_answerable(self, mail: Mail) -> bool:
        """Return whether enough of the message was read for these rules."""
        return mail.seen >= self._most or mail.seen >= self.needs(mail.envelope)

    def match(self, mail: Mail) -> list[Rule]:
        """Return the rules that match, in their order, up to one that says stop."""
        matching = _Matching(self._sets, mail.envelope, mail)
        found = []
        for prepared in self._rules:
            if matching.holds(prepared):
                found.append(prepared.rule)
                if prepared.rule.stop:
                    break
            elif prepared.rule.supposes and matching.may_hold(prepared):
                found.append(prepared.rule)
        return found


class _Matching:
    """The evaluation of one message; each set of patterns is searched once at most."""

    def __init__(
        self, sets: Mapping[_Subject, PatternSet], envelope: MailEnvelope, mail: Mail | None
    ) -> None:
        self._sets = sets
        self._envelope = envelope
        self._mail = mail
        self._found: dict[_Subject, Matches] = {}

    def holds(self, rule: _PreparedRule) -> bool:
        combine = all if rule.rule.every else any
        return combine(map(self._is_true, rule.conditions))

    def may_hold(self, rule: _PreparedRule) -> bool:
        """Return whether the rule may match in parts that could not be examined: each condition about them counts as true."""
        if rule.need is Need.ENVELOPE or self._mail is None or not self._mail.is_incomplete:
            return False
        combine = all if rule.rule.every else any
        return combine(self._is_supposed(each.condition) or self._is_true(each) for each in rule.conditions)

    def _is_supposed(self, condition: Condition) -> bool:
        return condition.look_at.need is not Need.ENVELOPE and not condition.negate

    def is_open(self, rule: _PreparedRule) -> bool:
        """Return whether the envelope alone does not decide if the rule matches."""
        decided = [
            self._is_true(each) for each in rule.conditions if each.condition.look_at.need is Need.ENVELOPE
        ]
        return all(decided) if rule.rule.every else not any(decided)

    def _is_true(self, prepared: _Prepared) -> bool:
        condition = prepared.condition
        if condition.look_at is LookAt.SIZE:
            return condition.is_size(self._envelope.size) != condition.negate
        found = self._found.get(prepared.subject)
        if found is None:
            texts = self._texts(prepared.subject)
            found = self._found[prepared.subject] = self._sets[prepared.subject].match(texts)
            if not found.complete and self._mail is not None:
                self._mail.noted.add(Defect.CONTENT_CUT)
        return (not found.numbers.isdisjoint(prepared.numbers)) != condition.negate

    def _texts(self, subject: _Subject) -> Texts:
        of_envelope = _OF_ENVELOPE.get(subject.look_at)
        if of_envelope is not None:
            return of_envelope(self._envelope)
        assert self._mail is not None, "content was asked for before it was there"
        if subject.look_at is LookAt.HEADER:
            return self._mail.header_values(subject.header)
        return _OF_CONTENT[subject.look_at](self._mail)


def _prepare(rule: Rule, patterns: dict[_Subject, list[Pattern]]) -> _PreparedRule:
    ordered = sorted(rule.conditions, key=lambda condition: condition.look_at.need)
    prepared = tuple(_prepare_condition(condition, patterns) for condition in ordered)
    return _PreparedRule(rule, prepared, max(condition.look_at.need for condition in rule.conditions))


def _prepare_condition(condition: Condition, patterns: dict[_Subject, list[Pattern]]) -> _Prepared:
    subject = _Subject(condition.look_at, condition.header)
    if condition.look_at is LookAt.SIZE:
        return _Prepared(condition, subject, frozenset())
    known = patterns[subject]
    first = len(known)
    known.extend(condition.patterns)
    return _Prepared(condition, subject, frozenset(range(first, len(known))))
