"""Names, the state of an account, and the table of flags: values without a store."""

from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.mailbox import flagtable
from mailyard.mailbox.account import AccountState, has_defaults, state_of, uid_validities
from mailyard.mailbox.errors import NotPermitted
from mailyard.mailbox.flagtable import FlagTable, bits_of
from mailyard.mailbox.model import DEFAULTS, FlagState
from mailyard.mailbox.names import canonical, checked, names_above

# Names (RFC 3501, section 5.1)


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("inbox", "INBOX"),
        ("InBoX/Child", "INBOX/Child"),
        ("a/inbox", "a/inbox"),
        ("inboxes", "inboxes"),
        ("Entwürfe", "Entwürfe"),
    ],
)
def test_only_inbox_as_the_first_level_is_the_same_in_any_case(name: str, found: str) -> None:
    assert canonical(name) == checked(name) == found


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("", "no empty part"),
        ("/", "no empty part"),
        ("/a", "no empty part"),
        ("a/", "no empty part"),
        ("a//b", "no empty part"),
        ("a\x1fb", "no control characters"),
        ("a\x7f", "no control characters"),
        ("a\r\nb", "no control characters"),
        ("ü" * 501, "at most 1000 octets"),
    ],
)
def test_a_name_that_no_mailbox_can_have_is_refused(name: str, reason: str) -> None:
    with pytest.raises(NotPermitted, match=reason):
        checked(name)


def test_the_longest_name_is_measured_in_octets() -> None:
    assert checked("ü" * 500) == "ü" * 500


@given(st.lists(st.text("abc", min_size=1), min_size=1, max_size=6))
def test_the_levels_above_a_name_are_its_beginnings_the_highest_first(parts: list[str]) -> None:
    above = names_above("/".join(parts))
    assert above == ["/".join(parts[:length]) for length in range(1, len(parts))]


# The state of an account


def rows(**uid_validity: int) -> list[dict[str, Any]]:
    return [{"name": name, "uid_validity": value} for name, value in uid_validity.items()]


def test_the_state_is_that_of_the_row_with_the_highest_uidvalidity_of_the_mailboxes() -> None:
    row = {"uid_validity": 5, "subscriptions": ["a"], "defaults_made": True}
    assert state_of(row, rows(a=3)) == AccountState(5, frozenset({"a"}), True)
    assert state_of(row, rows(a=9, b=7)) == AccountState(9, frozenset({"a"}), True)
    assert state_of({"uid_validity": 5, "subscriptions": []}, ()) == AccountState(5)


def test_without_a_row_and_mailboxes_an_account_is_new() -> None:
    assert state_of(None, ()) == AccountState()


def test_the_defaults_are_complete_with_every_special_use_under_whichever_name() -> None:
    uses = [use for use in DEFAULTS.values() if use]
    assert has_defaults(uses)
    assert has_defaults([None, *uses, "\\Flagged"])
    for missing in uses:
        assert not has_defaults(set(uses) - {missing})


@given(st.integers(0, 2**31), st.integers(0, 2**31), st.integers(0, 50))
def test_new_uidvalidities_are_above_the_last_one_and_not_below_the_clock(
    last: int, now: int, count: int
) -> None:
    taken = list(uid_validities(last, datetime.fromtimestamp(now, UTC), count))
    assert len(set(taken)) == count
    assert all(value > last and value >= now for value in taken)


# The table of flags

flag_sets = st.frozensets(st.sampled_from(["\\Seen", "\\Deleted", "$a", "$b", "c"]))
additions = st.lists(st.tuples(st.integers(1, 30), flag_sets), max_size=60)


@given(additions, st.sets(st.integers(1, 30)))
def test_a_table_holds_the_latest_state_of_each_uid_that_was_not_dropped(
    added: list[tuple[int, frozenset[str]]], dropped: set[int]
) -> None:
    table = FlagTable()
    latest: dict[int, FlagState] = {}
    for modseq, (uid, flags) in enumerate(added, start=1):
        table.add(uid, modseq, flags)
        latest[uid] = FlagState(uid, modseq, flags)
    table.settle()
    assert list(table) == [latest[uid] for uid in sorted(latest)]
    table.drop(dropped)
    assert list(table) == [latest[uid] for uid in sorted(latest.keys() - dropped)]
    assert len(table) == len(latest.keys() - dropped)


def test_the_higher_modseq_counts_in_whichever_order_two_states_come() -> None:
    table = FlagTable()
    for uid, modseq in ((2, 9), (1, 1), (2, 3)):
        table.add(uid, modseq, frozenset({f"m{modseq}"}))
    table.settle()
    assert list(table) == [FlagState(1, 1, frozenset({"m1"})), FlagState(2, 9, frozenset({"m9"}))]


def test_more_different_flags_than_the_bound_are_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flagtable, "MAX_NAMES", 2)
    table = FlagTable()
    for uid, flags in enumerate(("a", "ab", "abc", "c"), start=1):
        table.add(uid, uid, frozenset(flags))
    assert [state.flags for state in table] == [{"a"}, {"a", "b"}, {"a", "b"}, set()]
    assert table.names == ["a", "b"]


def test_many_different_sets_of_flags_are_read_back() -> None:
    table = FlagTable()
    sets = [frozenset({f"k{number}", f"l{number % 7}"}) for number in range(1_000)]
    for uid, flags in enumerate(sets, start=1):
        table.add(uid, uid, flags)
    assert [state.flags for state in table] == sets
    assert max(len(table._known), len(table._read)) <= 256


@given(st.sets(st.integers(0, 5_000)))
def test_the_bits_of_a_mask_are_its_positions_in_order(positions: set[int]) -> None:
    assert list(bits_of(sum(1 << position for position in positions))) == sorted(positions)
