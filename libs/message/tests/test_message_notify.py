import pytest

from mailyard.message.notify import Event, union, wants, without_success


@pytest.mark.parametrize(
    ("notify", "wanted"),
    [
        ("", {Event.FAILURE, Event.DELAY}),
        ("NEVER", set()),
        ("success", {Event.SUCCESS}),
        ("SUCCESS,DELAY", {Event.SUCCESS, Event.DELAY}),
        ("FAILURE, nonsense", {Event.FAILURE}),
    ],
)
def test_notify_names_the_reports_that_are_wanted(notify: str, wanted: set[Event]) -> None:
    assert {event for event in Event if wants(notify, event)} == wanted


@pytest.mark.parametrize(
    ("notify", "passed"),
    [("SUCCESS", "NEVER"), ("SUCCESS,FAILURE", "FAILURE"), ("", ""), ("NEVER", "NEVER"), ("DELAY", "DELAY")],
)
def test_members_of_an_alias_report_no_success(notify: str, passed: str) -> None:
    assert without_success(notify) == passed


@pytest.mark.parametrize(
    ("first", "second", "both"),
    [
        ("", "", ""),
        ("NEVER", "NEVER", "NEVER"),
        ("NEVER", "SUCCESS", "SUCCESS"),
        ("", "SUCCESS", "SUCCESS,FAILURE,DELAY"),
        ("FAILURE", "DELAY", ""),
    ],
)
def test_one_target_of_two_recipients_reports_what_either_asks_for(
    first: str, second: str, both: str
) -> None:
    assert union(first, second) == both
