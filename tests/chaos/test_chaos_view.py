"""The errors that an IMAP client can observe."""

from tests.chaos.view import View


def view_after(*answers: list[int]) -> View:
    view = View("user (poll)")
    view.selected(uid_validity=7, uid_next=1)
    for answer in answers:
        view.shown(answer)
    return view


def test_growing_uids_with_gaps_are_no_complaint() -> None:
    assert view_after([1, 2], [1, 2, 5], [1, 2, 5, 6, 9]).complaints == []


def test_a_uid_below_one_already_shown_is_a_complaint() -> None:
    assert view_after([1, 3], [1, 2, 3]).complaints == [
        "user (poll): UID 2 appeared after UID 3 had been shown"
    ]


def test_a_partial_listing_says_nothing_about_lower_uids() -> None:
    view = view_after([1, 2, 3])
    view.shown([4, 5], first=4)
    assert view.complaints == []
    assert view.highest == 5


def test_a_vanished_uid_is_a_complaint() -> None:
    assert view_after([1, 2, 3], [1, 3]).complaints == ["user (poll): 1 UIDs vanished, the lowest is 2"]


def test_a_mail_below_the_announced_uidnext_is_a_complaint_once_all_has_been_listed() -> None:
    view = View("user")
    view.selected(uid_validity=7, uid_next=10)
    view.shown([1, 4])
    view.shown([1, 4, 8])
    assert view.complaints == ["user: UID 8 appeared after UID 9 had been shown"]


def test_uidnext_at_or_below_a_shown_uid_is_a_complaint() -> None:
    view = view_after([1, 2, 3])
    view.selected(uid_validity=7, uid_next=3)
    assert view.complaints == ["user (poll): UIDNEXT 3 is not above UID 3, which was shown before"]


def test_a_changed_uidvalidity_is_a_complaint() -> None:
    view = view_after([1])
    view.selected(uid_validity=8, uid_next=2)
    assert view.complaints == ["user (poll): UIDVALIDITY changed from 7 to 8"]


def test_a_uid_twice_in_one_answer_is_a_complaint() -> None:
    assert len(view_after([1, 2, 2]).complaints) == 1


def test_uids_must_ascend_with_sequence_numbers() -> None:
    view = View("user")
    view.listed_in_order([1, 3, 2])
    assert view.complaints == ["user: UIDs do not ascend with the message sequence numbers"]
