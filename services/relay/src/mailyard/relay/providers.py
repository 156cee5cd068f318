"""Providers of destinations: the only property of a destination that a metric may name.

A domain as a label would make a series for each of a million domains, and would show who writes to whom.
"""

from typing import Final

OTHER: Final = "other"
NEXT_HOP: Final = "next-hop"

_SUFFIXES: Final = {
    "google.com": "google",
    "googlemail.com": "google",
    "outlook.com": "microsoft",
    "hotmail.com": "microsoft",
    "mx.microsoft": "microsoft",
    "yahoodns.net": "yahoo",
    "icloud.com": "apple",
    "apple.com": "apple",
    "gmx.net": "gmx",
    "web.de": "gmx",
    "kundenserver.de": "ionos",
    "ionos.com": "ionos",
    "t-online.de": "telekom",
    "protonmail.ch": "proton",
    "zoho.com": "zoho",
    "yandex.net": "yandex",
    "mail.ru": "mailru",
    "qq.com": "qq",
    "pphosted.com": "proofpoint",
    "mimecast.com": "mimecast",
    "barracudanetworks.com": "barracuda",
    "messagelabs.com": "broadcom",
    "iphmx.com": "cisco",
    "fastmail.com": "fastmail",
    "messagingengine.com": "fastmail",
    "ovh.net": "ovh",
    "amazonaws.com": "amazon",
}

PROVIDERS: Final = frozenset(_SUFFIXES.values())


def provider_of(host: str) -> str:
    """Return the provider whose mail exchanger has this name, or `other`."""
    labels = host.lower().rstrip(".").split(".")
    names = (".".join(labels[number:]) for number in range(len(labels)))
    return next((_SUFFIXES[name] for name in names if name in _SUFFIXES), OTHER)
