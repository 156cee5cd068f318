"""What one process tells the others about failed logins."""

from dataclasses import dataclass
from enum import StrEnum

from mailyard.directory.attempts import ClientNetwork, client_of


class BlockKind(StrEnum):
    """What is counted, and blocked."""

    ACCOUNT = "account"  # for networks that have failed at this account within an hour
    EVERYWHERE = "account-everywhere"  # for all networks that have not logged in to this account
    ACCOUNT_FROM_ADDRESS = "account-from-address"
    ADDRESS = "address"
    NETWORK = "network"


@dataclass(frozen=True, slots=True)
class LoginSubject:
    """A login name, an address (IPv6: /64), a network (/24, /48), or name and address with a space in between."""

    kind: BlockKind
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.name}"


@dataclass(frozen=True, slots=True)
class Block:
    """A subject that may not try to log in for so many seconds from now."""

    subject: LoginSubject
    seconds: float


@dataclass(frozen=True, slots=True)
class Failure:
    """Failed logins with one name from one address. `login` is an address, or a hash of what is none."""

    login: str
    address: str
    count: int

    @property
    def client(self) -> ClientNetwork:
        """The address with its network."""
        return client_of(self.address.partition("/")[0])


@dataclass(frozen=True, slots=True)
class FailureReport:
    """Failures, blocks and lifted blocks of about one second; `age`: seconds since it was stored, by the server's clock."""

    failures: tuple[Failure, ...] = ()
    blocks: tuple[Block, ...] = ()
    lifted: tuple[LoginSubject, ...] = ()
    age: float = 0.0

    def __bool__(self) -> bool:
        return bool(self.failures or self.blocks or self.lifted)
