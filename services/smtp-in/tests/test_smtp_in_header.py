"""The header section as it streams by: fields, its end, and text that stands where fields should."""

import time
import tracemalloc
from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.smtp_in.header import HELD_OCTETS, HeaderStream, StopHeader


def run(chunks: list[bytes], *, strict: bool = False, dropped: frozenset[bytes] = frozenset()):
    """Return what is stored, and the names of the fields that were judged."""
    names: list[bytes] = []

    def judge(name: bytes, octets: bytes) -> bool:
        assert octets
        names.append(name)
        return name not in dropped

    stream = HeaderStream(judge, strict=strict)
    stored = b"".join([stream.feed(chunk) for chunk in chunks]) + stream.finish()
    assert stream.held == 0
    return stored, names


def single(octets: bytes) -> list[bytes]:
    return [octets[at : at + 1] for at in range(len(octets))]


SOUND = [
    b"Subject: x\r\n\r\ntext\r\n",
    b"\r\nonly text\r\n",
    b"Subject: x\r\n folded\r\n\tagain\r\nTo : y\r\n\r\n\r\nFrom: no field\r\n",
    b"Subject: no body\r\n",
    b"Subject: no line end",
    b"",
    b"A: 1\r\nthis is damage\r\nB: 2\r\n\r\ntext\r\n",
    b">From x@y Fri Nov 27 16:00:00 2026\r\nSubject: x\r\n\r\ntext\r\n",
    b"From x@y Fri Nov 27 16:00:00 2026\r\nSubject: x\r\n\r\ntext\r\n",
    b"A: 1\n\nbare line ends\n",
    b"A:\r\n \r\nB: a blank line continues\r\n\r\n",
    b"X-Long: " + b"y" * 200_000 + b"\r\n" + b"\t" + b"z" * 100_000 + b"\r\nB: 2\r\n\r\ntext",
    b"X: " + b"y" * 70_000,
]


@pytest.mark.parametrize("octets", SOUND, ids=range(len(SOUND)))
def test_a_sound_message_keeps_its_octets(octets: bytes) -> None:
    assert run([octets])[0] == octets
    assert run(single(octets))[0] == octets


@pytest.mark.parametrize(
    ("octets", "expected"),
    [
        (b"Dear all,\r\ntext: without a header\r\n", b"\r\nDear all,\r\ntext: without a header\r\n"),
        (b"\tfolded\r\nSubject: x\r\n\r\ny", b"\r\n\tfolded\r\nSubject: x\r\n\r\ny"),
        (b" \r\nSubject: x\r\n\r\ny", b"\r\n \r\nSubject: x\r\n\r\ny"),
        (b"Subject: x\r\nHello all\r\nbye\r\n", b"Subject: x\r\n\r\nHello all\r\nbye\r\n"),
        (b"Subject: x\r\nHello\r\n\r\nBye\r\n", b"Subject: x\r\n\r\nHello\r\n\r\nBye\r\n"),
        (b"From me to you\r\nHello\r\n\r\n", b"\r\nFrom me to you\r\nHello\r\n\r\n"),
        (b"no line end", b"\r\nno line end"),
        (b": no name\r\n\r\n", b"\r\n: no name\r\n\r\n"),
        (b"y" * 100_000, b"\r\n" + b"y" * 100_000),
        (b"A: 1\r\n" + b"y" * 100_000 + b"\r\n", b"A: 1\r\n\r\n" + b"y" * 100_000 + b"\r\n"),
        (b"A: 1\r\n" + b"x\n" * 20_000, b"A: 1\r\n\r\n" + b"x\n" * 20_000),
        (b"A: 1\r\n" + b"text\r\n" * 20_000 + b"B: 2\r\n", b"A: 1\r\n\r\n" + b"text\r\n" * 20_000 + b"B: 2\r\n"),
    ],
)  # fmt: skip
def test_text_without_a_header_section_gets_an_empty_line_before_it(octets: bytes, expected: bytes) -> None:
    assert run([octets])[0] == expected
    assert run(single(octets))[0] == expected


def test_a_strict_reader_ends_the_section_at_the_first_line_that_is_no_field() -> None:
    assert run([b"A: 1\r\ndamage\r\nFrom: x\r\n\r\n"], strict=True) == (
        b"A: 1\r\n\r\ndamage\r\nFrom: x\r\n\r\n",
        [b"a"],
    )
    assert run([b"From x Fri\r\nA: 1\r\n\r\n"], strict=True) == (b"A: 1\r\n\r\n", [b"a"])


def test_every_field_is_judged_once_whatever_its_writing() -> None:
    octets = b"RECEIVED: 1\r\nreceived :\r\n 2\r\nReceived\t: 3\r\nReceived:4\r\n\r\nReceived: text\r\n"
    assert run([octets])[1] == [b"received"] * 4
    assert run(single(octets))[1] == [b"received"] * 4


def test_a_dropped_field_goes_with_its_folded_lines_however_long() -> None:
    long = b"bad: " + b"x" * 100_000 + b"\r\n " + b"y" * 100_000 + b"\r\n"
    octets = b"A: 1\r\nBad: 2\r\n folded\r\n" + long + b"B: 3\r\n\r\nBad: text\r\n"
    expected = (b"A: 1\r\nB: 3\r\n\r\nBad: text\r\n", [b"a", b"bad", b"bad", b"b"])
    assert run([octets], dropped=frozenset({b"bad"})) == expected
    chunks = [octets[at : at + 999] for at in range(0, len(octets), 999)]
    assert run(chunks, dropped=frozenset({b"bad"})) == expected


FRAGMENTS = st.sampled_from(
    [
        b"Subject: x\r\n",
        b"Received: y",
        b"\r\n",
        b" folded",
        b"\t",
        b"text",
        b"From a b\r\n",
        b":",
        b"A : 1\r\n",
    ]
)


@given(st.lists(FRAGMENTS, max_size=20), st.booleans(), st.data())
def test_any_split_gives_the_same(fragments: list[bytes], strict: bool, data: st.DataObject) -> None:
    octets = b"".join(fragments)
    borders = data.draw(st.lists(st.integers(0, len(octets)), max_size=10).map(sorted))
    chunks = [octets[a:b] for a, b in zip([0, *borders], [*borders, len(octets)], strict=True)]
    whole = run([octets], strict=strict)
    assert run(chunks, strict=strict) == whole
    assert run(single(octets), strict=strict) == whole
    if not strict:
        assert whole[0].replace(b"\r\n", b"") == octets.replace(b"\r\n", b"")
        assert len(whole[0]) - len(octets) in (0, 2)


@pytest.mark.parametrize(
    "line", [b"X: " + b"y" * 600 + b"\r\n", b"X: " + b"y" * 60_000 + b"\r\n", b"stray\r\n", b"y"]
)
def test_a_huge_header_costs_linear_time_and_bounded_memory(line: bytes) -> None:
    octets = b"A: 1\r\n" + line * (4_000_000 // len(line))
    stream = HeaderStream(lambda _name, _octets: True)
    tracemalloc.start()
    began = time.process_time()
    stored = 0
    for at in range(0, len(octets), 1000):
        stored += len(stream.feed(octets[at : at + 1000]))
        assert stream.held <= HELD_OCTETS + 1000
    stored += len(stream.finish())
    seconds = time.process_time() - began
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 0 <= stored - len(octets) <= 2
    assert seconds < 20
    assert peak < 1_500_000


@pytest.mark.parametrize(
    "line", [b"a:\n", b"X: y\r\n", b" \n", b" folded\r\n", b"a:\nx\n", b"a: x\r\n b\r\n"]
)
@pytest.mark.parametrize("cut", [7, 256_000])
def test_a_header_of_very_many_lines_is_not_read_on(line: bytes, cut: int) -> None:
    octets = b"A: 1\r\n" + line * (1_000_000 // len(line))
    stream = HeaderStream(lambda _name, _octets: True)
    began = time.process_time()
    chunks = iter([octets[at : at + cut] for at in range(0, len(octets), cut)])
    with pytest.raises(StopHeader):
        deque(map(stream.feed, chunks), maxlen=0)
    assert sum(map(len, chunks)) > 500_000, "what follows was not asked for"
    assert time.process_time() - began < 0.5


def test_a_header_of_many_lines_is_read() -> None:
    octets = b"To: x\r\n" + b" y@z.test,\r\n" * 9_000 + b"X: y\r\n" * 900 + b"\r\n"
    assert run(single(octets))[0] == octets


@pytest.mark.parametrize("unit", [b"a", b"\n" + b" " * 9, b"\r\n" + b"\t" * 9])
def test_octets_that_come_one_by_one_take_no_more_memory_than_others(unit: bytes) -> None:
    stream = HeaderStream(lambda _name, _octets: True)
    stream.feed(b"A: ")
    tracemalloc.start()
    for _ in range(60_000 // len(unit)):
        for octet in unit:
            stream.feed(bytes((octet,)))
    held = tracemalloc.get_traced_memory()[0]
    tracemalloc.stop()
    assert stream.held > 50_000
    assert held < 200_000
