"""Read files of rules, TOML or JSON. Every problem of a file is reported, with its rule and field.

The format is described in docs/filter-rules.md.
"""

import json
import re
import tomllib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from mailyard.filter.rules.patterns import Comparison, Pattern, PatternError, check_pattern
from mailyard.filter.rules.rule import INCOMPLETE, Condition, LookAt, Rule
from mailyard.filter.verdict import DEFAULT_STATUS, DEFAULT_TEXT
from mailyard.message.defects import Defect
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
Value = TypeVar("Value")
Default = TypeVar("Default")


class _ReplyForm(NamedTuple):
    """The form of a part of a refusal, and its default."""

    pattern: re.Pattern[str]
    meaning: str
    default: str


class RuleVerb(StrEnum):
    """Values of `action`."""

    TAG = "tag"
    QUARANTINE = "quarantine"
    REJECT = "reject"
    DISCARD = "discard"


class Match(StrEnum):
    """Values of `match`."""

    ALL = "all"
    ANY = "any"


class Incomplete(StrEnum):
    """Values of `incomplete`."""

    IGNORE = "ignore"
    MATCH = "match"


_ACTIONS = {
    RuleVerb.TAG: Action.ACTION_TAG,
    RuleVerb.QUARANTINE: Action.ACTION_QUARANTINE,
    RuleVerb.REJECT: Action.ACTION_REJECT,
    RuleVerb.DISCARD: Action.ACTION_DISCARD,
}
_STATUS_FORM = _ReplyForm(_STATUS, "an enhanced status code such as 5.7.1", DEFAULT_STATUS)
_TEXT_FORM = _ReplyForm(_LINE, "one line of printable ASCII, 400 at most", DEFAULT_TEXT)
_FILE_KEYS = ("rule", "incomplete")
_RULE_KEYS = ("name", "when", "match", "action", "stop", "status", "text", "spam", "add_fields", "incomplete")
_CONDITION_KEYS = ("look_at", "name", *Comparison, "ignore_case", "not", "over", "under")
_LOOSE = (LookAt.BODY,)
_DEFECTS = frozenset((*Defect, INCOMPLETE))


class RuleFileError(ValueError):
    """The file cannot be used; `problems` has one line for each thing to correct."""

    def __init__(self, path: Path, problems: Sequence[str]) -> None:
        super().__init__(f"{path}: " + "; ".join(problems))
        self.problems = tuple(problems)


class _Problem(ValueError):
    """Problems to correct; each caller puts its place in the file before them."""

    def __init__(self, *texts: str) -> None:
        super().__init__("; ".join(texts))
        self.texts = texts


class _Attempts:
    """Reads several things, so that all their problems are reported, not only the first."""

    def __init__(self) -> None:
        self._texts: list[str] = []

    def read(self, reading: Callable[[], Value], default: Default) -> Value | Default:
        """Return the result of `reading`, or `default` if it has a problem."""
        try:
            return reading()
        except _Problem as problem:
            self._texts += problem.texts
            return default

    def finish(self) -> None:
        """Raise all problems together."""
        if self._texts:
            raise _Problem(*self._texts)


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
    if not isinstance(content, dict) or set(content) - set(_FILE_KEYS) or not isinstance(tables, list):
        return [], [
            'a file of rules holds tables [[rule]] (JSON: {"rule": [...]}), and may begin with incomplete'
        ]
    if len(tables) > _MAX_RULES:
        return [], [f"{len(tables)} rules; the most is {_MAX_RULES}"]
    attempts = _Attempts()
    supposes = attempts.read(lambda: _supposes(content, Incomplete.IGNORE), False)
    rules: list[Rule] = []
    names: set[str] = set()
    for number, table in enumerate(tables, 1):
        with_name = table.get("name") if isinstance(table, dict) else None
        named = f' "{with_name}"' if isinstance(with_name, str) else ""
        read = partial(_within(f"rule {number}{named}")(_rule), table, names, supposes)
        rule = attempts.read(read, None)
        if rule is not None:
            rules.append(rule)
        if isinstance(with_name, str):
            names.add(with_name)
    try:
        attempts.finish()
    except _Problem as problem:
        return [], list(problem.texts)
    return rules, []


def _rule(content: object, names: Collection[str], supposes: bool) -> Rule:
    table = _table(content)
    attempts = _Attempts()
    attempts.read(lambda: _known(table, _RULE_KEYS), None)
    name = attempts.read(lambda: _name(table, names), "")
    verb = attempts.read(lambda: _choice(table, "action", RuleVerb, None), None)
    conditions = attempts.read(lambda: _conditions(table), ())
    every = attempts.read(lambda: _choice(table, "match", Match, Match.ALL), Match.ALL) is Match.ALL
    stop = attempts.read(lambda: _typed(table, "stop", bool, default=False), False)
    action, status, text = Action.ACTION_UNSPECIFIED, "", ""
    fields: tuple[bytes, ...] = ()
    if verb is not None:
        action = _ACTIONS[verb]
        status = attempts.read(lambda: _for_reject(table, "status", verb, _STATUS_FORM), "")
        text = attempts.read(lambda: _for_reject(table, "text", verb, _TEXT_FORM), "")
        fields = attempts.read(lambda: _fields(table, name, verb), ())
        default = Incomplete.MATCH if supposes and verb is not RuleVerb.TAG else Incomplete.IGNORE
        supposes = attempts.read(lambda: _supposes(table, default), False)
    attempts.finish()
    return Rule(
        name=name,
        conditions=conditions,
        action=action,
        every=every,
        stop=stop,
        status=status,
        text=text,
        fields=fields,
        supposes=supposes,
    )


def _name(table: Table, names: Collection[str]) -> str:
    name = _fitting(table, "name", _NAME, "letters, digits, dots, dashes and underlines, 64 at most")
    if name is None:
        raise _Problem("name: it is missing")
    if name in names:
        raise _Problem("name: another rule has it")
    return name


def _supposes(table: Table, default: Incomplete) -> bool:
    return _choice(table, "incomplete", Incomplete, default) is Incomplete.MATCH


def _conditions(table: Table) -> tuple[Condition, ...]:
    whens = table.get("when")
    if not isinstance(whens, list) or not whens:
        raise _Problem("when: a list of conditions is needed, one at least")
    attempts = _Attempts()
    found = [
        attempts.read(partial(_within(f"condition {number}")(_condition), when), None)
        for number, when in enumerate(whens, 1)
    ]
    attempts.finish()
    return tuple(condition for condition in found if condition is not None)


def _condition(content: object) -> Condition:
    table = _table(content)
    attempts = _Attempts()
    attempts.read(lambda: _known(table, _CONDITION_KEYS), None)
    negate = attempts.read(lambda: _typed(table, "not", bool, default=False), False)
    look_at = attempts.read(lambda: _choice(table, "look_at", LookAt, None), None)
    condition = None
    if look_at is LookAt.SIZE:
        condition = attempts.read(lambda: _size(table, negate), None)
    elif look_at is not None:
        condition = attempts.read(lambda: _comparison(table, look_at, negate), None)
    attempts.finish()
    assert condition is not None
    return condition


def _size(table: Table, negate: bool) -> Condition:
    other = [
        key for key in table if key in _CONDITION_KEYS and key not in ("look_at", "not", "over", "under")
    ]
    if other:
        raise _Problem(f"{other[0]}: no such field here; a size is compared with over and under, in octets")
    bounds = {key: _typed(table, key, int, default=0) for key in ("over", "under") if key in table}
    if not bounds:
        raise _Problem("over or under: one is needed, in octets")
    if min(bounds.values()) < 0:
        raise _Problem("over and under count octets: they are not below 0")
    return Condition(LookAt.SIZE, over=bounds.get("over"), under=bounds.get("under"), negate=negate)


def _comparison(table: Table, look_at: LookAt, negate: bool) -> Condition:
    attempts = _Attempts()
    if "over" in table or "under" in table:
        attempts.read(lambda: _refuse('over and under are for look_at = "size"'), None)
    header = attempts.read(lambda: _header(table, look_at), b"")
    patterns = attempts.read(lambda: _patterns(table, look_at), ())
    attempts.finish()
    return Condition(look_at, header=header, patterns=patterns, negate=negate)


def _refuse(text: str) -> None:
    raise _Problem(text)


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
        attempts = _Attempts()
        patterns = tuple(Pattern(comparison, text, ignore_case, look_at in _LOOSE) for text in texts)
        for pattern in patterns:
            attempts.read(partial(_check, pattern, look_at), None)
        attempts.finish()
    return patterns


def _check(pattern: Pattern, look_at: LookAt) -> None:
    try:
        check_pattern(pattern)
    except PatternError as error:
        raise _Problem(f"{pattern.text!r}: {error}") from None
    if look_at is LookAt.DEFECT and pattern.comparison is Comparison.IS and pattern.text not in _DEFECTS:
        raise _Problem(f"{pattern.text!r}: no such defect; they are {', '.join(sorted(_DEFECTS))}")


def _fields(table: Table, name: str, verb: RuleVerb) -> tuple[bytes, ...]:
    """The header fields that a matching rule adds to a message that goes on."""
    spam = _typed(table, "spam", bool, default=verb is RuleVerb.QUARANTINE)
    added = table.get("add_fields", {})
    if verb in (RuleVerb.REJECT, RuleVerb.DISCARD):
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


def _for_reject(table: Table, key: str, verb: RuleVerb, form: _ReplyForm) -> str:
    value = _fitting(table, key, form.pattern, form.meaning)
    if verb is RuleVerb.REJECT:
        return value or form.default
    if value is not None:
        raise _Problem(f'{key} is for action = "reject"')
    return ""


def _table(value: object) -> Table:
    if not isinstance(value, dict):
        raise _Problem("a table is needed")
    return value


def _known(table: Table, keys: Sequence[str]) -> None:
    unknown = [key for key in table if key not in keys]
    if unknown:
        raise _Problem(*(f"{key}: no such field here; the fields are {', '.join(keys)}" for key in unknown))


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
    """Put a place in the file before the problems that come from inside."""
    try:
        yield
    except _Problem as problem:
        raise _Problem(*(f"{place}: {text}" for text in problem.texts)) from None
