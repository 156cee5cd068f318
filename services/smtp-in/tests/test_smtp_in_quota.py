"""Recipients whose mailboxes are full are refused at RCPT (RFC 5321, section 4.5.3.1.10; RFC 3463, X.2.2)."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from functools import partial

import pytest
from bson import ObjectId

from mailyard.directory.model import Account, Expansion, LocalAccount, Resolution
from mailyard.mailbox.quota import Usage
from mailyard.message.address import Address
from mailyard.runtime.errors import Unavailable
from mailyard.smtp.parameters import MailParameters
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.hooks import MailTransaction, SmtpContext
from mailyard.smtp_in.listeners import ListenerName, ReceptionServices
from mailyard.smtp_in.peer import SmtpPeer
from mailyard.smtp_in.quota import FULL, FULL_FOR_NOW, QuotaGate

ANN = Account(ObjectId(), "one", Address.parse("ann@one.test"), quota_bytes=1_000)


class Usages:
    """The store's answers."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self.asked = 0
        self.is_unreachable = False

    async def __call__(self, accounts: Collection[ObjectId]) -> Mapping[ObjectId, Usage]:
        if self.is_unreachable:
            raise Unavailable("unreachable")
        self.asked += 1
        return {account: Usage(self.octets) for account in accounts}


def local(account: Account) -> LocalAccount:
    return LocalAccount(account, account.tenant, account.address)


async def refusal(gate: QuotaGate, resolution: Resolution, octets: int = 0) -> Reply | None:
    transaction = MailTransaction(parameters=MailParameters(size=octets))
    context = SmtpContext("mx", Mode.MX, SmtpPeer("192.0.2.1"), transaction=transaction)
    answer = gate.on_rcpt(context, ANN.address, resolution)
    return None if answer is None else await answer


def gate(usages: Usages, over_quota: str = "defer") -> QuotaGate:
    return QuotaGate(usages, over_quota, lambda: 0.0)


async def test_a_full_mailbox_and_a_declared_size_without_room_are_refused() -> None:
    assert await refusal(gate(Usages(1_000)), local(ANN)) is FULL_FOR_NOW
    assert await refusal(gate(Usages(999)), local(ANN)) is None
    assert await refusal(gate(Usages(400)), local(ANN), 601) is FULL_FOR_NOW
    assert await refusal(gate(Usages(400)), local(ANN), 600) is None
    assert await refusal(gate(Usages(1_000), "refuse"), local(ANN)) is FULL


async def test_an_account_without_a_quota_and_an_alias_cost_no_question() -> None:
    usages = Usages(1 << 50)
    assert await refusal(gate(usages), local(replace(ANN, quota_bytes=None))) is None
    assert await refusal(gate(usages), Expansion((ANN.address,), "one")) is None
    assert usages.asked == 0


async def test_the_usage_is_asked_once_in_a_few_seconds() -> None:
    usages, seconds = Usages(1_000), 0.0
    gate = QuotaGate(usages, "defer", lambda: seconds)
    assert await refusal(gate, local(ANN)) is FULL_FOR_NOW
    usages.octets = 0
    assert await refusal(gate, local(ANN)) is FULL_FOR_NOW
    seconds = 6.0
    assert await refusal(gate, local(ANN)) is None
    assert usages.asked == 2


@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize("listener", [ListenerName.MX, ListenerName.LMTP])
async def test_rcpt_is_answered_452_while_other_recipients_are_taken(
    service, monkeypatch, is_warm: bool, listener: ListenerName
) -> None:
    usages = Usages(500)
    gate = QuotaGate(usages, "defer", iter(range(0, 10_000, 10)).__next__)
    monkeypatch.setitem(
        type(service).open.__globals__, "ReceptionServices", partial(ReceptionServices, quotas=gate)
    )
    service.directory.is_warm = is_warm
    real = service.directory.look_up

    def limited(address: Address) -> Resolution:
        found = real(address)
        if isinstance(found, LocalAccount) and found.address.key == "ann@one.test":
            return replace(found, account=replace(found.account, quota_bytes=1_000))
        return found

    monkeypatch.setattr(service.directory, "look_up", limited)
    hello = "LHLO client.test" if listener is ListenerName.LMTP else "EHLO client.test"
    client = await service.client(await service.open(listener), hello)
    assert await client.ask(
        "MAIL FROM:<x@there.test> SIZE=501", "RCPT TO:<ann@one.test>", "RCPT TO:<bob@one.test>"
    ) == ["250 2.1.0 Ok", f"452 4.2.2 {FULL_FOR_NOW.lines[0]}", "250 2.1.5 Ok"]
    usages.is_unreachable = True
    [unavailable] = await client.ask("RCPT TO:<ann@one.test>")
    assert unavailable.startswith("451 4.3.0 ")
    usages.is_unreachable = False
    [_, _, taken] = await client.ask("RSET", "MAIL FROM:<x@there.test> SIZE=500", "RCPT TO:<ann@one.test>")
    assert taken == "250 2.1.5 Ok"
