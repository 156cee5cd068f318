"""The parts of the client core: what may be sent when, replies found in octets, outcomes that are gathered."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp.client import EnvelopeRecipient, RecipientResult, Step, TransactionEnvelope
from mailyard.smtp.client.commands import Command, CommandQueue
from mailyard.smtp.client.replies import ReplyReader, lost_reply, own_reply, violation_reply
from mailyard.smtp.client.transaction import Transaction
from mailyard.smtp.reply import MAX_REPLY_LINE, Reply, ReplyError, reply

MAIL = Command(Step.MAIL, b"MAIL\r\n")
RCPT = Command(Step.RCPT, b"RCPT\r\n")
END = Command(Step.END, b".\r\n", replies=2)
NO = reply(550, "5.1.1", "No")
YES = reply(250, "2.1.5", "Ok")


def queue(*, pipelining: bool) -> CommandQueue:
    found = CommandQueue()
    found.pipelining = pipelining
    return found


def test_with_pipelining_all_commands_go_out_at_once_and_replies_are_due_in_order() -> None:
    commands = queue(pipelining=True)
    commands.add(MAIL, RCPT, RCPT)
    assert commands.data_to_send() == b"MAIL\r\nRCPT\r\nRCPT\r\n"
    assert commands.data_to_send() == b""
    for step in (Step.MAIL, Step.RCPT, Step.RCPT):
        assert commands.awaiting is step
        commands.answered()
    assert commands.awaiting is None
    assert commands.idle


def test_without_pipelining_a_command_waits_for_the_reply_to_the_one_before() -> None:
    commands = queue(pipelining=False)
    commands.add(MAIL, RCPT)
    assert commands.data_to_send() == b"MAIL\r\n"
    assert commands.blocked
    commands.advance()
    assert commands.data_to_send() == b""
    commands.answered()
    assert commands.data_to_send() == b"", "the reply is not handled yet"
    commands.advance()
    assert commands.data_to_send() == b"RCPT\r\n"
    assert not commands.blocked
    assert not commands.idle


def test_a_command_with_several_replies_is_awaited_so_often() -> None:
    commands = queue(pipelining=False)
    commands.add(END, MAIL)
    commands.answered()
    commands.advance()
    assert (commands.awaiting, commands.data_to_send()) == (Step.END, b".\r\n")
    commands.answered()
    commands.advance()
    assert (commands.awaiting, commands.data_to_send()) == (Step.MAIL, b"MAIL\r\n")


def test_the_greeting_is_awaited_before_anything_is_sent() -> None:
    commands = queue(pipelining=False)
    commands.expect(Step.GREETING)
    commands.add(MAIL)
    assert (commands.awaiting, commands.data_to_send()) == (Step.GREETING, b"")


def test_octets_of_the_message_go_out_behind_the_commands_and_need_no_reply() -> None:
    commands = queue(pipelining=True)
    commands.add(MAIL)
    commands.write(b"text")
    assert commands.data_to_send() == b"MAIL\r\ntext"
    commands.answered()
    assert commands.idle


def test_commands_that_are_dropped_are_never_sent_and_those_sent_stay_due() -> None:
    commands = queue(pipelining=False)
    commands.add(MAIL, RCPT)
    commands.drop_unsent()
    assert commands.data_to_send() == b"MAIL\r\n"
    assert (commands.awaiting, commands.blocked, commands.idle) == (Step.MAIL, False, False)
    commands.answered()
    commands.advance()
    assert commands.idle


def all_replies(octets: bytes, step: int) -> list[Reply]:
    """What a reader finds in octets that come in segments."""
    reader, found = ReplyReader(), []
    for at in range(0, len(octets), step):
        reader.feed(octets[at : at + step])
        while (next_reply := reader.next()) is not None:
            found.append(next_reply)
    return found


@given(
    st.lists(st.sampled_from([b"220 a\r\n", b"250-b\r\n250 2.1.0 c\r\n", b"354\r\n"]), max_size=8),
    st.integers(1, 30),
)
def test_replies_come_out_in_order_whatever_the_segments(octets: list[bytes], step: int) -> None:
    assert [each.code for each in all_replies(b"".join(octets), step)] == [int(each[:3]) for each in octets]


def test_octets_that_are_cleared_are_no_part_of_the_next_reply() -> None:
    reader = ReplyReader()
    reader.feed(b"250 injected\r\n250-half")
    reader.clear()
    assert reader.next() is None
    reader.feed(b"220 x\r\n")
    assert reader.next() == reply(220, None, "x")


@pytest.mark.parametrize("octets", [b"x" * (MAX_REPLY_LINE + 1), b"250-ok\r\n250 " + b"x" * MAX_REPLY_LINE])
@pytest.mark.parametrize("step", [1, 1000])
def test_a_reply_line_without_end_is_refused_as_soon_as_it_is_too_long(octets: bytes, step: int) -> None:
    with pytest.raises(ReplyError, match="longer than"):
        all_replies(octets, step)


def test_replies_of_the_client_itself_are_one_line_with_the_code_of_their_reason() -> None:
    assert own_reply(554, "5.6.3", "two\r\nlines") == reply(554, "5.6.3", "two lines")
    assert lost_reply("reset by peer") == reply(421, "4.4.2", "reset by peer")
    assert violation_reply("x") == reply(451, "4.5.0", "protocol error: x")


def transaction(*recipients: str) -> Transaction:
    return Transaction(TransactionEnvelope("", tuple(map(EnvelopeRecipient, recipients))))


def codes(found: Transaction) -> list[tuple[Step, int]]:
    return [(outcome.step, outcome.reply.code) for outcome in found.outcomes]


def test_recipients_that_were_refused_have_their_outcome_and_the_others_wait() -> None:
    found = transaction("a@a.example", "b@a.example", "c@a.example")
    for answer in (YES, NO, YES):
        found.recipient_replied(answer)
    assert found.open == [0, 2]
    assert not found.settled
    assert found.outcomes == (RecipientResult(Step.RCPT, NO),)


def test_final_replies_of_lmtp_belong_to_the_accepted_recipients_in_order() -> None:
    found = transaction("a@a.example", "b@a.example", "c@a.example")
    for answer in (YES, NO, YES):
        found.recipient_replied(answer)
    found.recipient_finished(reply(250, None, "first"))
    found.recipient_finished(reply(452, None, "third"))
    assert found.settled
    assert codes(found) == [(Step.END, 250), (Step.RCPT, 550), (Step.END, 452)]
    found.recipient_finished(NO)
    assert codes(found) == [(Step.END, 250), (Step.RCPT, 550), (Step.END, 452)]


def test_one_reply_settles_all_that_are_open_and_no_others() -> None:
    found = transaction("a@a.example", "b@a.example")
    found.recipient_replied(NO)
    found.settle(RecipientResult(Step.DATA, reply(451, None, "Later")))
    assert codes(found) == [(Step.RCPT, 550), (Step.DATA, 451)]
    found.recipient_replied(NO)
    assert codes(found) == [(Step.RCPT, 550), (Step.DATA, 451)], "a reply that comes later changes nothing"


@pytest.mark.parametrize(
    ("step", "own", "uncertain"),
    [(Step.END, True, True), (Step.END, False, False), (Step.BODY, True, False), (Step.RCPT, True, False)],
)
def test_only_a_lost_final_reply_leaves_the_delivery_uncertain(
    step: Step, own: bool, uncertain: bool
) -> None:
    """RFC 5321 section 4.5.3.2.6: after the final dot the server may have taken the message."""
    assert RecipientResult(step, Reply(421, "4.4.2", ("lost",)), own).uncertain is uncertain
