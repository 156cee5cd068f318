import pytest

from mailyard.message.parse import parse_message


def envelope(header: bytes) -> bytes:
    return parse_message(b"", header + b"\r\nbody\r\n").envelope


def test_the_envelope_of_rfc_3501_section_8_is_exact():
    header = (
        b"Date: Wed, 17 Jul 1996 02:23:25 -0700 (PDT)\r\n"
        b"From: Terry Gray <gray@cac.washington.edu>\r\n"
        b"Subject: IMAP4rev1 WG mtg summary and minutes\r\n"
        b"To: imap@cac.washington.edu\r\n"
        b"cc: minutes@CNRI.Reston.VA.US, John Klensin <KLENSIN@MIT.EDU>\r\n"
        b"Message-Id: <B27397-0100000@cac.washington.edu>\r\n"
        b"MIME-Version: 1.0\r\n"
        b"Content-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n"
    )
    assert envelope(header) == (
        b'("Wed, 17 Jul 1996 02:23:25 -0700 (PDT)" "IMAP4rev1 WG mtg summary and minutes" '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'(("Terry Gray" NIL "gray" "cac.washington.edu")) '
        b'((NIL NIL "imap" "cac.washington.edu")) '
        b'((NIL NIL "minutes" "CNRI.Reston.VA.US")("John Klensin" NIL "KLENSIN" "MIT.EDU")) '
        b'NIL NIL "<B27397-0100000@cac.washington.edu>")'
    )


def test_an_empty_header_is_all_nil():
    assert envelope(b"") == b"(NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL)"


def test_sender_and_reply_to_are_kept_where_they_differ_from_the_author(imap_data):
    found = imap_data(envelope(b"From: a@x\r\nSender: b@x\r\nReply-To: c@x, d@x\r\n"))
    assert [address[2] for address in found[3]] == [b"b"]
    assert [address[2] for address in found[4]] == [b"c", b"d"]


def test_an_empty_reply_to_is_the_author(imap_data):
    found = imap_data(envelope(b"From: a@x\r\nReply-To: \r\nTo: \r\n"))
    assert found[4] == [[None, None, b"a", b"x"]]
    assert found[5] is None


def test_groups_are_marked_by_structures_without_host():
    assert b'((NIL NIL "team" NIL)(NIL NIL "a" "x")(NIL NIL NIL NIL))' in envelope(b"To: team: a@x;\r\n")


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        (b"plain", b'"plain"'),
        (b'say "hi" \\o/', b'"say \\"hi\\" \\\\o/"'),
        (b"=?utf-8?Q?=C3=BC?=", b'"=?utf-8?Q?=C3=BC?="'),
        (b"8-bit \xfc", b"{7}\r\n8-bit \xfc"),
        (b"nul \0 here", b'"nul  here"'),
        (b"nul \0 and \xfc", b"{10}\r\nnul  and \xfc"),
        (b"bare \r here", b'"bare   here"'),
        (b"folded\r\n\there", b'"folded here"'),
        (b"tab\there", b'"tab\there"'),
        (b"bell\x07", b"{5}\r\nbell\x07"),
    ],
)
def test_a_subject_of_any_octets_is_a_valid_string(subject, expected, imap_data):
    encoded = envelope(b"Subject: " + subject + b"\r\n")
    assert encoded == b"(NIL " + expected + b" NIL NIL NIL NIL NIL NIL NIL NIL)"
    imap_data(encoded)


def test_several_to_fields_are_read_as_one(imap_data):
    found = imap_data(envelope(b"To: a@x\r\nTo: b@x\r\nSubject: first\r\nSubject: second\r\n"))
    assert [address[2] for address in found[5]] == [b"a", b"b"]
    assert found[1] == b"first"
