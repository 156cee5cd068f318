"""PROXY headers, versions 1 and 2: believed and required where they are configured, never taken from others."""

import asyncio
import json
import subprocess
import sys
from pathlib import Path

from tests.cluster.report import Figures
from tests.cluster.subject import CheckFailed, Subject
from tests.cluster.toolbox import PASSWORD
from tests.trial.imap import ImapConnection
from tests.trial.waiting import NotReached

PEER = (Path(__file__).parents[1] / "peer.py").read_text()
SOURCES = {"v2": "203.0.113.7", "v1": "203.0.113.8"}
PORTS = {
    "smtp-in": 2525,
    "imap": 2143,
}  # of the pods themselves: nothing in between changes the peer's address
FOREIGN = "203.0.113.9"
ARRIVAL_SECONDS = 30


async def run(subject: Subject) -> Figures:
    """The toolbox pod is the balancer; this machine is everybody else."""
    pod = await asyncio.to_thread(lambda: subject.objects.pods("toolbox")[0])
    networks = json.dumps([f"{pod.status.pod_ip}/32"])
    await asyncio.to_thread(
        subject.release.upgrade,
        "--set", "frontDoors.proxyProtocol.enabled=true",
        "--set-json", f"frontDoors.proxyProtocol.networks={networks}",
    )  # fmt: skip
    try:
        return await _try_out(subject)
    finally:
        await asyncio.to_thread(subject.release.upgrade)


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
            raise CheckFailed(f"{service} answered a balancer that told no client: {heard}")
    stranger = await asyncio.to_thread(_from_here, subject)
    if any(line.startswith("250") for line in stranger):
        raise CheckFailed(f"smtp-in went on after a PROXY header from a stranger: {stranger}")
    received = await _received(subject, box)
    missing = [source for source in SOURCES.values() if f"[{source}]" not in received]
    if missing or FOREIGN in received:
        raise CheckFailed(f"Received does not tell {missing}:\n{received}")
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


def _from_here(subject: Subject) -> list[str]:
    host, port = subject.smtp()
    arguments = [sys.executable, "-c", PEER, host, str(port), "v1", FOREIGN]
    done = subprocess.run(
        arguments, input=json.dumps(["HELO x\r\n"]), capture_output=True, text=True, check=True, timeout=60
    )
    heard: list[str] = json.loads(done.stdout)
    return heard


async def _received(subject: Subject, box: str) -> str:
    """The heads of both mails, once they are there."""
    connection = await ImapConnection.open(*subject.imaps(), box, PASSWORD, tls=subject.tls())
    try:
        for _ in range(ARRIVAL_SECONDS):
            selected = await connection.select(examine=True)
            if selected.exists == len(SOURCES):
                bodies = [octets async for _, octets in connection.bodies("1:*")]
                return "\n".join(octets.decode() for octets in bodies)
            await connection.idle(1)
    finally:
        await connection.close()
    raise NotReached(f"{len(SOURCES)} mails in the mailbox within {ARRIVAL_SECONDS} s")
