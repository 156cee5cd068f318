"""Files of rules, TOML or JSON: read, checked as a whole, and every problem told with its rule and field.

The format is described in docs/filter-rules.md.
"""

import json
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mailyard.filter.rules.patterns import Comparison, Pattern, PatternError, check_pattern
from mailyard.filter.rules.rule import Condition, LookAt, Rule
from mailyard.filter.verdict import DEFAULT_STATUS, DEFAULT_TEXT
from mailyard.proto.v1.ticket_pb2 import Action

_MAX_RULES = 1000
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_FIELD_NAME = re.compile(r"[!-9;-~]{1,76}")
_OWN_FIELD_NAME = re.compile(r"X-[A-Za-z0-9-]{1,74}")
_STATUS = re.compile(r"5\.[0-9]{1,3}\.[0-9]{1,3}")
_LINE = re.compile(r"[ -~]{1,400}")

Table = Mapping[str, Any]
Expected = TypeVar("Expected", str, bool, int)
Choice = TypeVar("Choice", bound=StrEnum)


class _ReplyForm(NamedTuple):
    """What a part of a refusal must look like, and what it is when it is left out."""

    pattern: re.Pattern[str]
    meaning: str
    default: str


class Verb(StrEnum):
    """Values of `action`."""

    TAG = "tag"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    DISCARD = "discard"


class Match(StrEnum):
    """Values of `match`."""

    ALL = "all"
    ANY = "any"


_ACTIONS = {
    Verb.TAG: Action.ACTION_TAG,
    Verb.QUARANTINE: Action.ACTION_QUARANTINE,
    Verb.REJECT: Action.ACTION_REJECT,
    Verb.DISCARD: Action.ACTION_DISCARD,
}
_STATUS_FORM = _ReplyForm(_STATUS, "an enhanced status code such as 5.7.1", DEFAULT_STATUS)
_TEXT_FORM = _ReplyForm(_LINE, "one line of printable ASCII, 400 at most", DEFAULT_TEXT)
_RULE_KEYS = ("name", "when", "match", "action", "stop", "status", "text", "spam", "add_fields")
_CONDITION_KEYS = ("look_at", "name", *Comparison, "ignore_case", "not", "over", "under")
_LOOSE = (LookAt.BODY,)


class RuleFileError(ValueError):
    """The file cannot be used; `problems` has one line for each thing to mend."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(f"{path}: " + "; ".join(problems))
        self.problems = tuple(problems)


class _Problem(ValueError):
    """One thing to mend; places are put before it on its way up."""


def read_rules(path: Path) -> list[Rule]:
    """Read a file of rules. Raises RuleFileError."""
    try:
        text = path.read_text(encoding="utf-8")
        content = json.loads(text) if path.suffix == ".json" else tomllib.loads(text)
    except OSError as error:
        raise RuleFileError(path, [f"cannot be read: {error.strerror}"]) from None
    except (UnicodeDecodeError, ValueError) as error:
        kind = "JSON" if path.suffix == ".json" else "TOML"
        raise RuleFileError(path, [f"is not {kind}: {error}"]) from None
    rules, problems = _rules(content)
    if problems:
        raise RuleFileError(path, problems)
    return rules


def _rules(content: object) -> tuple[list[Rule], list[str]]:
    tables = content.get("rule", []) if isinstance(content, dict) else None
    if not isinstance(content, dict) or set(content) - {"rule"} or not isinstance(tables, list):
        return [], ['a file of rules holds tables [[rule]] (JSON: {"rule": [...]}) and nothing else']
    if len(tables) > _MAX_RULES:
        return [], [f"{len(tables)} rules; the most is {_MAX_RULES}"]
    rules: list[Rule] = []
    problems: list[str] = []
    for number, table in enumerate(tables, 1):
        try:
            rules.append(_rule(table))
            if any(rule.name == rules[-1].name for rule in rules[:-1]):
                raise _Problem("name: another rule has it")
        except _Problem as problem:
            named = (
                f' "{table["name"]}"'
                if isinstance(table, dict) and isinstance(table.get("name"), str)
                else ""
            )
            problems.append(f"rule {number}{named}: {problem}")
    return rules, problems


def _rule(table: object) -> Rule:
    table = _table(table, _RULE_KEYS)
    name = _fitting(table, "name", _NAME, "letters, digits, dots, dashes and underlines, 64 at most")
    if name is None:
        raise _Problem("name: it is missing")
    verb = _choice(table, "action", Verb, None)
    whens = table.get("when")
    if not isinstance(whens, list) or not whens:
        raise _Problem("when: a list of conditions is needed, one at least")
    return Rule(
        name=name,
        conditions=tuple(_numbered_condition(number, when) for number, when in enumerate(whens, 1)),
        action=_ACTIONS[verb],
        every=_choice(table, "match", Match, Match.ALL) is Match.ALL,
        stop=_typed(table, "stop", bool, default=False),
        status=_for_reject(table, "status", verb, _STATUS_FORM),
        text=_for_reject(table, "text", verb, _TEXT_FORM),
        fields=_fields(table, name, verb),
    )


def _numbered_condition(number: int, table: object) -> Condition:
    with _within(f"condition {number}"):
        return _condition(_table(table, _CONDITION_KEYS))


def _condition(table: Table) -> Condition:
    look_at = _choice(table, "look_at", LookAt, None)
    negate = _typed(table, "not", bool, default=False)
    if look_at is LookAt.SIZE:
        _only(table, ("look_at", "not", "over", "under"), "a size is compared with over and under, in octets")
        bounds = {key: _typed(table, key, int, default=0) for key in ("over", "under") if key in table}
        if not bounds:
            raise _Problem("over or under: one is needed, in octets")
        if min(bounds.values()) < 0:
            raise _Problem("over and under count octets: they are not below 0")
        return Condition(look_at, over=bounds.get("over"), under=bounds.get("under"), negate=negate)
    if "over" in table or "under" in table:
        raise _Problem('over and under are for look_at = "size"')
    return Condition(
        look_at, header=_header(table, look_at), patterns=_patterns(table, look_at), negate=negate
    )


def _header(table: Table, look_at: LookAt) -> bytes:
    if look_at is not LookAt.HEADER:
        if "name" in table:
            raise _Problem('name is for look_at = "header"')
        return b""
    name = _fitting(table, "name", _FIELD_NAME, "the name of a header field, without colon")
    if name is None:
        raise _Problem("name: the name of the header field is missing")
    return name.lower().encode("ascii")


def _patterns(table: Table, look_at: LookAt) -> tuple[Pattern, ...]:
    given = [comparison for comparison in Comparison if comparison in table]
    if len(given) != 1:
        raise _Problem(f"one of {', '.join(Comparison)} is needed, and not several")
    comparison = given[0]
    ignore_case = _typed(table, "ignore_case", bool, default=True)
    value = table[comparison]
    texts = value if isinstance(value, list) else [value]
    with _within(comparison):
        if not texts or not all(isinstance(text, str) for text in texts):
            raise _Problem("a text or a list of texts is needed")
        patterns = tuple(Pattern(comparison, text, ignore_case, look_at in _LOOSE) for text in texts)
        for pattern in patterns:
            try:
                check_pattern(pattern)
            except PatternError as error:
                raise _Problem(f"{pattern.text!r}: {error}") from None
    return patterns


def _fields(table: Table, name: str, verb: Verb) -> tuple[bytes, ...]:
    """The header fields that a matching rule adds to a message that goes on."""
    spam = _typed(table, "spam", bool, default=verb is Verb.QUARANTINE)
    added = table.get("add_fields", {})
    if verb in (Verb.REJECT, Verb.DISCARD):
        if spam or added:
            raise _Problem("spam and add_fields are for tag and quarantine: the message does not go on")
        return ()
    fields = [f"X-Mailyard-Rule: {name}", *(["X-Spam-Flag: YES"] if spam else [])]
    with _within("add_fields"):
        if not isinstance(added, dict):
            raise _Problem('a table is needed: { "X-Name" = "value" }')
        for key, value in added.items():
            if not _OWN_FIELD_NAME.fullmatch(key):
                raise _Problem(f"{key}: the name must begin with X-, then letters, digits and dashes")
            if not isinstance(value, str) or not _LINE.fullmatch(value):
                raise _Problem(f"{key}: the value must be one line of printable ASCII, 400 at most")
            fields.append(f"{key}: {value}")
    return tuple(f"{field}\r\n".encode("ascii") for field in fields)


def _for_reject(table: Table, key: str, verb: Verb, form: _ReplyForm) -> str:
    value = _fitting(table, key, form.pattern, form.meaning)
    if verb is Verb.REJECT:
        return value or form.default
    if value is not None:
        raise _Problem(f'{key} is for action = "reject"')
    return ""


def _table(value: object, keys: Sequence[str]) -> Table:
    if not isinstance(value, dict):
        raise _Problem("a table is needed")
    _only(value, keys, f"the fields are {', '.join(keys)}")
    return value


def _only(table: Table, keys: Sequence[str], advice: str) -> None:
    unknown = [key for key in table if key not in keys]
    if unknown:
        raise _Problem(f"{unknown[0]}: no such field here; {advice}")


def _choice(table: Table, key: str, choices: type[Choice], default: Choice | None) -> Choice:
    value = table.get(key, default)
    if value not in tuple(choices):
        raise _Problem(
            f"{key}: one of {', '.join(choices)} is needed" + ("" if value is None else f", not {value!r}")
        )
    return choices(value)


def _typed(table: Table, key: str, kind: type[Expected], *, default: Expected) -> Expected:
    value = table.get(key, default)
    if type(value) is not kind:
        raise _Problem(f"{key}: {_KINDS[kind]} is needed, not {value!r}")
    return value


_KINDS: Mapping[type, str] = {str: "a text", bool: "true or false", int: "a whole number"}


def _fitting(table: Table, key: str, form: re.Pattern[str], meaning: str) -> str | None:
    if key not in table:
        return None
    value = _typed(table, key, str, default="")
    if not form.fullmatch(value):
        raise _Problem(f"{key}: {meaning}, not {value!r}")
    return value


@contextmanager
def _within(place: str) -> Iterator[None]:
    """Put a place before the problems that come from inside."""
    try:
        yield
    except _Problem as problem:
        raise _Problem(f"{place}: {problem}") from None
