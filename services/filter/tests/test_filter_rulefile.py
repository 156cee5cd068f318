import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mailyard.filter.rules.patterns import Comparison, Pattern
from mailyard.filter.rules.rule import Condition, LookAt, Rule
from mailyard.filter.rules.rulefile import RuleFileError, read_rules
from mailyard.proto.v1.ticket_pb2 import Action


@pytest.fixture
def read(tmp_path):
    def read(text: str, name: str = "rules.toml") -> list[Rule]:
        (tmp_path / name).write_text(text)
        return read_rules(tmp_path / name)

    return read


WHEN = 'when = [{ look_at = "body", contains = "x" }]'
LARGE = 'when = [{ look_at = "size", over = 1 }]'


def test_a_rule_is_read_with_all_its_fields(read):
    (rule,) = read(
        """
        [[rule]]
        name = "lottery"
        match = "any"
        action = "tag"
        stop = true
        spam = true
        add_fields = { "X-Score" = "high" }
        when = [
            { look_at = "header", name = "Subject", contains = ["won", "prize"], ignore_case = false },
            { look_at = "size", over = 10, under = 20, not = true },
        ]
        """
    )
    assert rule == Rule(
        name="lottery",
        conditions=(
            Condition(
                LookAt.HEADER,
                header=b"subject",
                patterns=(
                    Pattern(Comparison.CONTAINS, "won", ignore_case=False),
                    Pattern(Comparison.CONTAINS, "prize", ignore_case=False),
                ),
            ),
            Condition(LookAt.SIZE, over=10, under=20, negate=True),
        ),
        action=Action.ACTION_TAG,
        every=False,
        stop=True,
        fields=(b"X-Mailyard-Rule: lottery\r\n", b"X-Spam-Flag: YES\r\n", b"X-Score: high\r\n"),
    )


def test_quarantine_flags_spam_and_rejection_has_words_by_itself(read):
    quarantine, reject = read(
        f'[[rule]]\nname = "q"\naction = "quarantine"\n{WHEN}\n[[rule]]\nname = "r"\naction = "reject"\n{WHEN}\n'
    )
    assert quarantine.fields == (b"X-Mailyard-Rule: q\r\n", b"X-Spam-Flag: YES\r\n")
    assert (reject.status, reject.text, reject.fields) == ("5.7.1", "message refused by policy", ())


def test_json_says_the_same(read):
    rule = {"name": "q", "action": "discard", "when": [{"look_at": "body", "contains": "x"}]}
    assert read(json.dumps({"rule": [rule]}), "rules.json") == read(
        f'[[rule]]\nname = "q"\naction = "discard"\n{WHEN}'
    )


def test_a_file_without_rules_is_no_mistake(read):
    assert read("") == []


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (
            f'name = "a"\naction = "tag"\n{LARGE}\nwho = 1',
            'rule 1 "a": who: no such field here; the fields are name, when,',
        ),
        (f'action = "tag"\n{LARGE}', "rule 1: name: it is missing"),
        (f'name = "a b"\naction = "tag"\n{LARGE}', 'rule 1 "a b": name: letters, digits, dots, dashes'),
        (f'name = "a"\n{LARGE}', 'rule 1 "a": action: one of tag, quarantine, reject, discard is needed'),
        (
            f'name = "a"\naction = "drop"\n{LARGE}',
            "action: one of tag, quarantine, reject, discard is needed, not 'drop'",
        ),
        (
            f'name = "a"\naction = ["tag"]\n{LARGE}',
            "action: one of tag, quarantine, reject, discard is needed, not ['tag']",
        ),
        (
            f'name = "a"\naction = "tag"\nmatch = "some"\n{LARGE}',
            "match: one of all, any is needed, not 'some'",
        ),
        (f'name = "a"\naction = "tag"\nstop = 1\n{LARGE}', "stop: true or false is needed, not 1"),
        ('name = "a"\naction = "tag"', "when: a list of conditions is needed, one at least"),
        ('name = "a"\naction = "tag"\nwhen = []', "when: a list of conditions is needed, one at least"),
        ('name = "a"\naction = "tag"\nwhen = [1]', "condition 1: a table is needed"),
        (f'name = "a"\naction = "tag"\nstatus = "5.7.1"\n{LARGE}', 'status is for action = "reject"'),
        (
            f'name = "a"\naction = "reject"\nstatus = "550"\n{LARGE}',
            "status: an enhanced status code such as 5.7.1, not '550'",
        ),
        (
            f'name = "a"\naction = "reject"\ntext = "a\\nb"\n{LARGE}',
            "text: one line of printable ASCII, 400 at most, not",
        ),
        (
            f'name = "a"\naction = "reject"\nspam = true\n{LARGE}',
            "spam and add_fields are for tag and quarantine",
        ),
        (
            f'name = "a"\naction = "tag"\nadd_fields = {{ From = "x" }}\n{LARGE}',
            "add_fields: From: the name must begin with X-",
        ),
        (
            f'name = "a"\naction = "tag"\nadd_fields = {{ X-A = "x\\r\\nB: y" }}\n{LARGE}',
            "add_fields: X-A: the value must be one line",
        ),
        (f'name = "a"\naction = "tag"\nadd_fields = 3\n{LARGE}', "add_fields: a table is needed"),
    ],
)
def test_a_mistake_in_a_rule_is_told_with_rule_and_field(read, text, problem):
    with pytest.raises(RuleFileError) as refusal:
        read(f"[[rule]]\n{text}")
    (told,) = refusal.value.problems
    assert problem in told


@pytest.mark.parametrize(
    ("condition", "problem"),
    [
        ('look_at = "subject", contains = "x"', "look_at: one of header, body, raw, attachment-name,"),
        ('contains = "x"', "look_at: one of header, body"),
        ('look_at = "header", contains = "x"', "name: the name of the header field is missing"),
        (
            'look_at = "header", name = "Sub:ject", contains = "x"',
            "name: the name of a header field, without colon, not",
        ),
        ('look_at = "body", name = "Subject", contains = "x"', 'name is for look_at = "header"'),
        ('look_at = "body"', "one of contains, is, glob, regex is needed, and not several"),
        (
            'look_at = "body", contains = "x", regex = "x"',
            "one of contains, is, glob, regex is needed, and not several",
        ),
        ('look_at = "body", regex = "a("', "regex: 'a(': missing )"),
        ('look_at = "body", regex = ["a", "b["]', "regex: 'b[': missing ]"),
        ('look_at = "body", contains = ""', "contains: '': an empty pattern matches everything"),
        ('look_at = "body", contains = []', "contains: a text or a list of texts is needed"),
        ('look_at = "body", contains = 5', "contains: a text or a list of texts is needed"),
        ('look_at = "body", contains = "x", over = 5', 'over and under are for look_at = "size"'),
        (
            'look_at = "body", contains = "x", ignore_case = "no"',
            "ignore_case: true or false is needed, not 'no'",
        ),
        ('look_at = "size"', "over or under: one is needed, in octets"),
        ('look_at = "size", over = "1M"', "over: a whole number is needed, not '1M'"),
        ('look_at = "size", over = -1', "over and under count octets"),
        (
            'look_at = "size", contains = "x"',
            "contains: no such field here; a size is compared with over and under",
        ),
    ],
)
def test_a_mistake_in_a_condition_is_told_with_its_number(read, condition, problem):
    first = '{ look_at = "tenant", is = "acme" }'
    with pytest.raises(RuleFileError) as refusal:
        read(f'[[rule]]\nname = "a"\naction = "tag"\nwhen = [{first}, {{ {condition} }}]')
    (told,) = refusal.value.problems
    assert told.startswith('rule 1 "a": condition 2: ')
    assert problem in told


def test_every_mistake_of_a_file_is_reported(read):
    rule = f'[[rule]]\nname = "a"\naction = "tag"\n{WHEN}\n'
    with pytest.raises(RuleFileError) as refusal:
        read(rule + rule + rule.replace('"tag"', '"dance"'))
    assert [problem.partition(", ")[0] for problem in refusal.value.problems] == [
        'rule 2 "a": name: another rule has it',
        'rule 3 "a": name: another rule has it',
        'rule 3 "a": action: one of tag',
    ]


def test_every_mistake_of_a_rule_is_reported(read):
    with pytest.raises(RuleFileError) as refusal:
        read(
            """
            incomplete = "perhaps"
            [[rule]]
            name = "a b"
            action = "reject"
            match = "some"
            stop = 1
            status = "4.7.1"
            text = ""
            spam = true
            colour = "red"
            shape = "round"
            incomplete = true
            when = [
                { look_at = "size", over = -1 },
                { look_at = "header", regex = ["(", "ok", ")"] },
                { look_at = "sky", not = 3, hue = 1 },
                { look_at = "body", over = 3, glob = "" },
                5,
                { look_at = "defect", is = ["too-deep", "too-high"] },
            ]
            [[rule]]
            name = "good"
            action = "tag"
            when = []
            """
        )
    problems = [problem.removeprefix('rule 1 "a b": ') for problem in refusal.value.problems]
    expected = [
        "incomplete: one of ignore, match is needed",
        "colour: no such field",
        "shape: no such field",
        "name: letters, digits",
        "condition 1: over and under count octets",
        "condition 2: name: the name of the header field",
        "condition 2: regex: '('",
        "condition 2: regex: ')'",
        "condition 3: hue: no such field",
        "condition 3: not: true or false",
        "condition 3: look_at: one of",
        'condition 4: over and under are for look_at = "size"',
        "condition 4: glob: ''",
        "condition 5: a table is needed",
        "condition 6: is: 'too-high': no such defect",
        "match: one of",
        "stop: true or false",
        "status: an enhanced status code",
        "text: one line",
        "spam and add_fields are for tag",
        "incomplete: one of",
        'rule 2 "good": when: a list',
    ]
    assert [problem[: len(text)] for problem, text in zip(problems, expected, strict=True)] == expected


def test_incomplete_is_set_for_the_file_or_for_a_rule_and_tags_are_left_out(read):
    def rule(name: str, action: str, more: str = "") -> str:
        return f'[[rule]]\nname = "{name}"\naction = "{action}"\n{WHEN}\n{more}\n'

    rules = read(
        'incomplete = "match"\n'
        + rule("a", "reject")
        + rule("b", "tag")
        + rule("c", "reject", 'incomplete = "ignore"')
        + rule("d", "tag", 'incomplete = "match"')
    )
    assert [rule.supposes for rule in rules] == [True, False, False, True]


@pytest.mark.parametrize(
    ("text", "name", "problem"),
    [
        ("[[rule", "rules.toml", "is not TOML"),
        ("{", "rules.json", "is not JSON"),
        ("[]", "rules.json", "holds tables"),
        ("rules = 1", "rules.toml", "holds tables"),
        ("rule = 1", "rules.toml", "holds tables"),
        ('{"rule": [' + "1," * 1000 + "1]}", "rules.json", "1001 rules; the most is 1000"),
    ],
)
def test_a_file_that_is_no_file_of_rules_is_refused(read, text, name, problem):
    with pytest.raises(RuleFileError, match=problem):
        read(text, name)


def test_a_file_that_is_not_there_is_refused():
    with pytest.raises(RuleFileError, match="cannot be read: No such file"):
        read_rules(Path("/nowhere/rules.toml"))


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                ["rule", "name", "when", "action", "look_at", "contains", "match", "over", "add_fields"]
            ),
            inner,
        )
    ),
    max_leaves=20,
)


@given(JSON)
def test_any_json_is_rules_or_refused(tmp_path_factory, content):
    path = tmp_path_factory.getbasetemp() / "any.json"
    path.write_text(json.dumps(content))
    refusal = None
    try:
        rules = read_rules(path)
    except RuleFileError as error:
        refusal = error
    assert refusal.problems if refusal else all(rule.conditions for rule in rules)
