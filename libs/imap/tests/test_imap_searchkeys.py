"""Search keys: what nests is joined where the meaning stays, and nothing calls itself."""

from mailyard.imap.grammar.searchkeys import (
    AllMessages,
    And,
    HasFlag,
    Larger,
    Not,
    Or,
    Smaller,
    all_of,
    either,
    leaves,
    negated,
)

A, B, C = HasFlag("\\Seen"), Larger(10), Smaller(20)


def test_a_double_negation_is_the_key() -> None:
    assert negated(A) == Not(A)
    assert negated(negated(A)) == A


def test_or_of_or_is_one_or_and_the_order_is_kept() -> None:
    assert either(A, either(B, C)) == Or((A, B, C))
    assert either(either(A, B), C) == Or((A, B, C))
    assert either(A, Not(either(B, C))) == Or((A, Not(Or((B, C)))))


def test_groups_in_groups_are_one_group_and_a_group_of_one_is_its_key() -> None:
    assert all_of([A]) == A
    assert all_of([all_of([A, B]), C]) == And((A, B, C))


def test_leaves_are_found_at_any_depth() -> None:
    key = AllMessages()
    for _ in range(50_000):
        key = Not(Not(key))
    assert list(leaves([key])) == [AllMessages()]
    assert set(leaves([And((A, Or((B, Not(C)))))])) == {A, B, C}
