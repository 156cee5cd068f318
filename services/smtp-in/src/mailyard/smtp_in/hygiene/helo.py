"""The check of the name in HELO or EHLO (RFC 5321, sections 2.3.5 and 4.1.3)."""

import re
import time
from collections.abc import Collection
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from mailyard.directory.cache import Monotonic, TtlCache
from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.listening.address import parse_ip
from mailyard.smtp.reply import reply
from mailyard.smtp_in.hooks import SmtpContext
from mailyard.smtp_in.hygiene.checks import ClientCheck, Judgement
from mailyard.smtp_in.hygiene.concern import Concern, JudgedClient
from mailyard.smtp_in.hygiene.dnsquestions import DnsQuestions, settled

HeloRule = Literal["syntax", "own-name", "bare-address", "unresolvable"]
_LABEL = "[A-Za-z0-9_\u0080-\U0010ffff]([A-Za-z0-9_\u0080-\U0010ffff-]*[A-Za-z0-9_\u0080-\U0010ffff])?"
_FULL_NAME = re.compile(rf"{_LABEL}(\.{_LABEL})+\.?")
_SECONDS = 300.0
_ENTRIES = 20_000
_KINDS = ("A", "AAAA", "MX")


class HeloCheck(ClientCheck):
    """Objects to names that no mail server says of itself."""

    name = "helo_check"
    depends_on_helo = True

    def __init__(
        self,
        rules: Collection[HeloRule],
        hostname: str,
        questions: DnsQuestions,
        clock: Monotonic = time.monotonic,
    ) -> None:
        """Apply `rules`; `hostname` is our own name."""
        self._rules = frozenset(rules)
        self._hostname = hostname.lower().rstrip(".")
        self._questions = questions
        self._resolvable: TtlCache[str, bool] = TtlCache(_ENTRIES, clock)

    def judge_client(self, context: SmtpContext, client: JudgedClient) -> Judgement:
        """Judge the name that the client said last."""
        _ = client
        name = context.helo.lower().rstrip(".")
        rule, problem = problem_of(name, self._hostname)
        if rule:
            return _concern(name, rule, problem) if rule in self._rules else None
        if "unresolvable" not in self._rules or name.startswith("["):
            return None
        known = self._resolvable.get(name)
        return self._look_up(name) if known is None else _unresolvable(name, exists=known)

    async def _look_up(self, name: str) -> Concern | None:
        answers = await settled([self._questions.ask(name, kind) for kind in _KINDS])
        exists = any(isinstance(each, DnsAnswer) for each in answers)
        if not exists and DnsFailure.UNANSWERED in answers:
            return None
        self._resolvable.put(name, exists, _SECONDS)
        return _unresolvable(name, exists=exists)


def problem_of(name: str, hostname: str) -> tuple[str, str]:
    """Return the rule that a name breaks, and why; empty texts where it breaks none. Both names are in lower case."""
    if name == hostname:
        return "own-name", "is the name of this server"
    if parse_ip(name) is not None:
        return "bare-address", "is an address without brackets"
    if name.startswith("["):
        literal = _literal(name)
        return ("", "") if literal is not None else ("syntax", "is no address literal")
    if not _FULL_NAME.fullmatch(name):
        return "syntax", "is no fully qualified host name"
    return "", ""


def _literal(text: str) -> IPv4Address | IPv6Address | None:
    """Parse an address literal: `[192.0.2.1]` or `[IPv6:2001:db8::1]`."""
    if not text.endswith("]"):
        return None
    inner = text[1:-1]
    untagged = inner.removeprefix("ipv6:")
    is_right = (untagged != inner) == (":" in untagged)
    return parse_ip(untagged) if is_right else None


def _unresolvable(name: str, *, exists: bool) -> Concern | None:
    return None if exists else _concern(name, "unresolvable", "does not exist in the DNS")


def _concern(name: str, rule: str, problem: str) -> Concern:
    shown = name.encode("ascii", "replace").decode()[:255]
    return Concern(rule, f"{name} {problem}", reply(550, "5.7.1", f"HELO name {shown} {problem}"))
