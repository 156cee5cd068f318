"""Who may send what to whom: decisions on values. MX never relays; LMTP takes local recipients only."""

from mailyard.directory.identity import Identity
from mailyard.directory.model import Expansion, LocalAccount, Remote, Resolution, Unknown
from mailyard.message.address import Address
from mailyard.proto.v1.ticket_pb2 import Recipient
from mailyard.smtp.parameters import RcptParameters
from mailyard.smtp.reply import Reply
from mailyard.smtp.server.limits import Mode
from mailyard.smtp_in.replies import NOT_LOCAL, RECIPIENT_OK, RELAY_DENIED


def judge_recipient(mode: Mode, identity: Identity | None, resolution: Resolution) -> Reply:
    """Take a recipient or say why not.

    Whoever is not one of ours is relayed to for authenticated senders only (RFC 5321 section 3.6.2).
    """
    match resolution:
        case LocalAccount() | Expansion():
            return RECIPIENT_OK
        case Unknown(reason, status):
            return Reply(550, status, (reason.capitalize(),))
        case Remote():
            if mode is Mode.SUBMISSION and identity is not None:
                return RECIPIENT_OK
            return NOT_LOCAL if mode is Mode.LMTP else RELAY_DENIED


def owner_of(resolution: Resolution, identity: Identity | None) -> str:
    """The tenant whose recipient it is: the owner of a local address, else the sender's."""
    match resolution:
        case LocalAccount() | Expansion():
            return resolution.tenant
    assert identity is not None, "a remote recipient was taken from nobody"
    return identity.tenant


def recipient_row(
    address: Address, resolution: Resolution, identity: Identity | None, said: RcptParameters, number: int
) -> Recipient:
    """Write down an accepted recipient as it was named; what it resolves to is the router's business."""
    tenant = owner_of(resolution, identity)
    return Recipient(address=str(address), origin=number, tenant=tenant, notify=said.notify, orcpt=said.orcpt)


def is_own_address(identity: Identity, resolution: Resolution | None) -> bool:
    """Whether it is known without a question that mail from this address is the account's to send."""
    return isinstance(resolution, LocalAccount) and str(resolution.account.id) == identity.account
