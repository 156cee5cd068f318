"""The client's connection as a session sees it: nothing else of a session reaches a socket."""

from typing import Protocol


class Channel(Protocol):
    """The client's connection. Octets that arrive go straight into the session's `ServerConnection`."""

    @property
    def client_ip(self) -> str:
        """Where the client stands."""

    @property
    def is_local(self) -> bool:
        """Whether the client is known to run on this machine."""

    @property
    def secure(self) -> bool:
        """Whether TLS protects the connection."""

    @property
    def ended(self) -> bool:
        """Whether nothing more will arrive."""

    @property
    def may_start_tls(self) -> bool:
        """Whether STARTTLS is possible now."""

    def write(self, octets: bytes) -> None:
        """Send octets, without waiting."""

    async def drain(self) -> None:
        """Wait until the client has taken most of it; raises ConnectionError when it is gone or takes nothing."""

    async def wait(self, seconds: float) -> bool:
        """Wait for input, its end, or `wake`; False when none came in time."""

    def wake(self) -> None:
        """End `wait`."""

    def has_room(self, octets: int) -> bool:
        """Whether the process may hold so many more octets of this connection in memory."""

    def reserve(self, octets: int) -> bool:
        """Count octets that something is about to hold for this connection; False where there is no room for them."""

    def give_back(self, octets: int) -> None:
        """Undo one `reserve`."""

    async def start_tls(self) -> None:
        """Do the TLS handshake; raises ConnectionError."""

    def abort(self) -> None:
        """Drop the connection at once."""
