"""The interface between a session and its connection."""

from typing import Protocol


class Channel(Protocol):
    """The client's connection. Octets that arrive go straight into the session's `ServerConnection`."""

    @property
    def client_ip(self) -> str:
        """The IP address of the client."""

    @property
    def is_local(self) -> bool:
        """Whether the client is known to run on this machine."""

    @property
    def secure(self) -> bool:
        """Whether TLS protects the connection."""

    @property
    def ended(self) -> bool:
        """Whether the client will send nothing more."""

    @property
    def may_start_tls(self) -> bool:
        """Whether STARTTLS is possible now."""

    def write(self, octets: bytes) -> None:
        """Send octets, without waiting."""

    async def drain(self) -> None:
        """Wait until the client has read most of the octets; raises ConnectionError where it is gone or reads nothing."""

    async def wait(self, seconds: float) -> bool:
        """Wait for input, the end of input, or `wake`; return False after so many seconds without any."""

    def wake(self) -> None:
        """End `wait`."""

    def has_room(self, octets: int) -> bool:
        """Whether the process may hold so many more octets of this connection in memory."""

    def reserve(self, octets: int) -> bool:
        """Count octets that will be held for this connection; return False where the process may not hold them."""

    def give_back(self, octets: int) -> None:
        """Undo one `reserve`."""

    async def start_tls(self) -> None:
        """Do the TLS handshake; raises ConnectionError."""

    def abort(self) -> None:
        """Close the connection at once."""
