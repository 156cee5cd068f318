"""Dialogues of real clients against the real service and store, two sessions of one account where that matters."""

import base64

import pytest
from test_imap_service import Wire

MESSAGE = b"From: a@b.c\r\nSubject: x\r\n\r\nbody\r\n"


@pytest.fixture
def clients(imap_service):
    """A function that opens a session with a new mailbox `m` and so many messages in it, and another session with it."""

    def open_two(count, flags=b""):
        service = imap_service()
        first, second = Wire(service.port).login(), Wire(service.port).login()
        first.ask(b"CREATE m")
        for _ in range(count):
            assert b"OK [APPENDUID" in first.ask(_append(b"m " + flags, MESSAGE))[-1]
        first.ask(b"SELECT m")
        second.ask(b"SELECT m")
        return first, second

    return open_two


def _append(to, message):
    return b"APPEND %b{%d+}\r\n%b" % (to, len(message), message)


def test_keywords_have_no_case_in_the_store_either(clients):
    first, second = clients(1, b"($Label1) ")
    assert first.ask(b"SEARCH KEYWORD $label1")[0] == b"* SEARCH 1"
    assert first.ask(b"STORE 1 -FLAGS ($LABEL1)")[0] == b"* 1 FETCH (FLAGS (\\Recent))"
    assert first.ask(b"STORE 1 +FLAGS ($LABEL1)")[0] == b"* 1 FETCH (FLAGS (\\Recent $Label1))"
    assert second.ask(b"FETCH 1 FLAGS")[0] == b"* 1 FETCH (FLAGS ($Label1))"
    first.ask(b"STORE 1 FLAGS ($LABEL1 $label1)")
    second.ask(b"STORE 1 -FLAGS ($lAbEl1)")
    assert first.ask(b"FETCH 1 FLAGS")[0] == b"* 1 FETCH (FLAGS (\\Recent))"


def test_copy_of_a_message_that_is_gone_copies_nothing(clients):
    first, second = clients(3)
    second.ask(b"STORE 2 +FLAGS.SILENT (\\Deleted)")
    second.ask(b"EXPUNGE")
    assert first.ask(b"COPY 1:3 Archive")[-1].startswith(b"t NO [EXPUNGEISSUED]")
    assert second.ask(b"STATUS Archive (MESSAGES)")[0] == b"* STATUS Archive (MESSAGES 0)"
    assert first.ask(b"COPY 1:2 Archive")[-1].startswith(b"t OK [COPYUID")


def test_a_silent_store_over_a_message_that_is_gone_is_ok(clients):
    first, second = clients(3)
    second.ask(b"STORE 2 +FLAGS.SILENT (\\Deleted)")
    second.ask(b"EXPUNGE")
    assert first.ask(b"STORE 1:3 +FLAGS.SILENT (\\Flagged)") == [b"t OK STORE completed"]
    assert second.ask(b"SEARCH FLAGGED")[0] == b"* SEARCH 1 2"
    assert first.ask(b"STORE 1:3 +FLAGS (\\Seen)")[-1].startswith(b"t NO [EXPUNGEISSUED]")


def test_changes_of_another_session_are_seen_at_once(clients):
    first, second = clients(2)
    first.ask(b"STORE 1 +FLAGS (\\Flagged)")
    assert second.ask(b"FETCH 1 FLAGS")[0] == b"* 1 FETCH (FLAGS (\\Flagged))"
    first.ask(b"STORE 2 +FLAGS (\\Flagged)")
    assert second.ask(b"SEARCH FLAGGED")[0] == b"* SEARCH 1 2"


def test_addresses_are_found_as_the_envelope_gives_them(clients):
    first, _ = clients(0)
    message = b"From: <user-from (comment)@ (comment) domain.org>\r\nSubject: x\r\n\r\nb\r\n"
    first.ask(_append(b"m ", message))
    assert b'"user-from" "domain.org"' in first.ask(b"FETCH 1 ENVELOPE")[0]
    assert first.ask(b"SEARCH FROM user-from@domain.org")[0] == b"* SEARCH 1"


def test_text_is_compared_in_one_normal_form(clients):
    first, _ = clients(0)
    body = base64.b64encode(
        b"Ho\xeca \xf0\xf5n \xf0i\xea\xf2n"
    )  # "Hóa đơn điện" by Windows-1258, with combining marks
    for message in (
        "Subject: thư đến\r\n\r\nb\r\n".encode(),
        b"Subject: y\r\nContent-Type: text/plain; charset=windows-1258\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        + body,
    ):
        first.ask(_append(b"m ", message))
    decomposed = "thu\u031b \u0111e\u0302\u0301n".encode()
    assert first.ask(b"SEARCH SUBJECT {%d+}\r\n%b" % (len(decomposed), decomposed))[0] == b"* SEARCH 1"
    for needle in ("điện", "đie\u0323\u0302n"):
        octets = needle.encode()
        assert first.ask(b"SEARCH TEXT {%d+}\r\n%b" % (len(octets), octets))[0] == b"* SEARCH 2"
    koi8 = "Привет".encode("koi8-r")
    first.ask(_append(b"m ", "Subject: Привет\r\n\r\n".encode()))
    assert first.ask(b"SEARCH CHARSET KOI8-R SUBJECT {%d+}\r\n%b" % (len(koi8), koi8))[0] == b"* SEARCH 3"


def test_long_or_chains_as_libraries_build_them_are_carried_out(clients):
    first, _ = clients(1)
    chain = (
        b"".join(b"OR (FROM x%d@example.test) (" % number for number in range(400))
        + b"FROM a@b.c"
        + b")" * 400
    )
    assert first.ask(b"SEARCH " + chain)[0] == b"* SEARCH 1"
    assert first.ask(b"SEARCH " + b"SUBJECT x " * 1000 + b"ALL")[0] == b"* SEARCH 1"
