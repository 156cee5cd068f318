"""Hooks in the SMTP dialogue: what they see, when they are asked, and what their answers do."""

import asyncio

import pytest

from mailyard.directory.model import LocalAccount
from mailyard.proto.v1.ticket_pb2 import Action
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.reply import reply
from mailyard.smtp_in.hooks import Hooks, SmtpHook
from mailyard.smtp_in.listeners import ListenerName
from mailyard.smtp_in.peer import certificate_subject
from mailyard.spool.finding import Finding

REFUSAL = reply(550, "5.7.1", "Not here")
STEPS = ["connect", "helo", "mail", "rcpt", "end_of_data"]


def finding(text: str) -> Finding:
    return Finding("test", "x", Action.ACTION_PASS, text)


class Scripted(SmtpHook):
    """Answers steps as it is told to, at once or later, and notes what it was asked."""

    def __init__(self, later: bool = False, **answers: object) -> None:
        self.later = later
        self.answers = answers
        self.asked: list[str] = []
        self.answered = 0
        self.gate = asyncio.Event()
        self.gate.set()

    def say(self, step: str, what: str):
        self.asked.append(f"{step} {what}".strip())
        return self.answer(step) if self.later else self.answers.get(step)

    async def answer(self, step: str):
        await self.gate.wait()
        self.answered += 1
        given = self.answers.get(step)
        if isinstance(given, Exception):
            raise given
        return given

    def on_connect(self, context):
        return self.say("connect", f"{context.listener} {context.client.address}")

    def on_helo(self, context):
        return self.say("helo", context.helo)

    def on_mail(self, context, sender):
        return self.say("mail", str(sender or "<>"))

    def on_rcpt(self, context, recipient, resolution):
        return self.say("rcpt", f"{recipient} {type(resolution).__name__}")

    def on_end_of_data(self, context, message):
        return self.say("end_of_data", f"{message.body.size} for {len(message.recipients)}")


@pytest.mark.parametrize("later", [False, True])
async def test_every_step_is_asked_about_once_in_its_order(house, later) -> None:
    hook = Scripted(later)
    house.more_hooks = [hook]
    client = await house.client(await house.open())
    await client.envelope("ann@one.test", "nobody@one.test")
    assert (await client.message("x"))[:3] == "250"
    await client.envelope("bob@one.test", sender="")
    assert hook.asked == [
        "connect mx 127.0.0.1",
        "helo client.test",
        "mail x@there.test",
        "rcpt ann@one.test LocalAccount",
        "end_of_data 5 for 1",
        "mail <>",
        "rcpt bob@one.test LocalAccount",
    ]


@pytest.mark.parametrize("later", [False, True])
async def test_findings_of_every_step_go_with_the_message(house, later) -> None:
    house.more_hooks = [Scripted(later, **{step: [finding(step)] for step in STEPS})]
    client = await house.client(await house.open())
    for _ in range(2):
        await client.envelope("ann@one.test")
        await client.message("x")
    for accepted in house.spool.accepted:
        assert [each.text for each in accepted.findings] == STEPS


async def test_findings_about_a_name_that_was_taken_back_are_forgotten(house) -> None:
    class Named(SmtpHook):
        def on_helo(self, context):
            return [finding(context.helo)]

    house.more_hooks = [Named()]
    client = await house.client(await house.open(), "EHLO first.test")
    await client.envelope("ann@one.test")
    await client.ask("EHLO second.test")
    await client.envelope("ann@one.test")
    await client.message("x")
    assert [each.text for each in house.spool.accepted[0].findings] == ["second.test"]


async def test_a_client_that_is_refused_at_once_gets_the_refusal_in_place_of_the_banner(house) -> None:
    house.more_hooks = [Scripted(connect=REFUSAL)]
    client = await house.client(await house.open(), "")
    assert await client.reply() == "550 5.7.1 Not here"
    assert await client.ended()


@pytest.mark.parametrize("step", ["connect", "helo", "mail"])
async def test_a_refusal_that_is_known_later_answers_mail(house, step) -> None:
    house.more_hooks = [Scripted(True, **{step: REFUSAL})]
    client = await house.client(await house.open())
    for _ in range(2):
        assert await client.ask("MAIL FROM:<x@there.test>") == ["550 5.7.1 Not here"]


async def test_a_refused_recipient_leaves_the_others(house) -> None:
    class NotBob(SmtpHook):
        def on_rcpt(self, context, recipient, resolution):
            assert isinstance(resolution, LocalAccount)
            return REFUSAL if recipient.local == "bob" else None

    house.more_hooks = [NotBob()]
    client = await house.client(await house.open())
    assert (await client.envelope("bob@one.test", "ann@one.test"))[1:] == [
        "550 5.7.1 Not here",
        "250 2.1.5 Ok",
    ]
    await client.message("x")
    assert [each.address for each in house.spool.accepted[0].recipients] == ["ann@one.test"]


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("size", [10, 600_000])
async def test_a_refused_message_is_forgotten_and_the_next_one_is_whole(
    house, later, size, eventually
) -> None:
    hook = Scripted(later, end_of_data=REFUSAL)
    house.more_hooks = [hook]
    client = await house.client(await house.open())
    await client.envelope("ann@one.test")
    assert await client.message("x" * 900 + ("\r\n" + "x" * 900) * (size // 900)) == "550 5.7.1 Not here"
    if size > 300_000:
        await eventually(lambda: house.bodies.streams[0].is_aborted)
    hook.answers = {}
    await client.envelope("ann@one.test")
    assert (await client.message("\r\ngood"))[:3] == "250"
    assert house.spool.stored() == b"\r\ngood\r\n"
    await eventually(lambda: house.memory.held < 10_000)


@pytest.mark.parametrize("step", STEPS)
async def test_a_hook_that_cannot_answer_makes_the_client_come_back(house, step) -> None:
    hook = Scripted(True, **{step: Unavailable("the DNS is unreachable")})
    house.more_hooks = [hook]
    client = await house.client(await house.open())
    said = await client.envelope("ann@one.test")
    if step == "end_of_data":
        said.append(await client.message("lost"))
    assert "451 4.3.0 Temporary server problem, please try again later" in said
    if step not in ("connect", "helo"):
        hook.answers = {}
        await client.ask("RSET")
        await client.envelope("ann@one.test")
        await client.message("\r\ngood")
        assert house.spool.stored() == b"\r\ngood\r\n"


async def test_a_message_whose_client_leaves_before_the_answer_is_not_accepted(house, eventually) -> None:
    hook = Scripted(True)
    hook.gate.clear()
    house.more_hooks = [hook]
    listener = await house.open()
    hook.gate.set()
    client = await house.client(listener)
    await client.envelope("ann@one.test")
    await client.ask("DATA")
    hook.gate.clear()
    client.send(b"x\r\n.\r\n")
    await eventually(lambda: hook.asked[-1].startswith("end_of_data"))
    client.reset()
    await eventually(lambda: house.memory.held == 0)
    hook.gate.set()
    await eventually(lambda: hook.answered == len(hook.asked))
    await asyncio.sleep(0)
    assert house.spool.accepted == []


async def test_the_first_refusal_ends_the_question(house) -> None:
    first, second = Scripted(mail=REFUSAL), Scripted()
    house.more_hooks = [first, second]
    client = await house.client(await house.open())
    await client.ask("MAIL FROM:<x@there.test>")
    assert "mail x@there.test" not in second.asked


async def test_own_policies_come_before_hooks_that_are_added(house) -> None:
    hook = Scripted()
    house.more_hooks = [hook]
    client = await house.client(await house.open())
    await client.envelope("x@elsewhere.test")
    assert not any(each.startswith("rcpt") for each in hook.asked)


async def test_a_login_is_known_to_hooks_and_tls_makes_the_name_new(house) -> None:
    seen: list[str] = []

    class Watching(SmtpHook):
        def on_mail(self, context, sender):
            seen.append(str(context.identity.address))

    house.more_hooks = [Watching()]
    client = await house.submission()
    await client.envelope("bob@one.test", sender="ann@one.test")
    assert seen == ["ann@one.test"]


def test_a_step_that_nobody_overrides_costs_nothing() -> None:
    class Mail(SmtpHook):
        def on_mail(self, context, sender):
            return None

    hooks = Hooks([Mail(), SmtpHook()])
    assert [len(each) for each in (hooks.connect, hooks.helo, hooks.mail, hooks.rcpt, hooks.end_of_data)] == [
        0, 0, 1, 0, 0,
    ]  # fmt: skip


def test_the_subject_of_a_certificate_is_written_as_directories_do() -> None:
    subject = ((("countryName", "DE"),), (("commonName", "gate.test"),))
    assert certificate_subject({"subject": subject}) == "commonName=gate.test,countryName=DE"
    assert certificate_subject(None) == certificate_subject({}) == ""


@pytest.mark.parametrize("name", [ListenerName.MX, ListenerName.LMTP])
async def test_hooks_know_the_listener(house, name) -> None:
    hook = Scripted()
    house.more_hooks = [hook]
    await house.client(await house.open(name), "LHLO c" if name is ListenerName.LMTP else "EHLO c")
    assert hook.asked[0] == f"connect {name} 127.0.0.1"
