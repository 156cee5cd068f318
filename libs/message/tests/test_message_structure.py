from mailyard.message.structure import Kind, Part, StructureLimits, scan_structure


def shape(part: Part):
    """The tree as nested lists of media types."""
    name = f"{part.content_type.type.decode()}/{part.content_type.subtype.decode()}"
    return [name, *map(shape, part.children)] if part.children else name


def contents(data: bytes, part: Part) -> list[bytes]:
    return [data[child.body : child.end] for child in part.children]


def multipart(body: bytes, boundary: bytes = b"B") -> bytes:
    return b"Content-Type: multipart/mixed; boundary=" + boundary + b"\r\n\r\n" + body


def scan(data: bytes) -> Part:
    return scan_structure(b"", data)


def test_the_line_end_before_a_delimiter_is_not_the_parts():
    data = multipart(b"preamble\r\n--B\r\n\r\none\r\n--B\r\n\r\ntwo\r\n\r\n--B--\r\nepilogue\r\n")
    assert contents(data, scan(data)) == [b"one", b"two\r\n"]


def test_offsets_count_from_the_first_octet_of_the_prefix():
    prefix, body = b"Return-Path: <>\r\n", multipart(b"--B\r\n\r\none\r\n--B--\r\n")
    part = scan_structure(prefix, body)
    assert (part.start, part.end) == (0, len(prefix + body))
    assert contents(prefix + body, part) == [b"one"]


def test_the_prefix_is_part_of_the_header_section():
    part = scan_structure(b"Content-Type: text/html\r\n", b"Subject: x\r\n\r\n<p>")
    assert shape(part) == "text/html"


def test_a_prefix_that_is_no_header_fields_is_read_with_the_body_as_one():
    for prefix in (b"A: 1", b"A: 1\r\n\r\n", b"\r\n", b"A: 1\n\nx\n"):
        body = b"Content-Type: image/png\r\n\r\nxyz"
        assert scan_structure(prefix, body) == scan_structure(b"", prefix + body)


def test_a_missing_end_delimiter_ends_with_the_message():
    data = multipart(b"--B\r\n\r\none\r\n--B\r\n\r\ntwo")
    assert contents(data, scan(data)) == [b"one", b"two"]


def test_white_space_and_more_may_stand_behind_a_boundary():
    data = multipart(b"--B \t\r\n\r\none\r\n--Bxx\r\n\r\ntwo\r\n--B-- \r\n")
    assert contents(data, scan(data)) == [b"one", b"two"]


def test_parts_may_be_empty():
    data = multipart(b"--B\r\n--B\r\n\r\n--B--\r\n")
    assert contents(data, scan(data)) == [b"", b""]


def test_a_delimiter_ends_a_header_section_without_empty_line():
    data = multipart(b"--B\r\nContent-Type: text/html\r\n--B\r\n\r\ntwo\r\n--B--\r\n")
    assert shape(scan(data)) == ["multipart/mixed", "text/html", "text/plain"]


def test_an_outer_delimiter_ends_the_inner_multipart():
    data = multipart(
        b"--B\r\nContent-Type: multipart/alternative; boundary=C\r\n\r\n--C\r\n\r\na\r\n--B\r\n\r\nb\r\n--B--\r\n"
    )
    assert shape(scan(data)) == ["multipart/mixed", ["multipart/alternative", "text/plain"], "text/plain"]


def test_of_equal_boundaries_the_innermost_is_meant():
    data = multipart(
        b"--B\r\nContent-Type: multipart/alternative; boundary=B\r\n\r\n"
        b"--B\r\n\r\na\r\n--B--\r\n--B\r\n\r\nb\r\n--B--\r\n"
    )
    assert shape(scan(data)) == ["multipart/mixed", ["multipart/alternative", "text/plain"], "text/plain"]


def test_of_boundaries_that_begin_alike_the_longest_is_meant():
    inner = b"--BB\r\n\r\na\r\n--BB--\r\n"
    data = multipart(b"--B\r\nContent-Type: multipart/related; boundary=BB\r\n\r\n" + inner + b"--B--\r\n")
    assert shape(scan(data)) == ["multipart/mixed", ["multipart/related", "text/plain"]]
    data = multipart(
        b"--BB\r\nContent-Type: multipart/related; boundary=B\r\n\r\n--B\r\n\r\na\r\n--B--\r\n--BB\r\n\r\nb\r\n--BB--\r\n",
        b"BB",
    )
    assert shape(scan(data)) == ["multipart/mixed", ["multipart/related", "text/plain"], "text/plain"]


def test_bare_line_feeds_delimit_too():
    data = multipart(b"--B\r\n\r\none\r\n--B--\r\n").replace(b"\r\n", b"\n")
    assert contents(data, scan(data)) == [b"one"]


def test_a_boundary_in_the_form_of_rfc_2231_is_understood():
    data = b"Content-Type: multipart/mixed; boundary*=us-ascii''a%20b\r\n\r\n--a b\r\n\r\none\r\n--a b--\r\n"
    assert contents(data, scan(data)) == [b"one"]


def test_a_message_part_ends_where_its_multipart_says():
    data = multipart(b"--B\r\nContent-Type: message/rfc822\r\n\r\nSubject: x\r\n\r\nhello\r\n--B--\r\n")
    part = scan(data).children[0]
    assert part.kind is Kind.MESSAGE
    assert data[part.children[0].body : part.children[0].end] == b"hello"


def test_many_lines_that_only_look_like_delimiters_cost_little_and_change_nothing():
    inner = b"Content-Type: multipart/related; boundary=CCC\r\n\r\n--CCC\r\n\r\na\r\n"
    data = multipart(
        b"--BBB\r\n" + inner + b"-- \r\n" * 5000 + b"--CCC--\r\n--BBB\r\n\r\nb\r\n--BBB--\r\n", b"BBB"
    )
    assert shape(scan(data)) == ["multipart/mixed", ["multipart/related", "text/plain"], "text/plain"]


def test_limits_can_be_set():
    data = multipart(b"--B\r\n\r\nx\r\n" * 10)
    assert len(scan_structure(b"", data, StructureLimits(parts=4)).children) == 3
    assert shape(scan_structure(b"", data, StructureLimits(depth=0))) == "application/octet-stream"
    assert len(scan_structure(b"", b"A: 1\r\n" * 10 + b"\r\n", StructureLimits(fields=5)).fields) == 5


def test_hostile_nesting_keeps_to_the_limit_of_parts():
    def count(part: Part) -> int:
        return 1 + sum(map(count, part.children))

    level = b"--B\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n"
    assert count(scan(multipart((level + b"--B\r\n\r\nx\r\n" * 100) * 100))) <= 1000


def test_lines_are_counted_for_text_and_messages_only():
    data = multipart(
        b"--B\r\n\r\na\r\nb\r\n\r\n--B\r\nContent-Type: image/gif\r\n\r\na\r\nb\r\n\r\n--B--\r\n"
    )
    assert [part.lines for part in scan(data).children] == [2, 0]
