"""PROXY headers, versions 1 and 2: required from the configured networks, ignored from others."""

import asyncio
import json
import socket
import time
from pathlib import Path

from tests.cluster import peer
from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.toolbox import PASSWORD
from tests.trial.imap import ImapConnection, ImapFailed
from tests.trial.waiting import wait_until

PEER = Path(peer.__file__).read_text()
SOURCES = {"v2": "203.0.113.7", "v1": "203.0.113.8"}
PORTS = {
    "smtp-in": 2525,
    "imap": 2143,
}  # of the pods themselves: nothing in between changes the peer's address
FOREIGN = "203.0.113.9"
ARRIVAL_SECONDS = 60


async def run(subject: Subject) -> Figures:
    """The toolbox pod is the balancer; this machine is everybody else."""
    pod = await asyncio.to_thread(lambda: subject.objects.pods("toolbox")[0])
    networks = json.dumps([f"{pod.status.pod_ip}/32"])
    async with subject.release.changed(
        "--set", "frontDoors.proxyProtocol.enabled=true",
        "--set-json", f"frontDoors.proxyProtocol.networks={networks}",
    ):  # fmt: skip
        return await _try_out(subject)


async def _try_out(subject: Subject) -> Figures:
    tenant = f"frontdoors-{subject.run}"
    box = (await asyncio.to_thread(subject.toolbox.accounts, tenant, f"{tenant}.test", 1))[0]
    for version, source in SOURCES.items():
        heard = await asyncio.to_thread(_from_balancer, subject, "smtp-in", version, mail(box, version))
        if not heard[-1].startswith("250"):
            raise CheckFailed(f"a mail behind a {version} header: {heard}")
        greeting = await asyncio.to_thread(_from_balancer, subject, "imap", version, [])
        if not greeting[0].startswith("* OK"):
            raise CheckFailed(f"imap behind a {version} header from {source}: {greeting}")
    for service in PORTS:
        heard = await asyncio.to_thread(_from_balancer, subject, service, "none", [])
        if heard != [""]:
            raise CheckFailed(f"{service} answered a balancer that named no client: {heard}")
    await asyncio.to_thread(
        wait_until,
        lambda: _from_here(subject, "none") == ["220", "250"],
        seconds=ARRIVAL_SECONDS,
        what="smtp-in serves those who are no balancer, as always",
    )
    stranger = await asyncio.to_thread(_from_here, subject, "v1")
    if stranger[-1][:1] not in ("", "5"):
        raise CheckFailed(f"smtp-in did not refuse a PROXY header from a stranger: {stranger}")
    received = await _received(subject, box)
    missing = [source for source in SOURCES.values() if f"[{source}]" not in received]
    if missing:
        raise CheckFailed(f"Received does not name {missing}:\n{received}")
    return {
        "believed": ", ".join(SOURCES),
        "without a header": "hung up",
        "from a stranger": stranger[-1] or "hung up",
    }


def mail(box: str, version: str) -> list[str]:
    """A dialogue in which every reply is one line."""
    return [
        "HELO client.example\r\n",
        "MAIL FROM:<sender@client.example>\r\n",
        f"RCPT TO:<{box}>\r\n",
        "DATA\r\n",
        f"Subject: behind {version}\r\n\r\nHello\r\n.\r\n",
    ]


def _from_balancer(subject: Subject, service: str, version: str, texts: list[str]) -> list[str]:
    host = subject.objects.pods(service)[0].status.pod_ip
    source = SOURCES.get(version, FOREIGN)
    arguments = (host, str(PORTS[service]), version, source)
    heard: list[str] = json.loads(subject.toolbox.python(PEER, *arguments, text=json.dumps(texts)))
    return heard


def _from_here(subject: Subject, version: str) -> list[str]:
    """Reply codes to what begins with a header or none and goes on with HELO; a header makes them one late."""
    host, port = subject.smtp()
    server = (socket.gethostbyname(host), port)
    try:
        heard = peer.talk(server, peer.header(version, FOREIGN, server), ["HELO x\r\n"])
    except OSError as error:
        return [str(error)]
    return [line[:3] for line in heard]


async def _received(subject: Subject, box: str) -> str:
    """Both mails, once they are there; servers that have just been replaced may need another attempt."""
    limit = time.monotonic() + ARRIVAL_SECONDS
    said = "nothing"
    while time.monotonic() < limit:
        try:
            connection = await ImapConnection.open(*subject.imaps(), box, PASSWORD, tls=subject.tls())
            try:
                bodies = (
                    [octets async for _, octets in connection.bodies("1:*")]
                    if await _there(connection)
                    else []
                )
            finally:
                await connection.close()
        except ImapFailed as error:
            said = str(error)
        else:
            if bodies:
                return "\n".join(octets.decode() for octets in bodies)
            said = "there are fewer"
        await asyncio.sleep(1)
    raise CheckFailed(f"{len(SOURCES)} mails in the mailbox not within {ARRIVAL_SECONDS} s: {said}")


async def _there(connection: ImapConnection) -> bool:
    return (await connection.select(examine=True)).exists == len(SOURCES)
