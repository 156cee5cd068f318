import asyncio
import random
import time

import pytest

from mailyard.broker.pipeline import Route
from mailyard.filter.mail import Mail, MailEnvelope, Need
from mailyard.filter.rules.contentcheck import ContentCheck
from mailyard.filter.rules.patterns import Comparison, Pattern
from mailyard.filter.rules.rule import Condition, LookAt, Rule
from mailyard.filter.rules.ruleset import RuleSet
from mailyard.proto.v1.ticket_pb2 import Action
from mailyard.runtime.errors import Unavailable

ENVELOPE = MailEnvelope("boss@example.org", ("joe@example.com", "ann@example.net"), "acme", Route.LOCAL, 5000)
BODY = (
    b"From: boss@example.org\r\nSubject: =?utf-8?q?You_have_w=C3=B6n?=\r\nX-A: 1\r\nX-A: 2\r\n"
    b"Content-Type: multipart/mixed; boundary=B\r\n\r\n"
    b"preamble words\r\n--B\r\nContent-Type: text/plain; charset=iso-8859-1\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n"
    b"a wire=\r\n trans=\r\nfer of 5 =A3\r\n"
    b'--B\r\nContent-Type: application/pdf; name="in voice.PDF"\r\nContent-Transfer-Encoding: base64\r\n\r\nAAAA\r\n'
    b"--B\r\nContent-Type: text/html\r\n\r\n<b>claim</b>\r\n--B--\r\n"
)
MAIL = Mail(ENVELOPE, b"Received: from a\r\n\tby b\r\n", BODY)


def condition(
    look_at: LookAt, test: Comparison, *texts: str, negate: bool = False, header: bytes = b""
) -> Condition:
    patterns = tuple(Pattern(test, text, loose_space=look_at is LookAt.BODY) for text in texts)
    return Condition(look_at, header, patterns, negate=negate)


def rule(*conditions: Condition, name: str = "r", every: bool = True, stop: bool = False) -> Rule:
    return Rule(name, conditions, Action.ACTION_TAG, every=every, stop=stop)


def holds(*conditions: Condition, every: bool = True) -> bool:
    return bool(RuleSet([rule(*conditions, every=every)]).match(MAIL))


YES = condition(LookAt.TENANT, Comparison.IS, "acme")
NO = condition(LookAt.TENANT, Comparison.IS, "other")


@pytest.mark.parametrize(
    ("tested", "expected"),
    [
        (condition(LookAt.HEADER, Comparison.CONTAINS, "you have wön", header=b"subject"), True),
        (condition(LookAt.HEADER, Comparison.IS, "2", header=b"x-a"), True),
        (condition(LookAt.HEADER, Comparison.IS, "3", header=b"x-a"), False),
        (condition(LookAt.HEADER, Comparison.REGEX, ".*", header=b"x-b"), False),
        (condition(LookAt.HEADER, Comparison.IS, "from a by b", header=b"received"), True),
        (condition(LookAt.BODY, Comparison.CONTAINS, "wire transfer of 5 £"), True),
        (condition(LookAt.BODY, Comparison.CONTAINS, "<b>claim"), True),
        (condition(LookAt.BODY, Comparison.CONTAINS, "preamble"), False),
        (condition(LookAt.RAW, Comparison.CONTAINS, "preamble"), True),
        (condition(LookAt.RAW, Comparison.CONTAINS, "trans=\r\nfer"), True),
        (condition(LookAt.ATTACHMENT_NAME, Comparison.GLOB, "in*.pdf"), True),
        (condition(LookAt.ATTACHMENT_TYPE, Comparison.IS, "application/pdf"), True),
        (condition(LookAt.ATTACHMENT_TYPE, Comparison.IS, "text/plain"), False),
        (condition(LookAt.SENDER, Comparison.GLOB, "*@example.org"), True),
        (condition(LookAt.RECIPIENT, Comparison.IS, "ann@example.net"), True),
        (condition(LookAt.RECIPIENT_DOMAIN, Comparison.IS, "example.com"), True),
        (condition(LookAt.RECIPIENT_DOMAIN, Comparison.IS, "example.org"), False),
        (condition(LookAt.TENANT, Comparison.IS, "acme", "other"), True),
        (condition(LookAt.DIRECTION, Comparison.IS, "local"), True),
        (condition(LookAt.DIRECTION, Comparison.IS, "local", negate=True), False),
        (condition(LookAt.BODY, Comparison.CONTAINS, "absent", negate=True), True),
        (Condition(LookAt.SIZE, over=4999), True),
        (Condition(LookAt.SIZE, over=5000), False),
        (Condition(LookAt.SIZE, under=5001), True),
        (Condition(LookAt.SIZE, over=100, under=200), False),
        (Condition(LookAt.SIZE, over=100, under=200, negate=True), True),
    ],
)
def test_conditions_look_at_what_they_name(tested, expected):
    assert holds(tested) is expected


def test_all_or_any_of_the_conditions_must_hold():
    assert holds(YES, YES)
    assert not holds(YES, NO)
    assert holds(NO, YES, every=False)
    assert not holds(NO, NO, every=False)


def test_rules_match_in_their_order_up_to_one_that_says_stop():
    rules = RuleSet(
        [
            rule(YES, name="a"),
            rule(NO, name="b", stop=True),
            rule(YES, name="c", stop=True),
            rule(YES, name="d"),
        ]
    )
    assert [each.name for each in rules.match(MAIL)] == ["a", "c"]


BODY_WORDS = condition(LookAt.BODY, Comparison.CONTAINS, "x")
SUBJECT_WORDS = condition(LookAt.HEADER, Comparison.CONTAINS, "x", header=b"subject")


@pytest.mark.parametrize(
    ("rules", "need"),
    [
        ([], Need.ENVELOPE),
        ([rule(YES), rule(NO)], Need.ENVELOPE),
        ([rule(SUBJECT_WORDS)], Need.HEADER),
        ([rule(SUBJECT_WORDS), rule(YES, BODY_WORDS)], Need.CONTENT),
        ([rule(SUBJECT_WORDS), rule(NO, BODY_WORDS)], Need.HEADER),
        ([rule(NO, BODY_WORDS)], Need.ENVELOPE),
        ([rule(YES, BODY_WORDS, every=False)], Need.ENVELOPE),
        ([rule(NO, BODY_WORDS, every=False)], Need.CONTENT),
    ],
)
def test_only_what_may_change_the_answer_is_needed(rules, need):
    assert RuleSet(rules).needs(ENVELOPE) is need


def test_a_body_is_not_matched_when_the_envelope_decides():
    class Unreadable(Mail):
        @property
        def texts(self):
            raise AssertionError("the body was looked at")

    assert RuleSet([rule(BODY_WORDS, NO)]).match(Unreadable(ENVELOPE)) == []


def test_many_rules_share_one_pass(monkeypatch):
    rules = RuleSet(
        [
            rule(condition(LookAt.BODY, Comparison.CONTAINS, word), name=word)
            for word in ("wire", "claim", "absent")
        ]
    )
    calls = []
    (patterns,) = rules._sets.values()
    match = patterns.match
    monkeypatch.setattr(patterns, "match", lambda texts: calls.append(1) or match(texts))
    assert [each.name for each in rules.match(MAIL)] == ["wire", "claim"]
    assert calls == [1]


async def test_the_check_reports_every_rule_that_matches():
    check = ContentCheck(lambda: RuleSet([rule(YES, name="a"), rule(NO, name="b")]))
    ((finding,), ()) = await check.inspect([MAIL, Mail(MailEnvelope("", (), "none", Route.LOCAL, 1))])
    assert (finding.check, finding.rule, finding.action) == ("rules", "a", Action.ACTION_TAG)


async def test_rules_that_came_in_between_and_need_more_make_the_batch_be_read_again():
    check = ContentCheck(lambda: RuleSet([rule(BODY_WORDS)]))
    with pytest.raises(Unavailable, match="rules changed"):
        await check.inspect([Mail(ENVELOPE, seen=Need.HEADER)])


CUT = Mail(ENVELOPE, b"", b"Subject: x\r\n\r\ntext", is_cut=True)
TWICE = Mail(ENVELOPE, b"", b"Subject: x\r\nSubject: y\r\n\r\ntext")
NEVER = condition(LookAt.BODY, Comparison.CONTAINS, "absent")


@pytest.mark.parametrize(
    ("mail", "names", "expected"),
    [
        (MAIL, ["*"], False),
        (CUT, ["content-cut"], True),
        (CUT, ["incomplete"], True),
        (CUT, ["too-deep"], False),
        (TWICE, ["duplicate-field"], True),
        (TWICE, ["incomplete"], False),
        (Mail(ENVELOPE, b"", b"X: " + b"x" * 100, seen=Need.HEADER, is_cut=True), ["header-too-long"], True),
    ],
)
def test_a_rule_may_look_at_what_was_cut_or_is_doubtful(mail, names, expected):
    tested = condition(LookAt.DEFECT, Comparison.GLOB, *names)
    assert bool(RuleSet([rule(tested)]).match(mail)) is expected


def supposing(*conditions: Condition, every: bool = True, stop: bool = False) -> Rule:
    return Rule("s", conditions, Action.ACTION_QUARANTINE, every=every, stop=stop, supposes=True)


@pytest.mark.parametrize(
    ("tested", "mail", "expected"),
    [
        (supposing(NEVER), CUT, True),
        (supposing(NEVER), MAIL, False),
        (supposing(NEVER, NO), CUT, False),
        (supposing(NEVER, YES), CUT, True),
        (supposing(NEVER, NO, every=False), CUT, True),
        (supposing(YES), CUT, True),
        (supposing(NO), CUT, False),
        (supposing(condition(LookAt.BODY, Comparison.CONTAINS, "text", negate=True)), CUT, False),
        (rule(NEVER), CUT, False),
    ],
)
def test_what_could_not_be_looked_at_may_count_as_matching(tested, mail, expected):
    assert bool(RuleSet([tested]).match(mail)) is expected


def test_a_rule_that_only_may_match_does_not_stop_the_others():
    rules = RuleSet([supposing(NEVER, stop=True), rule(YES, name="after")])
    assert [each.name for each in rules.match(CUT)] == ["s", "after"]


def test_only_what_was_looked_at_has_its_defects_noted():
    for looked_at, expected in (
        (LookAt.TENANT, set()),
        (LookAt.HEADER, {"duplicate-field"}),
        (LookAt.BODY, {"duplicate-field"}),
    ):
        mail = Mail(ENVELOPE, b"", TWICE.start)
        tested = condition(looked_at, Comparison.CONTAINS, "absent", header=b"subject")
        RuleSet(
            [rule(tested), rule(condition(LookAt.HEADER, Comparison.IS, "x", header=b"x"))][
                : 1 + (looked_at is LookAt.BODY)
            ]
        ).match(mail)
        assert mail.noted_defects == expected


@pytest.mark.parametrize(
    "body",
    [
        (b"Content-Type: message/rfc822\r\nContent-Transfer-Encoding: base64\r\n\r\n"
        b"Q29udGVudC1UeXBlOiBhL2I7IG5hbWU9ZXZpbC5leGUNCg0KRklMVEVSTUFSSw0K"),
        b"Content-Type: message/global\r\n\r\nContent-Type: text/plain; name=evil.exe\r\n\r\nFILTERMARK",
        b"Content-Type: text/plain\r\nContent-Type: multipart/mixed; boundary=B\r\n\r\n--B\r\nContent-Type: a/b; name=evil.exe\r\n\r\n--B--\r\n",
        b"Content-Type: multipart/mixed; boundary=B\r\n\r\n" + b"--B\r\n\r\n\r\n" * 1500 + b"--B\r\nContent-Type: a/b; name=evil.exe\r\n\r\n--B--\r\n",
        b"X: 1\r\n" * 2000 + b"Content-Type: a/b; name=evil.exe\r\n\r\n",
        b"X: " + b"x" * 300_000 + b"\r\nContent-Type: a/b; name=evil.exe\r\n\r\n",
    ],
    ids=["encoded message", "message/global", "two content types", "parts beyond a limit", "many fields", "long header"],
)  # fmt: skip
def test_an_attachment_is_found_where_mail_readers_find_it(body):
    named = condition(LookAt.ATTACHMENT_NAME, Comparison.GLOB, "*.exe")
    assert RuleSet([rule(named)]).match(Mail(ENVELOPE, b"", body))


def test_a_subject_behind_many_fields_is_found():
    mail = Mail(ENVELOPE, b"", b"X: 1\r\n" * 2000 + b"Subject: SUBJMARK\r\n\r\n")
    assert RuleSet([rule(condition(LookAt.HEADER, Comparison.IS, "subjmark", header=b"subject"))]).match(mail)


async def test_a_small_message_that_costs_much_is_matched_beside_the_loop():
    globs = [condition(LookAt.BODY, Comparison.GLOB, f"*w{number}*x?{number % 7}*") for number in range(400)]
    rules = RuleSet([rule(*globs, every=False)])
    dice = random.Random(1)
    text = "".join(dice.choice([f"w{dice.randrange(400)}", "x", "y3", " ", "a"]) for _ in range(9000))
    check = ContentCheck(lambda: rules)
    longest, began = 0.0, time.perf_counter()
    last = began
    task = asyncio.create_task(check.inspect([Mail(ENVELOPE, b"", b"\r\n" + text.encode()[:15_000])]))
    while not task.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    await task
    assert longest < (last - began) / 3


async def test_large_messages_are_matched_beside_the_loop():
    body = b"Content-Type: text/html\r\n\r\n" + b"<a>&amp;" * 1_000_000
    check = ContentCheck(lambda: RuleSet([rule(NEVER)]))
    longest, last = 0.0, time.perf_counter()
    task = asyncio.create_task(check.inspect([Mail(ENVELOPE, b"", body)] * 2))
    while not task.done():
        await asyncio.sleep(0.001)
        now = time.perf_counter()
        longest, last = max(longest, now - last), now
    assert await task == [[], []]
    assert longest < 0.5


@pytest.mark.parametrize(
    "value",
    ["a@bad(x).test", "a@bad . test", "a @bad.test", '"x" <a@(bad)bad.test>', "<@r.test:a@ bad.test>"],
)
def test_addresses_are_looked_at_as_clients_show_them(value) -> None:
    mail = Mail(ENVELOPE, b"", f"From: {value}\r\nX-From: {value}\r\n\r\n".encode())
    assert any("a@bad.test" in text for text in mail.header_values(b"from"))
    assert mail.header_values(b"x-from") == [value]
