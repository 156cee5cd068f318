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
from mailyard.smtp_in.listeners import ListenerName, ReceptionServices
from mailyard.smtp_in.quota import FULL, FULL_FOR_NOW, QuotaGate

ANN = Account(ObjectId(), "one", Address.parse("ann@one.test"), quota_bytes=1_000)


class Usages:
    """The store's answers."""

    def __init__(self, octets: int) -> None:
        self.octets = octets
        self.asked = 0
        self.away = False

    async def __call__(self, accounts: Collection[ObjectId]) -> Mapping[ObjectId, Usage]:
        if self.away:
            raise Unavailable("unreachable")
        self.asked += 1
        return {account: Usage(self.octets) for account in accounts}


def local(account: Account) -> LocalAccount:
    return LocalAccount(account, account.tenant, account.address)


async def refusal(usages: Usages, resolution: Resolution, octets: int = 0) -> object:
    return await QuotaGate(usages, "defer", lambda: 0.0).refusal(resolution, octets)


async def test_a_full_mailbox_and_a_declared_size_without_room_are_refused() -> None:
    assert await refusal(Usages(1_000), local(ANN)) is FULL_FOR_NOW
    assert await refusal(Usages(999), local(ANN)) is None
    assert await refusal(Usages(400), local(ANN), 601) is FULL_FOR_NOW
    assert await refusal(Usages(400), local(ANN), 600) is None
    assert await QuotaGate(Usages(1_000), "refuse", lambda: 0.0).refusal(local(ANN), 0) is FULL


async def test_an_account_without_a_quota_and_an_alias_cost_no_question() -> None:
    usages = Usages(1 << 50)
    assert await refusal(usages, local(replace(ANN, quota_bytes=None))) is None
    assert await refusal(usages, Expansion((ANN.address,), "one")) is None
    assert usages.asked == 0


async def test_the_usage_is_asked_once_in_a_few_seconds() -> None:
    usages, seconds = Usages(1_000), 0.0
    gate = QuotaGate(usages, "defer", lambda: seconds)
    assert await gate.refusal(local(ANN), 0) is FULL_FOR_NOW
    usages.octets = 0
    assert await gate.refusal(local(ANN), 0) is FULL_FOR_NOW
    seconds = 6.0
    assert await gate.refusal(local(ANN), 0) is None
    assert usages.asked == 2


@pytest.mark.parametrize("is_warm", [True, False])
@pytest.mark.parametrize("door", [ListenerName.MX, ListenerName.LMTP])
async def test_rcpt_is_answered_452_while_other_recipients_are_taken(
    house, monkeypatch, is_warm: bool, door: ListenerName
) -> None:
    usages = Usages(500)
    gate = QuotaGate(usages, "defer", iter(range(0, 10_000, 10)).__next__)
    monkeypatch.setitem(
        type(house).open.__globals__, "ReceptionServices", partial(ReceptionServices, quotas=gate)
    )
    house.directory.is_warm = is_warm
    real = house.directory.look_up

    def limited(address: Address) -> Resolution:
        found = real(address)
        if isinstance(found, LocalAccount) and found.address.key == "ann@one.test":
            return replace(found, account=replace(found.account, quota_bytes=1_000))
        return found

    monkeypatch.setattr(house.directory, "look_up", limited)
    hello = "LHLO client.test" if door is ListenerName.LMTP else "EHLO client.test"
    client = await house.client(await house.open(door), hello)
    assert await client.ask(
        "MAIL FROM:<x@there.test> SIZE=501", "RCPT TO:<ann@one.test>", "RCPT TO:<bob@one.test>"
    ) == ["250 2.1.0 Ok", f"452 4.2.2 {FULL_FOR_NOW.lines[0]}", "250 2.1.5 Ok"]
    usages.away = True
    [unavailable] = await client.ask("RCPT TO:<ann@one.test>")
    assert unavailable.startswith("451 4.3.0 ")
    usages.away = False
    [_, _, taken] = await client.ask("RSET", "MAIL FROM:<x@there.test> SIZE=500", "RCPT TO:<ann@one.test>")
    assert taken == "250 2.1.5 Ok"
