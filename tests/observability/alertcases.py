"""Every alert with series in which it fires and, one fact changed, series in which it does not."""

from tests.observability.alertcase import Case

NS = {"namespace": "mail"}
INFO = {'mailyard_build_info{namespace="mail",instance="a:9100",service="router",version="1"}': "1x90"}
ROUTER = {**NS, "instance": "a:9100", "service": "router"}
EVER = "1x90"
DEPTH = 'mailyard_queue_depth_mails{namespace="mail",instance="a:9100",queue="local.deliver"}'
OLDEST = 'mailyard_queue_oldest_seconds{namespace="mail",instance="a:9100",queue="local.deliver"}'
TAKEN = 'mailyard_broker_consumed_tickets_total{namespace="mail",instance="b:9100",queue="local.deliver"}'
DELIVER = {**NS, "queue": "local.deliver"}


def gauge(name: str, labels: str = "") -> str:
    """A series of one instance."""
    return f'{name}{{namespace="mail",instance="a:9100"{"," if labels else ""}{labels}}}'


def slow(name: str, labels: str = "", step: int = 60) -> dict[str, str]:
    """A histogram whose every observation lies between 10 and 30."""
    braces = f"{labels}," if labels else ""
    return {
        gauge(f"{name}_bucket", f'{braces}le="10"'): "0x90",
        gauge(f"{name}_bucket", f'{braces}le="30"'): f"0+{step}x90",
        gauge(f"{name}_bucket", f'{braces}le="+Inf"'): f"0+{step}x90",
    }


def fast(name: str, labels: str = "") -> dict[str, str]:
    """A histogram whose every observation lies below 0.1."""
    braces = f"{labels}," if labels else ""
    return {
        gauge(f"{name}_bucket", f'{braces}le="0.1"'): "0+60x90",
        gauge(f"{name}_bucket", f'{braces}le="+Inf"'): "0+60x90",
    }


QUEUES = (
    Case(
        "MailyardMailUnaccounted",
        "6m",
        {gauge("mailyard_mail_unaccounted"): "3x90"},
        NS,
        {gauge("mailyard_mail_unaccounted"): "0x90"},
        "3",
    ),
    Case(  # as long as a restore takes to settle
        "MailyardMailUnaccounted",
        "6m",
        {gauge("mailyard_mail_unaccounted"): "7x90"},
        NS,
        {gauge("mailyard_mail_unaccounted"): "0x1 7x88"},
        "7",
    ),
    Case(
        "MailyardLedgerSilent",
        "30m",
        {gauge("mailyard_ledger_audits_total"): "7x90"},
        NS,
        {gauge("mailyard_ledger_audits_total"): "7+4x90"},
    ),
    Case(
        "MailyardQueueStuck",
        "20m",
        {DEPTH: "5x90", TAKEN: "100x90"},
        DELIVER,
        {DEPTH: "5x90", TAKEN: "100+1x90"},
        "5",
    ),
    Case(
        "MailyardConsumersMissing",
        "5m",
        {gauge("mailyard_queue_consumers", 'queue="local.deliver"'): "0x90"},
        DELIVER,
        {
            gauge("mailyard_queue_consumers", 'queue="local.deliver"'): "1x90",
            gauge("mailyard_queue_consumers", 'queue="dead"'): "0x90",
        },
    ),
    Case("MailyardQueueVeryOld", "10m", {OLDEST: "3600x90"}, DELIVER, {OLDEST: "1700x90"}, "1h 0m 0s"),
    Case("MailyardQueueOld", "10m", {OLDEST: "360x90"}, DELIVER, {OLDEST: "290x90"}, "6m 0s"),
    Case("MailyardQueueDeep", "15m", {DEPTH: "30000x90"}, DELIVER, {DEPTH: "20000x90"}, "30000"),
    Case(
        "MailyardMailHeld",
        "5m",
        {gauge("mailyard_spool_open_mails", 'state="held"'): "12x90"},
        NS,
        {gauge("mailyard_spool_open_mails", 'state="deferred"'): "12x90"},
        "12",
    ),
    Case(
        "MailyardDeadLetters",
        "5m",
        {gauge("mailyard_queue_depth_mails", 'queue="dead"'): "2x90"},
        {**NS, "queue": "dead"},
        {gauge("mailyard_queue_depth_mails", 'queue="dead"'): "0x90"},
        "2",
    ),
    Case(
        "MailyardDeadLettersTrimmed",
        "70m",
        {gauge("mailyard_broker_dead_letters_trimmed_total"): "0+10x90"},
        NS,
        {gauge("mailyard_broker_dead_letters_trimmed_total"): "1000x90"},
        "600",
    ),
    Case(
        "MailyardPoisonTickets",
        "10m",
        {gauge("mailyard_broker_poison_tickets_total", 'queue="local.deliver"'): "0x8 1x80"},
        DELIVER,
        {gauge("mailyard_broker_poison_tickets_total", 'queue="local.deliver"'): "1x90"},
    ),
    Case(
        "MailyardConsumerStalls",
        "40m",
        {gauge("mailyard_broker_consumer_stalls_total", 'queue="local.deliver"'): "0+1x90"},
        DELIVER,
        {gauge("mailyard_broker_consumer_stalls_total", 'queue="local.deliver"'): "1x90"},
        "30",
    ),
    Case(
        "MailyardTicketsReissued",
        "30m",
        {gauge("mailyard_router_reissued_total"): "0+100x90"},
        NS,
        {gauge("mailyard_router_reissued_total"): "0+1x90"},
        "1.5k",
    ),
    Case(
        "MailyardReleaseLate",
        "10m",
        {gauge("mailyard_spool_overdue_seconds"): "600x90"},
        NS,
        {gauge("mailyard_spool_overdue_seconds"): "1x90"},
        "10m 0s",
    ),
    Case(
        "MailyardDeliverySlow",
        "20m",
        {
            gauge("mailyard_delivery_age_seconds_bucket", 'le="60"'): "0x90",
            gauge("mailyard_delivery_age_seconds_bucket", 'le="300"'): "0+60x90",
            gauge("mailyard_delivery_age_seconds_bucket", 'le="+Inf"'): "0+60x90",
        },
        NS,
        fast("mailyard_delivery_age_seconds"),
        "4m 48s",
    ),
    Case(
        "MailyardReportsFailing",
        "20m",
        {gauge("mailyard_router_report_failures_total", 'next="given_up"'): "0x8 1x80"},
        {**NS, "next": "given_up"},
        {gauge("mailyard_router_report_failures_total", 'next="given_up"'): "1x90"},
    ),
    Case(
        "MailyardDoubleBounces",
        "70m",
        {gauge("mailyard_router_double_bounces_total"): "0+5x90"},
        NS,
        {gauge("mailyard_router_double_bounces_total"): "0+1x90"},
        "300",
    ),
)

SERVICES = (
    Case(
        "MailyardServiceDown",
        "5m",
        {**INFO, gauge("mailyard_ready_state"): "0x90"},
        {**NS, "service": "router"},
        {**INFO, gauge("mailyard_ready_state"): EVER},
    ),
    Case(
        "MailyardServiceDown",
        "90m",
        {
            'mailyard_build_info{namespace="mail",instance="a:9100",service="router",version="1"}': "1x40 stale"
        },
        {**NS, "service": "router"},
        {**INFO, gauge("mailyard_ready_state"): EVER},
    ),
    Case(
        "MailyardInstanceNotReady",
        "15m",
        {**INFO, gauge("mailyard_ready_state"): "0x90"},
        ROUTER,
        {**INFO, gauge("mailyard_ready_state"): EVER},
    ),
    Case(
        "MailyardLoopLag",
        "20m",
        {**INFO, **slow("mailyard_loop_lag_seconds")},
        ROUTER,
        {**INFO, **fast("mailyard_loop_lag_seconds")},
        "29.8s",
    ),
    Case(
        "MailyardOpenFilesHigh",
        "10m",
        {**INFO, gauge("process_open_fds"): "900x90", gauge("process_max_fds"): "1000x90"},
        ROUTER,
        {**INFO, gauge("process_open_fds"): "100x90", gauge("process_max_fds"): "1000x90"},
        "90%",
    ),
    Case(
        "MailyardCertificateExpiring",
        "70m",
        {gauge("mailyard_certificate_expiry_timestamp_seconds"): "868200x90"},
        {**NS, "instance": "a:9100"},
        {gauge("mailyard_certificate_expiry_timestamp_seconds"): "5000000x90"},
        "10d 0h 0m 0s",
    ),
    Case(
        "MailyardCertificateExpired",
        "10m",
        {gauge("mailyard_certificate_expiry_timestamp_seconds"): "4200x90"},
        {**NS, "instance": "a:9100"},
        {gauge("mailyard_certificate_expiry_timestamp_seconds"): "868200x90"},
        "1h 0m 0s",
    ),
    Case(
        "MailyardFilterRulesRefused",
        "10m",
        {gauge("mailyard_filter_rules_refused_total"): "0x8 1x80"},
        NS,
        {gauge("mailyard_filter_rules_refused_total"): "1x90"},
    ),
)

SERVERS = (
    Case(
        "MailyardStoreDisconnected",
        "5m",
        {**INFO, gauge("mailyard_store_connected_state"): "0x90"},
        ROUTER,
        {**INFO, gauge("mailyard_store_connected_state"): EVER},
    ),
    Case(
        "MailyardStoreFailing",
        "20m",
        {gauge("mailyard_store_unavailable_total"): "0+60x90"},
        NS,
        {gauge("mailyard_store_unavailable_total"): "0+1x90"},
        "1",
    ),
    Case(
        "MailyardStoreSlow",
        "20m",
        slow("mailyard_store_write_seconds", 'write="accept"'),
        {**NS, "write": "accept"},
        fast("mailyard_store_write_seconds", 'write="accept"'),
        "29s",
    ),
    Case(
        "MailyardBrokerDisconnected",
        "5m",
        {**INFO, gauge("mailyard_broker_connected_state", 'purpose="publish"'): "0x90"},
        {**ROUTER, "purpose": "publish"},
        {**INFO, gauge("mailyard_broker_connected_state", 'purpose="publish"'): EVER},
    ),
    Case(
        "MailyardPublishFailing",
        "20m",
        {gauge("mailyard_broker_publish_failures_total", 'queue="local.deliver"'): "0+1x90"},
        DELIVER,
        {gauge("mailyard_broker_publish_failures_total", 'queue="local.deliver"'): "1x90"},
    ),
)

EDGE = (
    Case(
        "MailyardEdgeRefusing",
        "5m",
        {gauge("mailyard_smtp_in_refusing_state"): EVER},
        NS,
        {gauge("mailyard_smtp_in_refusing_state"): "0x90"},
    ),
    Case(
        "MailyardAcceptSlow",
        "20m",
        slow("mailyard_smtp_in_accept_seconds", 'listener="mx"'),
        {**NS, "listener": "mx"},
        fast("mailyard_smtp_in_accept_seconds", 'listener="mx"'),
        "29s",
    ),
    Case(
        "MailyardLoginsFailing",
        "30m",
        {
            gauge("mailyard_login_attempts_total", 'login_service="imap",outcome="accepted"'): "0+60x90",
            gauge("mailyard_login_attempts_total", 'login_service="imap",outcome="wrong"'): "0+180x90",
        },
        {**NS, "login_service": "imap"},
        {
            gauge("mailyard_login_attempts_total", 'login_service="imap",outcome="accepted"'): "0+180x90",
            gauge("mailyard_login_attempts_total", 'login_service="imap",outcome="wrong"'): "0+60x90",
        },
        "75%",
    ),
    Case(
        "MailyardLoginsFailing",
        "30m",
        {gauge("mailyard_login_attempts_total", 'login_service="imap",outcome="wrong"'): "0+12x90"},
        {**NS, "login_service": "imap"},
        {gauge("mailyard_login_attempts_total", 'login_service="imap",outcome="wrong"'): "0+3x90"},
        "100%",
    ),
    Case(
        "MailyardImapSlow",
        "20m",
        slow("mailyard_imap_command_seconds", 'command="FETCH"'),
        NS,
        {
            **fast("mailyard_imap_command_seconds", 'command="FETCH"'),
            **slow("mailyard_imap_command_seconds", 'command="IDLE"', 600),
        },
        "29s",
    ),
)

OUTBOUND = (
    Case(
        "MailyardDeferralsHigh",
        "45m",
        {
            gauge("mailyard_spool_deferrals_total", 'route="remote",reason="network"'): "0+60x90",
            gauge("mailyard_spool_outcomes_total", 'result="relayed"'): "0+60x90",
        },
        NS,
        {
            gauge("mailyard_spool_deferrals_total", 'route="remote",reason="network"'): "0+6x90",
            gauge("mailyard_spool_outcomes_total", 'result="relayed"'): "0+600x90",
        },
        "50%",
    ),
    Case(
        "MailyardProviderRefusing",
        "45m",
        {
            gauge("mailyard_relay_recipients_total", 'provider="google",fate="deferred"'): "0+180x90",
            gauge("mailyard_relay_recipients_total", 'provider="google",fate="relayed"'): "0+60x90",
            gauge("mailyard_relay_recipients_total", 'provider="other",fate="relayed"'): "0+60x90",
        },
        {**NS, "provider": "google"},
        {
            gauge("mailyard_relay_recipients_total", 'provider="google",fate="deferred"'): "0+60x90",
            gauge("mailyard_relay_recipients_total", 'provider="google",fate="relayed"'): "0+180x90",
        },
        "75%",
    ),
    Case(
        "MailyardRelayUncertain",
        "80m",
        {gauge("mailyard_relay_uncertain_total", 'provider="other"'): "0+1x90"},
        NS,
        {gauge("mailyard_relay_uncertain_total", 'provider="other"'): "20x90"},
        "60",
    ),
)

CANARY = (
    Case(
        "MailyardCanaryFailing",
        "10m",
        {gauge("mailyard_canary_success_state", 'leg="echo"'): "0x90"},
        {**NS, "leg": "echo"},
        {gauge("mailyard_canary_success_state", 'leg="echo"'): EVER},
    ),
    Case(
        "MailyardCanarySlow",
        "20m",
        {gauge("mailyard_canary_seconds", 'leg="echo"'): "90x90"},
        {**NS, "leg": "echo"},
        {gauge("mailyard_canary_seconds", 'leg="echo"'): "2x90"},
        "1m 30s",
    ),
    Case(
        "MailyardCanaryAbsent",
        "60m",
        {gauge("mailyard_canary_run_timestamp_seconds"): "0x90"},
        NS,
        {gauge("mailyard_canary_run_timestamp_seconds"): "0+60x90"},
        "1h 0m 0s",
    ),
)

HPA = 'namespace="mail",horizontalpodautoscaler="keda-hpa-mailyard-filter"'


def _hpa(current: int, most: int) -> dict[str, str]:
    prefix = "kube_horizontalpodautoscaler"
    return {
        f"{prefix}_status_current_replicas{{{HPA}}}": f"{current}x90",
        f"{prefix}_spec_max_replicas{{{HPA}}}": f"{most}x90",
        f"{prefix}_spec_min_replicas{{{HPA}}}": "1x90",
    }


SCALING = (
    Case(
        "MailyardScalerAtMax",
        "20m",
        _hpa(10, 10),
        {**NS, "horizontalpodautoscaler": "keda-hpa-mailyard-filter"},
        _hpa(9, 10),
        "10",
    ),
    Case(
        "MailyardScalerAtMax",
        "20m",
        _hpa(10, 10),
        {**NS, "horizontalpodautoscaler": "keda-hpa-mailyard-filter"},
        _hpa(1, 1),
        "10",
    ),
    Case(
        "MailyardScalerFailing",
        "30m",
        {
            'keda_scaler_detail_errors_total{namespace="keda",scaledObject="mailyard-filter",metric="m"}': "0+1x90"
        },
        {"scaledObject": "mailyard-filter"},
        {
            'keda_scaler_detail_errors_total{namespace="keda",scaledObject="mailyard-filter",metric="m"}': "1x90"
        },
        "10",
    ),
)

CASES = (*QUEUES, *SERVICES, *SERVERS, *EDGE, *OUTBOUND, *CANARY, *SCALING)
