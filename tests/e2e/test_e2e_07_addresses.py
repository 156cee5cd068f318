"""One account behind several addresses of one mail."""

from tests.e2e.postbox import SENDER, fetch_all, send_all
from tests.trial.instance import Instance
from tests.trial.smtp import Outcome, SmtpConnection

MESSAGE = b"From: a@sender.test\r\nSubject: for all your addresses\r\n\r\nhello\r\n"


async def test_a_mail_to_two_addresses_of_one_account_arrives_and_holds_up_nobody(
    instance: Instance, account: str
) -> None:
    local, domain = account.split("@")
    connection = await SmtpConnection.open("127.0.0.1", instance.ports.listener("smtp"))
    result = await connection.send(SENDER, [account, f"{local}+more@{domain}", account], MESSAGE)
    await connection.close()
    assert result.outcome is Outcome.ACKNOWLEDGED
    await send_all(instance, account, [("next", MESSAGE)])
    found = await fetch_all(instance, account, 2)
    assert all(octets.endswith(MESSAGE) for octets in found)
