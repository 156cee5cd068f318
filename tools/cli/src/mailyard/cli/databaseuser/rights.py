"""The rights that each service needs, in MongoDB and in RabbitMQ: the one table of them.

A separate user for each service limits the damage when a service is taken over. MongoDB knows no rights on
single fields: who may read `accounts` may read the password hashes in it.

The job before an upgrade brings the roles to the new version's table while pods of the old version still run. So a
right leaves this table only in the version after the one that stopped to use it.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from mailyard.broker.pipeline import Queue
from mailyard.broker.topology import EVENTS_EXCHANGE
from mailyard.directory.accesslog import COLLECTION as ACCESS_CHANGES
from mailyard.directory.accounts import COLLECTION as ACCOUNTS
from mailyard.directory.addresses import COLLECTION as ADDRESSES
from mailyard.directory.apppasswords import COLLECTION as APP_PASSWORDS
from mailyard.directory.dkim.keystore import COLLECTION as DKIM_KEYS
from mailyard.directory.domains import COLLECTION as DOMAINS
from mailyard.directory.grants import COLLECTION as GRANTS
from mailyard.directory.greylist import COLLECTION as GREYLIST
from mailyard.directory.greylist import NETWORKS as GREYLIST_NETWORKS
from mailyard.directory.loginlog.log import COLLECTION as LOGIN_LOG
from mailyard.directory.removed import COLLECTION as REMOVED_ACCOUNTS
from mailyard.directory.sending.rows import COLLECTION as SENDING
from mailyard.directory.tenants import COLLECTION as TENANTS
from mailyard.directory.throttle.blocks import COLLECTION as LOGIN_BLOCKS
from mailyard.directory.throttle.failurelog import COLLECTION as LOGIN_FAILURES
from mailyard.directory.throttle.networks import COLLECTION as LOGIN_NETWORKS
from mailyard.mailbox.rows import ACCOUNTS as MAILBOX_ACCOUNTS
from mailyard.mailbox.rows import DELETED_MAILBOXES, MAILBOXES, MESSAGES
from mailyard.spool.ledger.ledger import ENTRIES as LEDGER
from mailyard.spool.ledger.ledger import HOURS as LEDGER_HOURS
from mailyard.spool.row import COLLECTION as SPOOL
from mailyard.spool.watch.canary import COLLECTION as CANARY
from mailyard.spool.watch.progress import COLLECTION as PROGRESS
from mailyard.store.blobs import CHUNKS, FILES, PARKED
from mailyard.store.bodychecks import COLLECTION as BODY_CHECKS
from mailyard.store.lease import COLLECTION as LEASES

BODIES: Final = (FILES, CHUNKS)
LOGINS: Final = (LOGIN_FAILURES, LOGIN_BLOCKS, LOGIN_NETWORKS)
COLLECTIONS: Final = (
    *(TENANTS, DOMAINS, ADDRESSES, ACCOUNTS, ACCESS_CHANGES, APP_PASSWORDS, GRANTS, REMOVED_ACCOUNTS),
    *(DKIM_KEYS, SENDING, GREYLIST, GREYLIST_NETWORKS, *LOGINS, LOGIN_LOG),
    *(MAILBOXES, MAILBOX_ACCOUNTS, DELETED_MAILBOXES, MESSAGES, *BODIES, PARKED, BODY_CHECKS),
    *(SPOOL, PROGRESS, LEDGER, LEDGER_HOURS, LEASES, CANARY),
)
_EXCHANGES: Final = (*dict.fromkeys(queue.exchange for queue in Queue), EVENTS_EXCHANGE)


@dataclass(frozen=True, slots=True)
class ServiceRights:
    """The rights of one service on collections of MongoDB, and on exchanges and queues of RabbitMQ."""

    service: str
    sees: str  # what its user can read of people's data, for the documentation
    read: tuple[str, ...] = ()
    insert: tuple[str, ...] = ()
    update: tuple[str, ...] = ()
    remove: tuple[str, ...] = ()
    index: tuple[str, ...] = ()  # list, create and drop indexes
    statistics: bool = False  # `dbStats`: the free space of the database's disks
    broker: bool = True  # connects to RabbitMQ
    publishes: tuple[str, ...] = ()  # exchanges
    consumes: tuple[Queue, ...] = ()
    receives_events: bool = False  # through a queue of its own, which RabbitMQ names

    @property
    def user(self) -> str:
        """Name of its user in both servers, and of its role in MongoDB."""
        return f"mailyard-{self.service}"


_TABLE: Final = (
    ServiceRights(
        "smtp-in",
        "tenants, domains, addresses and password hashes (for logins), names and sizes of mailboxes (for quotas), numbers of sent mail, "
        "envelopes of the "
        "spool (for the age of the queue); no message",
        read=(
            *(TENANTS, DOMAINS, ADDRESSES, ACCOUNTS, APP_PASSWORDS, GRANTS, ACCESS_CHANGES),
            *(MAILBOXES, SPOOL, PROGRESS),
            *(FILES, PARKED, SENDING),  # files: the sizes of bodies
            *(GREYLIST, GREYLIST_NETWORKS, *LOGINS),
        ),
        insert=(
            *(*BODIES, PARKED, SPOOL, LEDGER, PROGRESS, SENDING),
            *(GREYLIST, GREYLIST_NETWORKS, *LOGINS, LOGIN_LOG),
        ),
        # accounts: a stronger hash of the same password; app passwords: the last use
        update=(ACCOUNTS, APP_PASSWORDS, PROGRESS, SENDING, GREYLIST, GREYLIST_NETWORKS, *LOGINS),
        remove=(*BODIES, PARKED, LOGIN_BLOCKS),  # a body that was broken off
        statistics=True,
        publishes=(Queue.SMTP_IN_ROUTE.exchange,),
    ),
    ServiceRights(
        "router",
        "tenants, domains, addresses with the accounts behind them and so password hashes, the spool, bodies (for bounces), and "
        "messages (to purge them), and encrypted DKIM keys (to rotate them)",
        read=(
            *(TENANTS, DOMAINS, ADDRESSES, ACCOUNTS, REMOVED_ACCOUNTS, DKIM_KEYS, SENDING),
            *(SPOOL, PROGRESS, LEDGER, LEDGER_HOURS, LEASES, CANARY),
            *(MESSAGES, DELETED_MAILBOXES, *BODIES, PARKED, BODY_CHECKS),
        ),
        insert=(SPOOL, PROGRESS, LEDGER, LEDGER_HOURS, LEASES, *BODIES, BODY_CHECKS, DKIM_KEYS),
        update=(SPOOL, PROGRESS, LEDGER_HOURS, LEASES, BODY_CHECKS, REMOVED_ACCOUNTS, DKIM_KEYS, SENDING),
        remove=(
            *(SPOOL, LEDGER, LEASES, *BODIES, PARKED, BODY_CHECKS, REMOVED_ACCOUNTS),
            *(MESSAGES, MAILBOXES, MAILBOX_ACCOUNTS, DELETED_MAILBOXES),
        ),
        publishes=tuple(dict.fromkeys(queue.exchange for queue in Queue if queue is not Queue.DEAD)),
        consumes=(Queue.SMTP_IN_ROUTE, Queue.DEAD),
    ),
    ServiceRights(
        "filter",
        "bodies of messages",
        read=BODIES,
        insert=(PROGRESS,),
        update=(SPOOL, PROGRESS),
        publishes=(Queue.LOCAL_DELIVER.exchange, Queue.REMOTE_SEND.exchange),
        consumes=(Queue.LOCAL_FILTER, Queue.REMOTE_FILTER),
    ),
    ServiceRights(
        "delivery",
        "bodies, mailboxes, messages, and accounts with their password hashes (for quotas)",
        read=(ACCOUNTS, MAILBOXES, MAILBOX_ACCOUNTS, MESSAGES, *BODIES),
        insert=(
            MAILBOXES,
            MAILBOX_ACCOUNTS,
            MESSAGES,
            SPOOL,
            LEDGER,
            PROGRESS,
            *BODIES,
        ),  # spool: redirects, replies
        update=(SPOOL, PROGRESS, MAILBOXES, MAILBOX_ACCOUNTS),
        publishes=(Queue.SMTP_IN_ROUTE.exchange, EVENTS_EXCHANGE),
        consumes=(Queue.LOCAL_DELIVER,),
    ),
    ServiceRights(
        "relay",
        "bodies, the spool, and tenants and domains (for their policies)",
        read=(TENANTS, DOMAINS, SPOOL, *BODIES),
        insert=(PROGRESS,),
        update=(SPOOL, PROGRESS),
        consumes=(Queue.REMOTE_SEND,),
    ),
    ServiceRights(
        "imap",
        "tenants, domains, addresses, password hashes (for logins), mailboxes, messages and bodies; nothing of the spool",
        read=(
            *(TENANTS, DOMAINS, ADDRESSES, ACCOUNTS, APP_PASSWORDS, ACCESS_CHANGES),
            *(MAILBOXES, MAILBOX_ACCOUNTS, MESSAGES, *BODIES, PARKED, *LOGINS),
        ),
        insert=(MAILBOXES, MAILBOX_ACCOUNTS, DELETED_MAILBOXES, MESSAGES, *BODIES, *LOGINS, LOGIN_LOG),
        update=(ACCOUNTS, APP_PASSWORDS, MAILBOXES, MAILBOX_ACCOUNTS, MESSAGES, *LOGINS),
        remove=(MAILBOXES, *BODIES, PARKED, LOGIN_BLOCKS),
        publishes=(EVENTS_EXCHANGE,),
        receives_events=True,
    ),
    ServiceRights(
        "toolbox",
        "everything: it is the `mailyard` command, and the setup job",
        read=COLLECTIONS,
        insert=COLLECTIONS,
        update=COLLECTIONS,
        remove=COLLECTIONS,
        index=COLLECTIONS,
        statistics=True,
        publishes=_EXCHANGES,
        consumes=tuple(Queue),
    ),
    ServiceRights(
        "canary", "nothing: it writes its results", insert=(CANARY,), update=(CANARY,), broker=False
    ),
)

RIGHTS: Final[Mapping[str, ServiceRights]] = MappingProxyType({each.service: each for each in _TABLE})
