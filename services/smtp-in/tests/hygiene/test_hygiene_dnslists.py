"""DNS lists as values: how they are set, what counts as a hit, and how weights add up."""

import pytest

from mailyard.smtp_in.hygiene.dnslists import DnsList, Score, is_error, question_of, score_of


@pytest.mark.parametrize(
    ("ip", "question"),
    [
        ("192.0.2.1", "1.2.0.192"),
        ("::ffff:192.0.2.1", "1.2.0.192"),
        ("2001:db8::1", "1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2"),
        ("", ""),
        ("not an address", ""),
    ],
)
def test_an_address_is_asked_about_in_reverse(ip, question) -> None:
    assert question_of(ip) == question


def test_an_entry_has_a_zone_a_filter_and_a_weight() -> None:
    assert DnsList.parse("Zen.Example") == DnsList("zen.example")
    assert DnsList.parse("zen.example*-3") == DnsList("zen.example", None, -3)
    found = DnsList.parse("zen.example=127.0.[0;2].[2..4;9]*2")
    assert found.weight == 2
    assert found.parts == (frozenset({127}), frozenset({0}), frozenset({0, 2}), frozenset({2, 3, 4, 9}))


@pytest.mark.parametrize(
    "text",
    [
        *(
            "",
            "zen",
            "zen.example*0",
            "zen.example*",
            "zen.example=",
            "zen.example=127.0.0",
            "zen.example=127.0.0.256",
        ),
        *(
            "zen.example=127.0.0.[4..2]",
            "zen.example=127.0.0.[]",
            "zen.example=127..0.2",
            "zen example",
            "zen.example=x",
        ),
        *("zen.example=127.0.0.[2..11", "zen.example=127.0.0.2.3", "zen.example*1000"),
    ],
)
def test_what_is_no_entry_is_refused(text) -> None:
    with pytest.raises(ValueError, match=r"DNS list|weight|filter|set|range"):
        DnsList.parse(text)


@pytest.mark.parametrize(
    ("entry", "record", "is_hit"),
    [
        ("zen.example", "127.0.0.2", True),
        ("zen.example", "127.1.2.3", True),
        ("zen.example", "127.255.255.254", False),  # the list refuses the questions of public resolvers
        ("zen.example", "127.255.254.1", True),
        ("zen.example", "192.0.2.1", False),  # a resolver that answers everything
        ("zen.example", "2001:db8::1", False),
        ("zen.example", "junk", False),
        ("zen.example=127.0.0.[2..11]", "127.0.0.11", True),
        ("zen.example=127.0.0.[2..11]", "127.0.0.12", False),
        ("zen.example=127.255.255.254", "127.255.255.254", False),
    ],
)
def test_answers_that_are_no_statement_about_the_client_are_no_hits(entry, record, is_hit) -> None:
    assert DnsList.parse(entry).matches(record) is is_hit
    if is_error(record):
        assert not is_hit


def test_weights_add_up_and_each_entry_counts_once() -> None:
    lists = [
        DnsList.parse(each) for each in ("a.example=127.0.0.[2..3]*2", "a.example=127.0.0.9", "w.example*-4")
    ]
    assert score_of(lists, {"a.example": ["127.0.0.2", "127.0.0.3"]}) == Score(2, ("a.example",))
    assert score_of(lists, {"a.example": ["127.0.0.2", "127.0.0.9"]}) == Score(3, ("a.example",))
    both = score_of(lists, {"a.example": ["127.0.0.2"], "w.example": ["127.0.0.1"]})
    assert both == Score(-2, ("a.example",), is_allowed=True)
    assert score_of(lists, {"a.example": ["127.0.0.5"]}) == Score() == score_of(lists, {})
