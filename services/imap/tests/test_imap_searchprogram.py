"""Programs of search keys give what a plain recursion over the keys gives, "not known yet" included."""

from hypothesis import given
from hypothesis import strategies as st

from mailyard.imap.grammar.searchkeys import And, InBody, Not, Or, all_of, either, negated
from mailyard.imap_server.session.searchprogram import program

_KEYS = st.recursive(
    st.sampled_from("abcd").map(InBody),
    lambda keys: (
        keys.map(negated) | st.builds(either, keys, keys) | st.lists(keys, min_size=2, max_size=4).map(all_of)
    ),
    max_leaves=30,
)
_FACTS = st.fixed_dictionaries({name: st.sampled_from((True, False, None)) for name in "abcd"})


def _expected(key, facts):
    match key:
        case Not(inner):
            outcome = _expected(inner, facts)
            return None if outcome is None else not outcome
        case And(keys) | Or(keys):
            decisive = isinstance(key, Or)
            outcomes = [_expected(each, facts) for each in keys]
            return decisive if decisive in outcomes else None if None in outcomes else not decisive
        case InBody(name):
            return facts[name]


@given(st.lists(_KEYS, min_size=1, max_size=4), _FACTS)
def test_a_program_gives_what_the_keys_mean(keys, facts):
    test = program(keys, lambda leaf: lambda known: known[leaf.text])
    assert test(facts) is _expected(all_of(keys), facts)


def test_an_expensive_key_that_is_not_needed_is_not_tried():
    def test_of(leaf):
        def test(_):
            if leaf.text == "expensive":
                raise AssertionError("was tried")
            return leaf.text == "yes"

        return test

    yes, no, expensive = InBody("yes"), InBody("no"), InBody("expensive")
    assert program([no, Not(Or((no, expensive)))], test_of)(None) is False
    assert program([Or((yes, And((yes, expensive))))], test_of)(None) is True


def test_keys_that_nest_thousands_of_levels_deep_are_tested_without_recursion():
    key = InBody("leaf")
    for _ in range(2_000):
        key = Not(Or((InBody("no"), And((InBody("yes"), key)))))
    for leaf in (True, False, None):
        facts = {"leaf": leaf, "yes": True, "no": False}
        assert program([key], lambda each: lambda known: known[each.text])(facts) is leaf


def test_an_unknown_key_does_not_hide_what_the_others_decide():
    facts = {"yes": True, "no": False, "unknown": None}
    yes, no, unknown = map(InBody, facts)
    for keys, outcome in (
        ([unknown, no], False),
        ([unknown, yes], None),
        ([Or((unknown, yes))], True),
        ([Or((unknown, no))], None),
        ([Not(unknown)], None),
        ([Not(And((unknown, no)))], True),
        ([Not(Or((unknown, yes)))], False),
        ([Or((unknown, Not(unknown)))], None),
    ):
        assert program(keys, lambda each: lambda known: known[each.text])(facts) is outcome


def test_no_test_is_run_again_before_the_first_unknown_one():
    calls = []

    def test_of(leaf):
        return lambda known: calls.append(leaf.text) or known[leaf.text]

    test = program([InBody("a"), InBody("b"), InBody("c")], test_of)
    assert test({"a": True, "b": None, "c": True}) is None
    assert calls == ["a", "b", "b", "c"]
