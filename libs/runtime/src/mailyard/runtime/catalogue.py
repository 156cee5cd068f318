"""The one list of metrics and the one list of events: logs, docs, dashboards and alerts come from here.

Names of metrics: `mailyard_<service or thing>_<what>_<unit>[_total]`. Labels never hold addresses or ids.
Add a line here before you count or log something new; `metrics.py` refuses names that are not here.
"""

from dataclasses import dataclass
from typing import Literal

Kind = Literal["counter", "gauge", "histogram"]

SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
SIZES = (1, 2, 5, 10, 20, 50, 100, 200, 500)
WAITS = (0.005, 0.025, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 15.0, 60.0, 300.0, 900.0, 3600.0, 14_400.0)


@dataclass(frozen=True, slots=True)
class Metric:
    """One metric: `labels` in order, `buckets` for histograms only."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Event:
    """One event name of logs and timelines, and what it tells."""

    name: str
    meaning: str


_METRICS = (
    # runtime
    Metric("mailyard_build_info", "gauge", "Always 1; says which version runs.", ("service", "version")),
    Metric("mailyard_ready_state", "gauge", "1 while /readyz answers 200.", ()),
    Metric("mailyard_loop_lag_seconds", "histogram", "How late the event loop ran a timer.", (), SECONDS),
    Metric(
        "mailyard_proxy_headers_total",
        "counter",
        "Connections from balancers, by what became of their PROXY header.",
        ("listener", "outcome"),
    ),
    Metric(
        "mailyard_proxy_waiting_connections",
        "gauge",
        "Connections from balancers whose PROXY header has not come yet.",
        ("listener",),
    ),
    Metric(
        "mailyard_certificate_expiry_timestamp_seconds",
        "gauge",
        "When the certificate that is served ends, as Unix time.",
    ),
    Metric("mailyard_connections_held_bytes", "gauge", "Octets that all connections hold in memory."),
    Metric("mailyard_connections_held_limit_bytes", "gauge", "The limit of those octets."),
    Metric("mailyard_trace_spans_exported_total", "counter", "Spans that the collector took."),
    Metric(
        "mailyard_trace_spans_dropped_total",
        "counter",
        "Spans that were thrown away: the collector did not take them, or too many waited for it.",
        ("reason",),
    ),
    # broker
    Metric("mailyard_broker_connected_state", "gauge", "1 while the connection is up.", ("purpose",)),
    Metric("mailyard_broker_reconnects_total", "counter", "Connections lost and begun anew.", ("purpose",)),
    Metric(
        "mailyard_broker_published_tickets_total", "counter", "Tickets confirmed by the broker.", ("queue",)
    ),
    Metric("mailyard_broker_published_messages_total", "counter", "AMQP messages confirmed.", ("queue",)),
    Metric("mailyard_broker_publish_failures_total", "counter", "AMQP messages not confirmed.", ("queue",)),
    Metric("mailyard_broker_confirm_seconds", "histogram", "From publish to confirm.", ("queue",), SECONDS),
    Metric("mailyard_broker_consumed_tickets_total", "counter", "Tickets received.", ("queue",)),
    Metric("mailyard_broker_consumed_messages_total", "counter", "AMQP messages received.", ("queue",)),
    Metric(
        "mailyard_broker_handler_seconds", "histogram", "Duration of a handler call.", ("queue",), SECONDS
    ),
    Metric(
        "mailyard_queue_wait_seconds",
        "histogram",
        "From a ticket's entry into a queue to the handler that took it.",
        ("queue",),
        WAITS,
    ),
    Metric("mailyard_broker_handler_tickets", "histogram", "Tickets per handler call.", ("queue",), SIZES),
    Metric(
        "mailyard_broker_poison_tickets_total", "counter", "Tickets that the handler cannot take.", ("queue",)
    ),
    Metric(
        "mailyard_broker_dead_letters_trimmed_total",
        "counter",
        "AMQP messages removed from the queue dead because it was above its bound.",
    ),
    Metric(
        "mailyard_broker_consumer_stalls_total", "counter", "Consumers found dead and renewed.", ("queue",)
    ),
    Metric("mailyard_broker_events_published_total", "counter", "Mailbox events handed to the broker."),
    Metric(
        "mailyard_broker_events_dropped_total", "counter", "Mailbox events lost because the broker was away."
    ),
    Metric("mailyard_broker_events_received_total", "counter", "Mailbox events received."),
    # store
    Metric("mailyard_store_transaction_retries_total", "counter", "Transactions repeated after a conflict."),
    Metric("mailyard_store_connected_state", "gauge", "1 while MongoDB has a primary that we reach."),
    Metric(
        "mailyard_store_unavailable_total",
        "counter",
        "Operations that failed because MongoDB was unreachable, could not write, or refused the login or a right.",
    ),
    Metric(
        "mailyard_store_write_seconds",
        "histogram",
        "Duration of a batched write on the way of mail.",
        ("write",),
        SECONDS,
    ),
    # mailbox
    Metric("mailyard_mailbox_duplicates_total", "counter", "Messages that were in their mailbox already."),
    Metric(
        "mailyard_mailbox_transactions_split_total",
        "counter",
        "Transactions that other writers kept from committing, and that were cut or given back.",
    ),
    # router
    Metric(
        "mailyard_router_routed_total", "counter", "Tickets routed, by the queue they went to.", ("queue",)
    ),
    Metric("mailyard_router_reissued_total", "counter", "Tickets that were lost and published again."),
    Metric("mailyard_router_bounces_total", "counter", "Bounces made."),
    Metric(
        "mailyard_router_reports_total",
        "counter",
        "Recipients that a sender got a report of (RFC 3464), by action.",
        ("action",),
    ),
    Metric(
        "mailyard_router_report_failures_total",
        "counter",
        "Reports to senders that could not be made, by what followed: retried, or given_up.",
        ("next",),
    ),
    Metric(
        "mailyard_router_double_bounces_total",
        "counter",
        "Messages without a sender that failed, nearly always bounces.",
    ),
    Metric(
        "mailyard_router_swept_total",
        "counter",
        "Rows, messages and bodies deleted because nobody needs them.",
        ("kind",),
    ),
    Metric("mailyard_queue_depth_mails", "gauge", "Mails that wait in a queue.", ("queue",)),
    Metric(
        "mailyard_queue_oldest_seconds",
        "gauge",
        "How long the oldest mail of a queue has waited.",
        ("queue",),
    ),
    Metric("mailyard_queue_broker_messages", "gauge", "AMQP messages ready in a queue.", ("queue",)),
    Metric("mailyard_queue_consumers", "gauge", "Consumers of a queue.", ("queue",)),
    Metric(
        "mailyard_spool_open_mails",
        "gauge",
        "Mails, or legs of mails, that have not ended: active ones have a ticket, deferred ones wait for a time.",
        ("state",),
    ),
    Metric(
        "mailyard_spool_overdue_seconds",
        "gauge",
        "For how long the oldest deferred mail has been due without being released.",
    ),
    Metric(
        "mailyard_tenant_waiting_mails",
        "gauge",
        "Mails that have not ended, of the tenants with most of them and of all others together.",
        ("tenant",),
    ),
    Metric("mailyard_canary_success_state", "gauge", "1 when the canary's last mail arrived.", ("leg",)),
    Metric("mailyard_canary_seconds", "gauge", "How long the canary's last mail took.", ("leg",)),
    Metric(
        "mailyard_canary_run_timestamp_seconds", "gauge", "When the canary last ran to its end, as Unix time."
    ),
    Metric(
        "mailyard_mail_unaccounted",
        "gauge",
        "Recipients by which the two books of the ledger differ; must be 0.",
    ),
    Metric("mailyard_ledger_audits_total", "counter", "Comparisons of the two books of the ledger."),
    Metric(
        "mailyard_ledger_recipients",
        "gauge",
        "Recipients of the ledger's open minutes, by what became of them.",
        ("became",),
    ),
    # filter
    Metric(
        "mailyard_filter_messages_total",
        "counter",
        "Messages filtered, by direction and what the verdict does with them.",
        ("direction", "action"),
    ),
    Metric("mailyard_filter_findings_total", "counter", "Findings, by check and rule.", ("check", "rule")),
    Metric(
        "mailyard_filter_defects_total",
        "counter",
        "Messages that were looked into and have a defect, by defect.",
        ("defect",),
    ),
    Metric(
        "mailyard_filter_check_failures_total",
        "counter",
        "Messages about which a check could not say anything, by what followed: defer or continue.",
        ("check", "next"),
    ),
    Metric(
        "mailyard_filter_inline_requests_total",
        "counter",
        "Questions of smtp-in before it accepts a message, by HTTP status of the answer.",
        ("status",),
    ),
    Metric("mailyard_filter_read_bytes_total", "counter", "Octets of bodies read for checks."),
    Metric("mailyard_filter_rules_active", "gauge", "Content rules in force."),
    Metric(
        "mailyard_filter_rules_refused_total", "counter", "Changed files of rules that could not be used."
    ),
    # delivery
    Metric(
        "mailyard_delivery_messages_total",
        "counter",
        "Messages put in mailboxes, by mailbox kind.",
        ("kind",),
    ),
    Metric("mailyard_delivery_batch_messages", "histogram", "Messages of one insert.", (), SIZES),
    Metric(
        "mailyard_delivery_age_seconds",
        "histogram",
        "From acceptance to the mailbox.",
        (),
        (0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 3600.0),
    ),
    # imap
    Metric("mailyard_imap_open_connections", "gauge", "Open connections.", ("listener",)),
    Metric("mailyard_imap_connections_total", "counter", "Connections accepted.", ("listener",)),
    Metric(
        "mailyard_imap_refused_connections_total",
        "counter",
        "Connections turned away, or ended without a login.",
        ("limit",),
    ),
    Metric("mailyard_imap_idling_sessions", "gauge", "Sessions in IDLE."),
    Metric("mailyard_imap_commands_total", "counter", "Commands answered, by result.", ("command", "result")),
    Metric("mailyard_imap_command_seconds", "histogram", "Duration of a command.", ("command",), SECONDS),
    Metric("mailyard_imap_received_bytes_total", "counter", "Octets received from clients."),
    Metric("mailyard_imap_sent_bytes_total", "counter", "Octets sent to clients."),
    Metric("mailyard_imap_appended_bytes_total", "counter", "Octets of appended messages."),
    # relay
    Metric(
        "mailyard_relay_recipients_total",
        "counter",
        "Recipients tried, by what a try made of them.",
        ("provider", "fate"),
    ),
    Metric(
        "mailyard_relay_refusals_total",
        "counter",
        "Recipients that a try did not relay, by the subject of the status code (RFC 3463).",
        ("provider", "fate", "reason"),
    ),
    Metric(
        "mailyard_relay_sessions_total",
        "counter",
        "Connections that became ready, by TLS version.",
        ("provider", "tls"),
    ),
    Metric(
        "mailyard_relay_session_failures_total",
        "counter",
        "Connections that did not become ready, by the step at which they failed.",
        ("provider", "step"),
    ),
    Metric(
        "mailyard_relay_attempt_seconds",
        "histogram",
        "Duration of one try at a leg, DNS and waiting for a connection included.",
        ("provider",),
        (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0, 900.0),
    ),
    Metric(
        "mailyard_relay_uncertain_total",
        "counter",
        "Recipients whose connection broke between the message and the reply: they may get it twice.",
        ("provider",),
    ),
    Metric("mailyard_relay_connections_open", "gauge", "Open connections, idle ones included."),
    Metric(
        "mailyard_relay_busy_state",
        "gauge",
        "1 while connections are short, so that slow hosts get less time for their replies.",
    ),
    Metric("mailyard_relay_legs_open", "gauge", "Legs that are claimed and not reported."),
    Metric("mailyard_relay_void_tickets_total", "counter", "Tickets whose leg was not to be claimed."),
    Metric(
        "mailyard_relay_report_retries_total",
        "counter",
        "Reports that were written late because the store was away.",
    ),
    # spool
    Metric("mailyard_spool_batch_messages", "histogram", "Messages of one accepted batch.", (), SIZES),
    Metric("mailyard_spool_unpublished_total", "counter", "Messages accepted while the broker was away."),
    Metric("mailyard_spool_outcomes_total", "counter", "Recipients that ended.", ("result",)),
    Metric(
        "mailyard_spool_deferrals_total",
        "counter",
        "Legs put off, by where to and by the subject of the status code (RFC 3463).",
        ("route", "reason"),
    ),
    # smtp-in
    Metric("mailyard_smtp_in_open_connections", "gauge", "Connections that are open.", ("listener",)),
    Metric("mailyard_smtp_in_connections_total", "counter", "Connections, refused ones too.", ("listener",)),
    Metric(
        "mailyard_smtp_in_accepted_messages_total", "counter", "Messages answered with 250.", ("listener",)
    ),
    Metric("mailyard_smtp_in_accepted_recipients_total", "counter", "Recipients of those.", ("listener",)),
    Metric("mailyard_smtp_in_accepted_bytes_total", "counter", "Octets of those.", ("listener",)),
    Metric(
        "mailyard_smtp_in_accept_seconds",
        "histogram",
        "From the end of a message to its 250.",
        ("listener",),
        SECONDS,
    ),
    Metric("mailyard_smtp_in_refusals_total", "counter", "Refusals by their class.", ("listener", "reason")),
    Metric(
        "mailyard_smtp_in_timeouts_total", "counter", "Clients waited for in vain.", ("listener", "phase")
    ),
    Metric("mailyard_smtp_in_tls_handshakes_total", "counter", "TLS handshakes.", ("listener", "outcome")),
    Metric(
        "mailyard_smtp_in_inline_messages_total",
        "counter",
        "Messages that the filter was to judge before they were accepted, by outcome: accepted, rejected, or why it"
        " was not asked or did not answer.",
        ("outcome",),
    ),
    Metric("mailyard_smtp_in_refusing_state", "gauge", "1 while all new messages get a 4xx."),
    # directory
    Metric(
        "mailyard_directory_lookup_addresses",
        "histogram",
        "Addresses of one query of the directory.",
        (),
        SIZES,
    ),
    Metric(
        "mailyard_login_attempts_total", "counter", "Logins by their outcome.", ("login_service", "outcome")
    ),
    Metric(
        "mailyard_login_verify_seconds", "histogram", "Checking a password, waiting included.", (), SECONDS
    ),
)

_EVENTS = (
    # runtime
    Event("service.starting", "The process has its settings and begins to start its parts."),
    Event("service.started", "All parts have started."),
    Event("service.start_failed", "The process cannot start; the line says why and what to do."),
    Event(
        "settings.unknown_variable",
        "A variable begins with MAILYARD_ and belongs to no setting; it is ignored.",
    ),
    Event("service.stopping", "A signal, or a failed part, asked the process to stop."),
    Event("service.drain_timeout", "A part did not finish its work in time; what it held is redelivered."),
    Event("service.stop_problem", "A part failed while it was being stopped."),
    Event("service.stopped", "The process has ended in order."),
    Event("library.message", "A third-party library logged something; see `message`."),
    Event(
        "periodic.unavailable", "A server that a periodic task needs is away; it is tried again in its time."
    ),
    Event("periodic.failed", "A periodic task failed; it is tried again in its time."),
    Event(
        "proxy.header_refused",
        "A connection from a balancer was closed for want of a PROXY header; `outcome` says why.",
    ),
    Event("tracing.started", "Spans of sampled messages go to the collector."),
    Event("tracing.unavailable", "The collector does not take spans; they are thrown away, mail goes on."),
    # store and spool
    Event("store.unavailable", "MongoDB does not answer; the process keeps trying."),
    Event(
        "spool.unpublished",
        "Messages were accepted while the broker was away; the reconciler publishes them.",
    ),
    Event("ledger.entry_missing", "A ledger entry could not be written; it is made from the rows later."),
    Event("ledger.entries_recovered", "Batches that an edge stored and did not note were noted."),
    Event("ledger.unaccounted", "The two books differ: rows are missing, or came from nowhere."),
    Event("progress.unreported", "The progress of consumers could not be written."),
    Event("tenants.not_counted", "The waiting mails of tenants could not be counted in time."),
    # the way of a message
    Event("message.accepted", "An edge has stored the message and said so."),
    Event(
        "message.author_rewritten",
        "From, Sender or a Resent field of a submitted message named somebody else; `became` took its place.",
    ),
    Event("message.routed", "The router has decided where the message goes."),
    Event("message.split", "The message goes several ways; each is a leg with a row of its own."),
    Event("message.filtered", "All checks have been made; the detail is the verdict."),
    Event("message.delivered", "The message is in its mailboxes."),
    Event("message.relayed", "A remote host has taken the message."),
    Event("message.deferred", "The message could not go on for now and waits."),
    Event("message.failed", "The message cannot be delivered."),
    Event("message.discarded", "A rule dropped the message."),
    Event("message.released", "A waiting message goes on."),
    Event("message.reissued", "The message's ticket was lost; it has a new one."),
    Event("message.bounced", "The sender was told of the failure."),
    Event("message.reported", "The sender was told of a success that it had asked for."),
    Event(
        "message.double_bounced",
        "A message without a sender, nearly always a report, was not delivered, and nobody is there to report that to."
        " The postmaster gets a report, if one is set.",
    ),
    Event("message.report_failed", "The report to the sender could not be made and was given up."),
    # router
    Event("bounce.double", "A message without a sender, nearly always a bounce, failed."),
    Event(
        "bounce.failed", "A report to a sender could not be made; `given_up` says whether it is tried again."
    ),
    # filter
    Event("filter.rules_loaded", "The content rules were read and are in force."),
    Event("filter.rules_missing", "The file of rules is not there; the rules in force stay."),
    Event("filter.incomplete", "A message could not be looked at as a whole; `defects` says what was cut."),
    Event(
        "filter.check_failed", "A check could not say anything about some messages; `next` says what follows."
    ),
    Event("filter.rules_refused", "The file of rules changed and cannot be used; the old rules stay."),
    # relay
    Event("relay.addresses_refused", "A domain has only addresses that must not be dialled; the mail fails."),
    Event("relay.attempt_cut_short", "A try ended early; who had not been answered is tried again."),
    Event("relay.body_missing", "A message's body is not in the store; its recipients wait."),
    Event("relay.credentials_unused", "A line of credentials names no next hop; it is never used."),
    Event(
        "relay.credentials_unverified",
        "A next hop gets credentials over TLS with any certificate, because security=encrypt is written at the hop.",
    ),
    Event("relay.claim_lost", "A claim could not be renewed in time; another process may send the leg."),
    Event("relay.claims_not_renewed", "The store did not take the renewal of claims; it is tried again."),
    Event("relay.fault", "A leg met a fault of the program; it waits."),
    Event("relay.report_delayed", "What became of a leg could not be written; it is tried again."),
    Event("sink.listening", "The sink accepts mail for every domain."),
    Event("sink.echo_dropped", "An echo could not be sent back; the canary that waits for it will tell."),
    Event("certificate.renewed", "A renewed certificate serves the handshakes to come."),
    Event("certificate.unusable", "A changed certificate cannot be used; the one before serves on."),
    # broker
    Event("broker.connected", "A connection to RabbitMQ is up and the topology is declared."),
    Event("broker.connection_failed", "RabbitMQ cannot be reached or refuses us; the process keeps trying."),
    Event("broker.connection_lost", "A connection to RabbitMQ broke; the process connects again."),
    Event("broker.topology_mismatch", "A queue or exchange exists with other properties; a person must act."),
    Event("broker.publish_failed", "Tickets were not confirmed; their rows will be published again."),
    Event("broker.publish_recovered", "Tickets are confirmed again."),
    Event("consumer.registered", "A consumer is registered with the broker."),
    Event("consumer.lost", "A consumer's channel closed or the broker cancelled it; it registers again."),
    Event("consumer.stalled", "Messages wait but nothing arrives; the consumer is registered again."),
    Event("consumer.unavailable", "A handler needs a server that is away; the same tickets are tried again."),
    Event("consumer.handler_failed", "A handler raised an error; its tickets are tried one by one."),
    Event("consumer.poison", "A ticket cannot be handled; it goes to its row or to the dead-letter queue."),
    Event(
        "broker.dead_letters_trimmed",
        "The queue dead was above its bound, and its oldest messages were removed; their mails are in the spool.",
    ),
    Event(
        "consumer.unparsable", "An AMQP message is not a batch of tickets; it goes to the dead-letter queue."
    ),
    Event("consumer.drained", "A consumer stopped: what it held is done or given back."),
    Event("events.lost", "The queue of mailbox events is gone with its channel; it is made anew."),
    Event(
        "events.binding_failed", "The queue of mailbox events could not be bound; the binding is tried again."
    ),
    Event("events.callback_failed", "A subscriber of mailbox events raised an error."),
    # router
    Event("router.account_purged", "The mailboxes of a removed account are deleted; its bodies are swept."),
    # smtp-in
    Event("smtp_in.refused", "A sender, recipient, login or message was refused; `reply` is what was said."),
    Event("smtp_in.nul_replaced", "A message held NUL octets, which were replaced by question marks."),
    Event("smtp_in.unavailable", "A server that an answer needed is away; the client was told to come back."),
    Event("smtp_in.not_stored", "A message could not be stored; the client was told to come back."),
    Event("smtp_in.body_not_stored", "A part of a long message could not be stored; its end will get a 4xx."),
    Event("smtp_in.fault", "An answer failed for a reason that nobody foresaw; the client got a 4xx."),
    Event("smtp_in.handshake_failed", "A client did not complete its TLS handshake."),
    Event(
        "smtp_in.accept_failed", "A connection could not be accepted, for instance for want of open files."
    ),
    Event("smtp_in.listening", "A listener takes connections."),
    Event(
        "smtp_in.inline_failed", "The filter did not judge a message before it was accepted; the queue does."
    ),
    Event("smtp_in.pressure", "New messages begin, or cease, to get a 4xx; `reply` says why."),
    Event("smtp_in.pressure_unknown", "The state of store and broker could not be measured."),
    Event("smtp_in.few_files", "The limit of open files is too low for the connections that are allowed."),
    # directory
    Event("login.accepted", "Somebody logged in."),
    Event(
        "login.refused", "A login failed; `reason` says why. The client was told no more than it may know."
    ),
    Event("login.unavailable", "A login could not be checked; the client was told to try again."),
    Event(
        "access.ended",
        "An account, domain or tenant was suspended or removed, or a password changed: `sessions` open ones of this"
        " process end.",
    ),
    Event("login.hash_not_renewed", "A weak password hash stays until the next login of its account."),
    # imap
    Event("imap.listening", "A listener accepts connections."),
    Event("imap.accept_failed", "A connection could not be accepted: too many open files, mostly."),
    Event("imap.client_identified", "A client said what it is (ID, RFC 2971)."),
    Event("imap.watch_failed", "Comparing the watched mailboxes with the store failed; it is tried again."),
    Event("imap.unavailable", "The mail store was away during a command; the client was told to try again."),
    Event("imap.command_failed", "A fault of the program in a command; the client got NO [SERVERBUG]."),
    Event("imap.body_missing", "A row names a body that is not in the store; the message cannot be read."),
    Event(
        "imap.response_broken", "A connection was cut because octets that were announced could not be sent."
    ),
    Event(
        "imap.keywords_left_out",
        "A mailbox has as many keywords as it may have; others are not shown, or were not set.",
    ),
    Event("imap.session_failed", "A fault of the program ended a session."),
    Event("imap.connection_ended", "A client went away, or its TLS handshake failed."),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _METRICS}
EVENTS: dict[str, Event] = {event.name: event for event in _EVENTS}
