r"""The view of a mailbox: places, \Recent, and what is told when."""

from dataclasses import dataclass, field, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from imap_doubles import MemoryMessages, World

from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap_server.session.view import MessageView
from mailyard.mailbox.model import Changes, FlagState

NONE = frozenset()
SEEN = frozenset({"\\Seen"})


def _view(*uids, flags=NONE):
    return MessageView(FlagState(uid, 1, flags) for uid in uids)


def _changes(present=(), vanished=()):
    return Changes(9, 999, tuple(FlagState(uid, 9, flags) for uid, flags in present), tuple(vanished))


def _places(ranges):
    return [index for span in ranges for index in span]


def test_numbers_and_uids_mean_places():
    view = _view(3, 5, 9)
    assert _places(view.by_number(SequenceSet(((2, 0),)))) == [1, 2]
    assert _places(view.by_uid(SequenceSet(((4, 9),)))) == [1, 2]
    assert _places(view.by_uid(SequenceSet(((50, 0),)))) == [2]
    assert _places(view.by_uid(SequenceSet(((6, 8),)))) == []
    assert view.index_of(5) == 1
    assert view.index_of(6) is None


def test_an_empty_view_means_nothing():
    view = _view()
    assert view.by_number(SequenceSet(((1, 0),))) == []
    assert view.by_uid(SequenceSet(((1, 0),))) == []
    assert view.first_unseen() is None
    assert view.last_uid == 0


def test_recent_messages_are_those_of_the_claimed_uids():
    view = _view(3, 5, 9)
    view.claim_recent(4, 7)
    view.claim_recent(9, 20)
    view.claim_recent(30, 29)
    assert [view.is_recent(index) for index in range(3)] == [False, True, True]
    assert view.recent_count() == 2
    assert view.encoded_flags(1) == b"(\\Recent)"


def test_the_first_unseen_message_is_found():
    view = MessageView(
        [FlagState(1, 1, SEEN), FlagState(2, 1, SEEN | {"a"}), FlagState(3, 1, frozenset({"a"}))]
    )
    assert view.first_unseen() == 2


def test_nothing_changes_for_the_client_before_it_is_told():
    view = _view(1, 2, 3)
    view.apply(_changes([(4, NONE)], [2]))
    assert len(view) == 3
    assert view.uid(1) == 2
    news = view.take_updates(expunges=False)
    assert (news.expunged, news.exists) == ((), 4)
    assert view.take_updates(expunges=True).expunged == (2,)
    assert view.uids(range(3)) == [1, 3, 4]


def test_what_one_has_done_oneself_is_no_news():
    view = _view(1)
    view.set_flags(0, SEEN)
    view.apply(_changes([(1, SEEN)]))
    assert view.take_updates(expunges=True).changed == ()


def test_flags_of_an_expunged_message_are_no_news():
    view = _view(1, 2)
    view.apply(_changes([(1, SEEN)]))
    view.apply(_changes(vanished=[1]))
    news = view.take_updates(expunges=True)
    assert (news.expunged, news.changed) == ((1,), ())


def test_a_uid_below_the_last_known_is_never_shown():
    view = _view(1, 5)
    view.apply(_changes([(3, NONE)]))
    assert view.take_updates(expunges=True).exists is None


def test_new_keywords_are_told_once():
    view = _view(1)
    view.apply(_changes([(1, frozenset({"Work"}))]))
    assert view.take_updates(expunges=True).keywords == {"Work"}
    assert view.take_updates(expunges=True).keywords is None


def test_a_hundred_thousand_messages_take_little_room():
    view = MessageView(FlagState(uid, uid, SEEN) for uid in range(1, 100_001))
    assert (
        view._uids.itemsize * len(view._uids) + view._flag_numbers.itemsize * len(view._flag_numbers)
        <= 800_000
    )


@dataclass
class Picture:
    """What a client that believes every response knows."""

    uids: list[int] = field(default_factory=list)

    def hear(self, view, news):
        assert list(news.expunged) == sorted(news.expunged, reverse=True)
        for number in news.expunged:
            del self.uids[number - 1]
        if news.exists is not None:
            assert news.exists > len(self.uids)
            self.uids += view.uids(range(len(self.uids), news.exists))


_STEPS = st.lists(
    st.tuples(
        st.sampled_from(("append", "flag", "expunge", "learn", "tell", "tell all")), st.integers(1, 12)
    ),
    max_size=40,
)


@given(_STEPS)
async def test_a_client_that_believes_what_it_is_told_is_right(steps):
    world = World()
    box = world.box("INBOX")
    messages = MemoryMessages(world)
    view, picture, seen_modseq = _view(), Picture(), box.row.highest_modseq
    for what, uid in [*steps, ("learn", 0), ("tell all", 0)]:
        match what:
            case "append":
                world.deliver("INBOX", b"a: b\r\n\r\n")
            case "flag":
                world.change(box, [uid], lambda message: replace(message, flags=message.flags ^ SEEN))
            case "expunge":
                world.change(box, [uid], lambda message: replace(message, expunged=True))
            case "learn":
                changes = await messages.changes(box.row.id, box.row.account, seen_modseq)
                seen_modseq = changes.highest_modseq
                view.apply(changes)
            case _:
                picture.hear(view, view.take_updates(expunges=what == "tell all"))
        assert picture.uids == view.uids(range(len(view)))
        assert picture.uids == sorted(set(picture.uids))
    assert picture.uids == [message.uid for message in box.present]
    assert [view.flags(index) for index in range(len(view))] == [message.flags for message in box.present]


@pytest.mark.parametrize("expunges", [True, False])
def test_when_there_is_no_news_nothing_is_told(expunges):
    news = _view(1, 2).take_updates(expunges=expunges)
    assert (news.expunged, news.exists, news.changed, news.keywords) == ((), None, (), None)
