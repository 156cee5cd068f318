"""Alerts on mail to other hosts and on deferred mail."""

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
            "{{ $value | humanizePercentage }} of delivery attempts are deferred",
            "A shared dependency fails temporarily: DNS, a large provider, the filter or MongoDB.",
        ),
        Alert(
            "MailyardProviderRefusing",
            f"mailyard:relay_not_relayed:ratio15m > {limits.REFUSED_SHARE}"
            " and on (namespace, provider) sum by (namespace, provider) (mailyard:relay_recipients:rate15m) > 0.05",
            "15m",
            Severity.WARNING,
            "{{ $labels.provider }} does not accept {{ $value | humanizePercentage }} of the mail",
            "The provider defers or refuses most recipients: the sending IP has a poor reputation there, or the provider has a failure.",
        ),
        Alert(
            "MailyardRelayUncertain",
            "sum by (namespace) (increase(mailyard_relay_uncertain_total[1h])) > 10",
            "0s",
            Severity.WARNING,
            "{{ $value | humanize }} recipients may get a mail twice",
            "Connections break between the end of the message and the reply: a firewall, a proxy, or a short time-out.",
        ),
    ),
)
