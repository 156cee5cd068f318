"""The check of the client's host name: reverse DNS that forward DNS confirms (RFC 8601, section 2.7.3, "iprev")."""

import re
import time
from dataclasses import dataclass

from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.listening.address import parse_ip
from mailyard.smtp.reply import reply
from mailyard.smtp_in.hooks import SmtpContext
from mailyard.smtp_in.hygiene.checks import ClientCheck, Judgement
from mailyard.smtp_in.hygiene.concern import Concern, JudgedClient
from mailyard.smtp_in.hygiene.dnsquestions import DnsQuestions, settled

_MOST_NAMES = 5  # of one address
_MOST_ADDRESSES = 50  # of one name
_SECONDS = 300.0
_ENTRIES = 20_000
_HOST = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?(\.[A-Za-z0-9_]([A-Za-z0-9_-]*[A-Za-z0-9_])?)+")


@dataclass(frozen=True, slots=True)
class _Found:
    host: str = ""  # confirmed
    problem: str = ""


class ClientNameCheck(ClientCheck):
    """Objects to clients without a confirmed name, and keeps the name for the Received field."""

    name = "client_name"

    def __init__(self, questions: DnsQuestions, clock: Monotonic = time.monotonic) -> None:
        self._questions = questions
        self._known: TtlCache[str, _Found] = TtlCache(_ENTRIES, clock)

    def judge_client(self, context: SmtpContext, client: JudgedClient) -> Judgement:
        """Judge the address of the client."""
        _ = client
        address = parse_ip(context.client.address)
        if address is None:
            return None
        known = self._known.get(str(address))
        return self._look_up(context, str(address)) if known is None else _conclude(context, known)

    async def _look_up(self, context: SmtpContext, ip: str) -> Concern | None:
        found = await self._find(ip)
        if found is None:
            return None
        self._known.put(ip, found, _SECONDS)
        return _conclude(context, found)

    async def _find(self, ip: str) -> _Found | None:
        """Return the confirmed name or the problem; None: the DNS did not answer."""
        address = parse_ip(ip)
        assert address is not None, "it was parsed before"
        [pointers] = await settled([self._questions.ask(address.reverse_pointer, "PTR")])
        if pointers is DnsFailure.UNANSWERED:
            return None
        if isinstance(pointers, DnsFailure):
            return _Found(problem="has no name in the DNS")
        names = [each.rstrip(".").lower() for each in pointers.records[:_MOST_NAMES]]
        names = [each for each in names if len(each) <= 255 and _HOST.fullmatch(each)]
        kind = "A" if address.version == 4 else "AAAA"
        answers = await settled([self._questions.ask(name, kind) for name in names])
        for name, answer in zip(names, answers, strict=True):
            if isinstance(answer, DnsAnswer) and any(
                parse_ip(each) == address for each in answer.records[:_MOST_ADDRESSES]
            ):
                return _Found(host=name)
        if DnsFailure.UNANSWERED in answers:
            return None
        return _Found(
            problem=f"has the name {names[0]}, which has other addresses" if names else "has no host name"
        )


def _conclude(context: SmtpContext, found: _Found) -> Concern | None:
    if found.host:
        context.client_host = found.host
        return None
    ip = context.client.address
    # RFC 7372 section 3.3: reverse DNS validation failed.
    refusal = reply(550, "5.7.25", f"Client host [{ip}] {found.problem}; fix its reverse DNS")
    return Concern("unconfirmed", f"{ip} {found.problem}", refusal)
