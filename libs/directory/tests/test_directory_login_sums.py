"""How equal logins become one row, and how a flood stays small."""

from datetime import timedelta

import pytest

from mailyard.directory.loginlog.log import LoggedLogins, LoginLine
from mailyard.directory.loginlog.sums import (
    ACCEPTED_SECONDS,
    LINES_OF_A_MINUTE,
    REFUSED_SECONDS,
    LoginSums,
)
from mailyard.runtime.clock import now_utc

NOW = now_utc()


def line(result="accepted", client="192.0.2.1", account="1", name="") -> LoginLine:
    return LoginLine("acme", "example.org", account, "imap", client, "password", name, result)


def add(sums: LoginSums, line: LoginLine, seconds: float = 0.0) -> list[LoggedLogins]:
    return sums.add(line, NOW + timedelta(seconds=seconds), seconds)


def test_the_first_login_is_a_row_at_once():
    assert add(LoginSums(), line()) == [LoggedLogins(line(), NOW, NOW, 1)]


@pytest.mark.parametrize(
    ("result", "window"), [("accepted", ACCEPTED_SECONDS), ("bad-credentials", REFUSED_SECONDS)]
)
def test_equal_logins_within_a_window_are_one_more_row_at_its_end(result, window):
    sums = LoginSums()
    add(sums, line(result))
    assert [add(sums, line(result), second) for second in range(1, 31)] == [[]] * 30
    assert sums.ended(window - 1, 100) == []
    (row,) = sums.ended(window, 100)
    assert row == LoggedLogins(line(result), NOW + timedelta(seconds=1), NOW + timedelta(seconds=30), 30)
    assert sums.ended(2 * window, 100) == []


def test_a_login_after_the_window_ends_the_sum_and_begins_another():
    sums = LoginSums()
    add(sums, line("bad-credentials"))
    add(sums, line("bad-credentials"), 5)
    assert [row.count for row in add(sums, line("bad-credentials"), 90)] == [1, 1]


def test_a_flood_from_everywhere_is_a_few_rows_in_a_minute_and_none_is_lost():
    sums = LoginSums()
    rows = [
        row for n in range(100_000) for row in add(sums, line("bad-credentials", client=f"10.{n}"), n / 2000)
    ]
    assert len(rows) == LINES_OF_A_MINUTE + 1
    rows += sums.ended(1000.0, 1000)
    assert len(rows) <= 2 * (LINES_OF_A_MINUTE + 1)
    assert sum(row.count for row in rows) == 100_000
    (several,) = [row for row in rows if row.count > 1000]
    assert (several.line.client, several.line.name, several.line.proof) == ("", "", "")


def test_a_flood_at_one_account_leaves_the_lines_of_another():
    sums = LoginSums()
    for n in range(1000):
        add(sums, line("bad-credentials", client=f"10.{n}"))
    assert add(sums, line(account="2"))[0].line == line(account="2")


def test_a_flood_of_failures_does_not_end_the_sums_of_right_logins():
    sums = LoginSums(most_lines=100)
    add(sums, line())
    add(sums, line(), 1)
    for n in range(1000):
        add(sums, line("bad-credentials", account=str(n)))
    assert len(sums._refused) == 100
    assert [row.count for row in sums.ended(ACCEPTED_SECONDS, 10) if row.line == line()] == [1]


def test_texts_of_strangers_are_cut():
    (row,) = add(LoginSums(), line(client="x" * 5000, name="y" * 5000))
    assert (len(row.line.client), len(row.line.name)) == (45, 100)
