r"""FETCH (RFC 3501, section 6.4.5): items, sections and partials, their labels in the response, and what sets \Seen."""

import pytest

from mailyard.imap.commands.fetch import BodyItem, FetchCommand, Item, Rfc822Item
from mailyard.imap.commands.registry import command
from mailyard.imap.grammar.cursor import CommandSyntaxError, Cursor
from mailyard.imap.grammar.sections import Partial, Section, SectionText, section
from mailyard.imap.grammar.sequences import SequenceSet
from mailyard.imap.limits import ImapLimits


def items(octets: bytes, limits: ImapLimits | None = None) -> tuple[object, ...]:
    parsed = command(Cursor(b"FETCH 1 " + octets, limits))
    assert isinstance(parsed, FetchCommand)
    return parsed.items


def body_item(octets: bytes) -> BodyItem:
    (item,) = items(octets)
    assert isinstance(item, BodyItem)
    return item


@pytest.mark.parametrize(
    ("octets", "item"),
    [
        (b"FLAGS", Item.FLAGS),
        (b"uid", Item.UID),
        (b"InternalDate", Item.INTERNALDATE),
        (b"RFC822.SIZE", Item.SIZE),
        (b"ENVELOPE", Item.ENVELOPE),
        (b"BODYSTRUCTURE", Item.BODYSTRUCTURE),
        (b"BODY", Item.BODY),  # without a section: the structure without extension data
        (b"RFC822", Rfc822Item.WHOLE),
        (b"rfc822.header", Rfc822Item.HEADER),
        (b"RFC822.TEXT", Rfc822Item.TEXT),
        (b"BODY[]", BodyItem(Section())),
        (b"BODY.PEEK[]", BodyItem(Section(), peek=True)),
    ],
)
def test_an_item_may_stand_alone_or_in_parentheses_and_in_any_case(octets: bytes, item: object) -> None:
    assert items(octets) == items(b"(" + octets + b")") == (item,)


def test_items_keep_their_order_and_come_once() -> None:
    assert items(b"(UID FLAGS uid BODY[] UID)") == (Item.UID, Item.FLAGS, BodyItem(Section()))
    assert len(items(b"(BODY[] BODY.PEEK[] BODY[]<0.1>)")) == 3


@pytest.mark.parametrize("macro", [b"ALL", b"FULL", b"FAST"])
def test_macros_do_not_stand_among_other_items(macro: bytes) -> None:
    with pytest.raises(CommandSyntaxError, match="There is no item"):
        items(b"(UID " + macro + b")")


@pytest.mark.parametrize(
    "octets",
    [
        b"BODY.PEEK",  # PEEK needs a section
        b"BODYSTRUCTURE[]",
        b"RFC822.PEEK",
        b"RFC822[]",
        b"BODY [] UID",
        b"FLAGS UID",  # several items need parentheses
        b"(FLAGS UID",
        b"(FLAGS,UID)",
        b"FLAGS)",
        b"()",
        b"X-GM-MSGID",
        b'"FLAGS"',
        b"",
    ],
)
def test_items_that_the_grammar_does_not_have_are_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        items(octets)


@pytest.mark.parametrize(
    ("octets", "partial"),
    [
        (b"<0.1>", Partial(0, 1)),
        (b"<0.4294967295>", Partial(0, 4_294_967_295)),
        (b"<4294967295.1>", Partial(4_294_967_295, 1)),
    ],
)
def test_a_partial_has_numbers_of_32_bits(octets: bytes, partial: Partial) -> None:
    assert body_item(b"BODY[TEXT]" + octets).partial == partial


@pytest.mark.parametrize(
    "octets",
    [b"<0>", b"<0.0>", b"<.1>", b"<1.>", b"<-1.1>", b"<1.1", b"<1,1>", b"<4294967296.1>", b"<0.4294967296>"],
)
def test_a_partial_that_breaks_the_grammar_is_refused(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        body_item(b"BODY[TEXT]" + octets)


@pytest.mark.parametrize(
    ("octets", "label"),
    [
        (b"BODY[]", b"BODY[]"),
        (b"BODY.PEEK[header]", b"BODY[HEADER]"),
        (b"BODY[1.2.mime]", b"BODY[1.2.MIME]"),
        (b"BODY[TEXT]<5.20>", b"BODY[TEXT]<5>"),  # section 7.4.2: the origin octet, without the count
        (b"BODY[]<0.20>", b"BODY[]<0>"),
        (b"BODY[HEADER.FIELDS (Date FROM)]", b"BODY[HEADER.FIELDS (Date FROM)]"),
        (b'BODY[3.HEADER.FIELDS.NOT ("x" to)]', b"BODY[3.HEADER.FIELDS.NOT (x to)]"),
        (b'BODY[HEADER.FIELDS ("a(b")]', b'BODY[HEADER.FIELDS ("a(b")]'),
        (b"BODY[HEADER.FIELDS ({4}\r\nfrom)]", b"BODY[HEADER.FIELDS (from)]"),
    ],
)
def test_the_response_names_the_section_as_the_client_did(octets: bytes, label: bytes) -> None:
    assert body_item(octets).label == label


@pytest.mark.parametrize("item", Rfc822Item)
def test_items_of_rfc_822_have_their_own_name_in_the_response_and_no_partial(item: Rfc822Item) -> None:
    assert item.label == item.value
    assert item.partial is None


def test_items_of_rfc_822_are_sections_by_other_names() -> None:
    assert Rfc822Item.WHOLE.section == body_item(b"BODY[]").section
    assert Rfc822Item.HEADER.section == body_item(b"BODY[HEADER]").section
    assert Rfc822Item.TEXT.section == body_item(b"BODY[TEXT]").section


@pytest.mark.parametrize(
    ("octets", "sets_seen"),
    [
        (b"BODY[]", True),
        (b"BODY[HEADER]", True),
        (b"BODY.PEEK[]", False),
        (b"BODY.PEEK[TEXT]<0.1>", False),
        (b"RFC822", True),
        (b"RFC822.TEXT", True),
        (b"RFC822.HEADER", False),  # equivalent to BODY.PEEK[HEADER]
    ],
)
def test_only_items_without_peek_set_seen(octets: bytes, sets_seen: bool) -> None:
    (item,) = items(octets)
    assert isinstance(item, BodyItem | Rfc822Item)
    assert item.sets_seen is sets_seen


def test_a_fetch_reads_flags_only_where_it_asks_for_them() -> None:
    assert command(Cursor(b"FETCH 1 (UID FLAGS)")).reads_flags
    assert command(Cursor(b"FETCH 1 FAST")).reads_flags
    assert not command(Cursor(b"FETCH 1 (UID ENVELOPE BODY[])")).reads_flags


def test_a_part_has_as_many_numbers_as_the_limit() -> None:
    limits = ImapLimits(levels=3)
    assert section(Cursor(b"[1.2.3]", limits)) == Section((1, 2, 3))
    assert section(Cursor(b"[1.2.3.TEXT]", limits)) == Section((1, 2, 3), SectionText.TEXT)
    with pytest.raises(CommandSyntaxError, match="too deep"):
        section(Cursor(b"[1.2.3.4]", limits))
    with pytest.raises(CommandSyntaxError):
        section(Cursor(b"[" + b"1." * 100 + b"1]"))


@pytest.mark.parametrize(
    "octets", [b"[1000000000]", b"[1.0.1]", b"[01]", b"[.1]", b"[1..2]", b"[1.FOO]", b"[TEXT.1]"]
)
def test_part_numbers_are_positive_and_have_nine_digits_at_most(octets: bytes) -> None:
    with pytest.raises(CommandSyntaxError):
        section(Cursor(octets))
    assert section(Cursor(b"[999999999]")) == Section((999_999_999,))


def test_field_names_have_a_limit_and_no_colon_space_or_octet_beyond_ascii() -> None:
    limits = ImapLimits(items=2)
    assert section(Cursor(b"[HEADER.FIELDS (a b)]", limits)).fields == (b"a", b"b")
    with pytest.raises(CommandSyntaxError, match="too long"):
        section(Cursor(b"[HEADER.FIELDS (a b c)]", limits))
    for name in (b'"a b"', b'"a:"', b'""', b"{2}\r\n\xc3\xa9", b"{1}\r\n\n"):
        with pytest.raises(CommandSyntaxError):
            section(Cursor(b"[HEADER.FIELDS (" + name + b")]"))


def test_a_fetch_has_as_many_items_as_the_limit() -> None:
    limits = ImapLimits(fetch_items=2)
    assert items(b"(UID FLAGS)", limits) == (Item.UID, Item.FLAGS)
    with pytest.raises(CommandSyntaxError, match="too long"):
        items(b"(UID FLAGS ENVELOPE)", limits)
    with pytest.raises(CommandSyntaxError, match="too long"):
        items(b"(UID UID UID)", limits)  # items that are named again count


def test_the_messages_may_be_any_sequence_set() -> None:
    parsed = command(Cursor(b"UID FETCH 5:3,*,1:* UID"))
    assert parsed == FetchCommand(SequenceSet(((5, 3), (0, 0), (1, 0))), (Item.UID,), by_uid=True)
