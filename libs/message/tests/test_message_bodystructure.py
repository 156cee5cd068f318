from mailyard.message.parse import parse_message

TEXT = b"Content-Type: text/plain; charset=us-ascii\r\n\r\n"


def structures(message: bytes) -> tuple[bytes, bytes]:
    parsed = parse_message(b"", message)
    return parsed.imap_body, parsed.bodystructure


def multipart(body: bytes, content_type: bytes = b"multipart/mixed; boundary=B") -> bytes:
    return b"MIME-Version: 1.0\r\nContent-Type: " + content_type + b"\r\n\r\n" + body


PLAIN = b'"text" "plain" ("charset" "us-ascii") NIL NIL "7bit"'


def test_a_message_without_mime_is_text_in_ascii():
    body, extended = structures(b"Subject: x\r\n\r\nline\r\nline\r\n")
    assert body == b"(" + PLAIN + b" 12 2)"
    assert extended == b"(" + PLAIN + b" 12 2 NIL NIL NIL NIL)"


def test_the_body_of_rfc_3501_section_7_4_2_has_its_form():
    diff = b"A" * 58 + b"\r\n"
    message = multipart(
        b"--B\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII\r\n\r\n" + b"x" * 1106 + b"\r\n" * 23 + b"\r\n"
        b'--B\r\nContent-Type: TEXT/PLAIN; CHARSET=US-ASCII; NAME="cc.diff"\r\n'
        b"Content-ID: <960723163407.20117h@cac.washington.edu>\r\nContent-Description: Compiler diff\r\n"
        b"Content-Transfer-Encoding: BASE64\r\n\r\n" + diff * 73 + b"A" * 174 + b"\r\n--B--\r\n"
    )
    assert structures(message)[0] == (
        b'(("text" "plain" ("charset" "US-ASCII") NIL NIL "7bit" 1152 23)'
        b'("text" "plain" ("charset" "US-ASCII" "name" "cc.diff") '
        b'"<960723163407.20117h@cac.washington.edu>" "Compiler diff" "base64" 4554 73) "mixed")'
    )


def test_extension_data_follow_in_their_order():
    message = (
        b"MIME-Version: 1.0\r\nContent-Type: image/png; name=a.png\r\nContent-MD5: Q2hlY2s=\r\n"
        b'Content-Disposition: attachment; filename="a b.png"; size=4\r\n'
        b"Content-Language: en, de\r\nContent-Location: http://x.org/a\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA"
    )
    assert structures(message)[1] == (
        b'("image" "png" ("name" "a.png") NIL NIL "base64" 4 "Q2hlY2s=" '
        b'("attachment" ("filename" "a b.png" "size" "4")) ("en" "de") "http://x.org/a")'
    )


def test_a_multipart_has_its_parameters_in_the_extended_form_only():
    message = multipart(b"--B\r\n\r\none\r\n--B--\r\n", b'multipart/related; boundary=B; type="text/html"')
    body, extended = structures(message)
    assert body == b"((" + PLAIN + b' 3 0) "related")'
    assert extended == (
        b"((" + PLAIN + b' 3 0 NIL NIL NIL NIL) "related" ("boundary" "B" "type" "text/html") NIL NIL NIL)'
    )


def test_a_message_in_a_message_has_envelope_structure_and_lines():
    inner = b"From: in@x.org\r\nSubject: inner\r\n\r\nhello\r\n"
    message = multipart(b"--B\r\nContent-Type: message/rfc822\r\n\r\n" + inner + b"\r\n--B--\r\n")
    author = b'((NIL NIL "in" "x.org"))'
    assert structures(message)[0] == (
        b'(("message" "rfc822" NIL NIL NIL "7bit" 41 (NIL "inner" '
        + b" ".join([author] * 3)
        + b" NIL NIL NIL NIL NIL)"
        b" (" + PLAIN + b' 7 1) 4) "mixed")'
    )


def test_parts_of_a_digest_are_messages_unless_they_say_otherwise(imap_data):
    message = multipart(
        b"--B\r\n\r\nSubject: one\r\n\r\nx\r\n--B\r\nContent-Type: text/plain\r\n\r\ny\r\n--B--\r\n",
        b"multipart/digest; boundary=B",
    )
    found = imap_data(structures(message)[0])
    assert found[0][:2] == [b"message", b"rfc822"]
    assert found[1][:2] == [b"text", b"plain"]


def test_continued_parameters_are_put_together(imap_data):
    message = (
        b"Content-Type: application/x-stuff; title*0*=us-ascii'en'This%20is%20even%20more%20;\r\n"
        b' title*1*=%2A%2A%2Afun%2A%2A%2A%20; title*2="isn\'t it!"; name*0=a; name*1=b\r\n\r\n'
    )
    assert imap_data(structures(message)[0])[2] == [
        b"title*",
        b"us-ascii'en'This%20is%20even%20more%20%2A%2A%2Afun%2A%2A%2A%20isn%27t%20it!",
        b"name",
        b"ab",
    ]


def test_a_multipart_without_any_delimiter_is_text():
    for content_type in (
        b"multipart/mixed",
        b"multipart/mixed; boundary=other",
        b'multipart/mixed; boundary=""',
    ):
        assert structures(multipart(b"words\r\n", content_type))[0] == b"(" + PLAIN + b" 7 1)"


def test_a_content_type_that_is_none_is_text():
    for value in (b"", b"text", b"; charset=x", b"\xff/\xff", b"/"):
        assert structures(b"Content-Type: " + value + b"\r\n\r\nx\r\n")[0] == b"(" + PLAIN + b" 3 1)"


def test_nesting_beyond_the_limit_is_an_octet_stream():
    message = b"Content-Type: message/rfc822\r\n\r\n" * 200 + b"x"
    encoded = structures(message)[0]
    assert encoded.count(b'"message" "rfc822"') == 50
    assert b'("application" "octet-stream" NIL NIL NIL "7bit" %d)' % (149 * 32 + 1) in encoded


def test_parts_beyond_the_limit_are_left_in_the_last_one(imap_data):
    found = imap_data(structures(multipart(b"--B\r\n\r\nx\r\n" * 5000 + b"--B--\r\n"))[0])
    parts = [part for part in found if isinstance(part, list)]
    assert len(parts) == 999
    assert parts[-1][6] > 40_000


def test_eight_bit_parameters_are_literals():
    message = b'Content-Type: application/pdf; name="\xc3\xbc.pdf"\r\n\r\n'
    assert structures(message)[0] == b'("application" "pdf" ("name" {6}\r\n\xc3\xbc.pdf) NIL NIL "7bit" 0)'
