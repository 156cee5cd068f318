"""Mail of a login beyond a limit of sending is accepted and held."""

from collections.abc import AsyncIterator

import pytest

from mailyard.directory.indexes import ensure_indexes
from mailyard.directory.policy import DomainPolicy
from mailyard.directory.sending.meter import SendingMeter
from mailyard.directory.sending.rates import Jump, Rates, SendingLimits
from mailyard.smtp.reply import Reply, reply
from mailyard.smtp_in.hooks import SmtpContext, SmtpHook
from mailyard.smtp_in.sendinglimits import SendingLimitPolicy, SendingSettings, limits_under
from mailyard.smtp_in.settings import SmtpInSettings
from mailyard.spool.acceptance import Acceptance
from mailyard.store.client import Store

OWN = "From: ann@one.test\r\n\r\nhello"
TWO = SendingLimits(account=Rates(day=2))


@pytest.fixture
async def store(mongo_url: str, database: str) -> AsyncIterator[Store]:
    store = Store(mongo_url, database)
    await ensure_indexes(store)
    yield store
    await store.close()


@pytest.fixture
def meter(store: Store) -> SendingMeter:
    return SendingMeter(store)


async def send(client, *recipients: str, text: str = OWN) -> str:
    answers = await client.envelope(*(recipients or ("bob@one.test",)), sender="ann@one.test")
    assert all(answer[:3] == "250" for answer in answers)
    return await client.message(text)


def holds(service) -> list[str]:
    return [message.hold for message in service.spool.accepted]


async def test_mail_beyond_the_limit_gets_250_and_is_held(service, meter) -> None:
    service.more_hooks.append(SendingLimitPolicy(meter, TWO))
    client = await service.submission()
    for _ in range(4):
        assert (await send(client))[:3] == "250"
    reason = "account ann@one.test: 3 recipients within a day, 2 are permitted"
    assert holds(service) == ["", "", reason, reason]


async def test_one_message_with_too_many_recipients_is_held_as_a_whole(service, meter) -> None:
    service.more_hooks.append(SendingLimitPolicy(meter, TWO))
    client = await service.submission()
    assert (await send(client, "a@far.test", "b@far.test", "c@far.test"))[:3] == "250"
    assert holds(service)[0].endswith("3 recipients within a day, 2 are permitted")
    assert len(service.spool.accepted[0].recipients) == 3


async def test_mail_from_outside_is_never_held(service, meter) -> None:
    service.more_hooks.append(SendingLimitPolicy(meter, SendingLimits(tenant=Rates(day=1), messages_day=0)))
    client = await service.client(await service.open())
    for _ in range(3):
        await client.envelope("bob@one.test")
        assert (await client.message("From: x@there.test\r\n\r\nhello"))[:3] == "250"
    assert holds(service) == ["", "", ""]


class Refusing(SmtpHook):
    def on_end_of_data(self, context: SmtpContext, message: Acceptance) -> Reply:
        _ = context, message
        return reply(550, "5.7.1", "No")


async def test_a_message_that_is_refused_does_not_count(service, meter) -> None:
    service.more_hooks += [Refusing(), SendingLimitPolicy(meter, TWO)]
    client = await service.submission()
    for _ in range(5):
        assert (await send(client))[:3] == "550"
    service.more_hooks.pop(0)
    client = await service.submission()
    assert (await send(client))[:3] == "250"
    assert holds(service) == [""]


async def test_a_hold_ends_with_its_message(service, meter) -> None:
    hourly = SendingLimits(tenant=Rates(day=2))
    service.more_hooks.append(SendingLimitPolicy(meter, hourly))
    client = await service.submission()
    assert (await send(client, "a@far.test", "b@far.test", "c@far.test"))[:3] == "250"
    assert (await send(client))[:3] == "250"
    assert [bool(each) for each in holds(service)] == [True, False]


async def test_a_login_is_looked_up_once_and_then_no_mail_waits(service, meter, monkeypatch) -> None:
    asked = []
    look_up = meter._rows.entry_rows

    async def counted(keys):
        asked.append(set(keys))
        return await look_up(keys)

    monkeypatch.setattr(meter._rows, "entry_rows", counted)
    service.more_hooks.append(SendingLimitPolicy(meter, TWO))
    client = await service.submission()
    for _ in range(3):
        await send(client)
    assert len(asked) == 1


def test_a_policy_goes_before_the_settings_field_by_field() -> None:
    defaults = SendingLimits(Rates(day=1), Rates(day=2), Rates(day=3), jump=Jump(10, 100))
    assert limits_under(defaults, DomainPolicy()) == defaults
    policy = DomainPolicy(
        account_recipients=Rates(), tenant_recipients=Rates(hour=7), messages_per_day=9, jump_factor=0
    )
    assert limits_under(defaults, policy) == SendingLimits(
        Rates(), Rates(day=2), Rates(hour=7), messages_day=9, jump=Jump(0, 100)
    )


def test_the_settings_have_safe_defaults_and_refuse_what_is_no_limit() -> None:
    limits = SmtpInSettings().sending_limits()
    assert limits.account == Rates(500, 2000, 5000)
    assert limits.jump == Jump(10, 1000)
    assert SendingSettings(account_recipients="none").sending_limits().account == Rates()
    with pytest.raises(ValueError, match="write 500/minute"):
        SendingSettings(account_recipients="many")
