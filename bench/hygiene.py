"""What hygiene costs smtp-in in CPU: the hooks of one connection with one message and one recipient, all answers known.

    python -m bench.hygiene [--rounds 20000]

Prints microseconds for each set of checks, without sockets: the difference to `off` is what the checks add.
"""

import argparse
import asyncio
import statistics
import time
from collections.abc import Awaitable, Sequence
from unittest.mock import MagicMock

from bson import ObjectId

from mailyard.directory.model import Account, LocalAccount
from mailyard.directory.policy import DomainPolicy
from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.dns.resolver import DnsResolver
from mailyard.message.address import Address
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.hooks import Hooks, SmtpContext
from mailyard.smtp_in.hygiene.build import hygiene_hooks
from mailyard.smtp_in.hygiene.settings import HygieneSettings
from mailyard.smtp_in.peer import SmtpPeer

IP = "192.0.2.1"
REPEATS = 5
_LISTS = ("zen.test", "b.test", "c.test", "d.test", "wl.test*-2")
_ALL = {
    "dnsbl": "refuse",
    "dnsbl_lists": _LISTS,
    "client_name": "note",
    "helo_check": "refuse",
    "early_talker": "refuse",
    "client_limits": "refuse",
    "client_connections": 10**9,
    "client_messages": 10**9,
    "client_recipients": 10**9,
    "recipient_probing": "refuse",
    "greylisting": "refuse",
    "tarpit_seconds": 1.0,
}
SETS: dict[str, dict[str, object]] = {
    "off": {"hygiene_listeners": ()},
    "listener on, all checks off": {},
    "five DNS lists": {"dnsbl": "refuse", "dnsbl_lists": _LISTS},
    "client name": {"client_name": "note"},
    "HELO": {"helo_check": "refuse"},
    "limits": {
        key: value for key, value in _ALL.items() if key.startswith("client_") and key != "client_name"
    },
    "greylisting, network known": {"greylisting": "refuse"},
    "all of them": _ALL,
}


class KnownPolicies:
    """Has every policy at once."""

    def of_domain_cached(self, domain: str) -> DomainPolicy:
        """Return an empty policy."""
        _ = domain
        return _EMPTY


_EMPTY = DomainPolicy()


def warm(resolver: DnsResolver) -> None:
    """Fill the cache: no list has the client, and its name is confirmed."""
    answers: dict[tuple[str, str], DnsAnswer[str] | DnsFailure] = {
        (f"1.2.0.192.{text.partition('*')[0]}", "A"): DnsFailure.NO_DOMAIN for text in _LISTS
    }
    answers["1.2.0.192.in-addr.arpa", "PTR"] = DnsAnswer(("mx.there.test.",))
    answers["mx.there.test", "A"] = DnsAnswer((IP,))
    for key, answer in answers.items():
        resolver._cache.put(key, answer, time.monotonic() + 10_000)  # noqa: SLF001


async def measure(given: dict[str, object], rounds: int) -> float:
    """Return the microseconds of one round."""
    made: list[DnsResolver] = []
    settings = HygieneSettings.model_validate({"hygiene_listeners": ("mx",), **given})
    hygiene = hygiene_hooks(settings, "mail.one.test", KnownPolicies(), MagicMock())  # type: ignore[arg-type]
    hooks = Hooks([*hygiene.first, *hygiene.last])
    for gate in hygiene.last:
        for check in gate._checks:  # type: ignore[attr-defined]  # noqa: SLF001
            if hasattr(check, "_questions"):
                made.append(check._questions._resolver)  # noqa: SLF001
            if hasattr(check, "_networks"):
                check._networks.put("192.0.2.0/24", True, 10_000)  # noqa: SLF001
    for resolver in made:
        warm(resolver)
    address = Address("ann", "one.test")
    known = LocalAccount(Account(ObjectId(), "one", address), "one", address)
    await one(hooks, address, known, is_first=True)
    began = time.perf_counter()
    for _ in range(rounds):
        await one(hooks, address, known)
    return (time.perf_counter() - began) / rounds * 1e6


async def one(hooks: Hooks, address: Address, known: LocalAccount, *, is_first: bool = False) -> None:
    """Go through the steps of one message."""
    context = SmtpContext("mx", Mode.MX, SmtpPeer(IP), helo="mx.there.test")
    answers: list[object] = [hook.on_connect(context) for hook in hooks.connect]
    answers += [hook.on_helo(context) for hook in hooks.helo]
    answers += [hook.on_mail(context, address) for hook in hooks.mail]
    answers += [hook.on_rcpt(context, address, known) for hook in hooks.rcpt]
    for each in answers:
        if isinstance(each, Awaitable):
            assert is_first, "a known answer costs no task"
            await each
        else:
            assert each is None


def main(arguments: Sequence[str] | None = None) -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--rounds", type=int, default=20_000)
    rounds = parser.parse_args(arguments).rounds
    for name, given in SETS.items():
        found = [asyncio.run(measure(given, rounds)) for _ in range(REPEATS)]
        print(f"{name:32}{statistics.median(found):8.2f} µs ({min(found):.2f} to {max(found):.2f})")


if __name__ == "__main__":
    main()
