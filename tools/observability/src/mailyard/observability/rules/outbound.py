"""Mail to the outside, and mail that waits."""

from mailyard.observability import limits
from mailyard.observability.rule import Alert, Group, Severity

GROUP = Group(
    "mailyard-outbound",
    (
        Alert(
            "MailyardDeferralsHigh",
            f"mailyard:deferred_legs:ratio15m > {limits.DEFERRED_SHARE}"
            " and sum by (namespace) (rate(mailyard_spool_deferrals_total[15m])) > 0.1",
            "15m",
            Severity.WARNING,
            "{{ $value | humanizePercentage }} of all tries put mail off",
            "Something that much mail depends on says no for now: DNS, a large provider, the filter, the store.",
        ),
        Alert(
            "MailyardProviderRefusing",
            f"mailyard:relay_not_relayed:ratio15m > {limits.REFUSED_SHARE}"
            " and on (namespace, provider) sum by (namespace, provider) (mailyard:relay_recipients:rate15m) > 0.05",
            "15m",
            Severity.WARNING,
            "{{ $labels.provider }} does not take {{ $value | humanizePercentage }} of our mail",
            "The provider puts off or refuses most recipients: our address has a bad name there, or it has trouble.",
        ),
        Alert(
            "MailyardRelayUncertain",
            "sum by (namespace) (increase(mailyard_relay_uncertain_total[1h])) > 10",
            "0s",
            Severity.WARNING,
            "{{ $value | humanize }} recipients may get a mail twice",
            "Connections break between the message and its reply: a firewall, a proxy or a time-out that is too short.",
        ),
    ),
)
