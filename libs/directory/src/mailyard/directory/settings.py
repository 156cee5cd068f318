"""The directory's share of a service's settings: mix it in before CommonSettings.

class SmtpInSettings(DirectorySettings, LoginSettings, CommonSettings): ...
"""

from pydantic import BaseModel, Field

from mailyard.directory.attempts import AttemptLimits
from mailyard.directory.authentication import LoginLimits
from mailyard.directory.cache import CacheLimits
from mailyard.directory.passwords import HashCost
from mailyard.message.address import Address, AddressError
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.settings import CommonSettings


def postmaster_of(settings: CommonSettings) -> Address | None:
    """Return the postmaster of the installation. Raises Misconfigured: the setting is not an address."""
    if not settings.postmaster:
        return None
    try:
        return Address.parse(settings.postmaster)
    except AddressError as error:
        raise Misconfigured(f"MAILYARD_POSTMASTER is not a mail address: {error}") from None


class DirectorySettings(BaseModel):
    """For services that look up addresses."""

    directory_positive_seconds: float = Field(
        default=10.0,
        ge=0,
        le=3600,
        description="How long a found domain or address is used without asking again.",
    )
    directory_negative_seconds: float = Field(
        default=5.0,
        ge=0,
        le=3600,
        description="How long a domain or address that was not found counts as absent.",
    )
    directory_entries: int = Field(
        default=20_000, ge=100, description="How many domains, and how many addresses, are remembered."
    )

    def cache_limits(self) -> CacheLimits:
        """Return them as the directory takes them."""
        return CacheLimits(
            self.directory_positive_seconds, self.directory_negative_seconds, self.directory_entries
        )


class LoginSettings(BaseModel):
    """For services that log people in."""

    login_remember_seconds: float = Field(
        default=30.0,
        ge=0,
        le=600,
        description="How long a successful login is cached. A changed password ends the cached login within two seconds.",
    )
    login_free_failures: int = Field(
        default=8,
        ge=1,
        description="Failed logins to one account from one address (IPv6: /64) before each costs a pause.",
    )
    login_free_failures_account: int = Field(
        default=50,
        ge=1,
        description="Failed logins to one account from everywhere before each costs a pause. A network that has"
        " logged in to it within a day, or has not failed within an hour, is not paused by this limit.",
    )
    login_free_failures_address: int = Field(
        default=40,
        ge=1,
        description="Failed logins from one address (IPv6: /64) to whichever accounts before each costs a pause."
        " A network that has logged in to the account within a day is not paused by this limit.",
    )
    login_free_failures_network: int = Field(
        default=400,
        ge=1,
        description="As for one address, for a network (IPv4: /24, IPv6: /48).",
    )
    login_longest_pause_seconds: float = Field(
        default=300.0, ge=1, description="The longest pause after a failed login."
    )
    argon2_time: int = Field(
        default=2, ge=1, description="Passes of argon2id over its memory for new hashes."
    )
    argon2_memory_kib: int = Field(
        default=19_456, ge=8, description="Memory of one argon2id hash; so much for each password thread."
    )
    argon2_parallelism: int = Field(default=1, ge=1, description="Lanes of an argon2id hash.")
    password_threads: int = Field(
        default=2, ge=1, le=64, description="How many passwords are hashed at once."
    )

    def login_limits(self) -> LoginLimits:
        """Return them as the authenticator takes them."""
        longest = self.login_longest_pause_seconds
        return LoginLimits(
            login=AttemptLimits(self.login_free_failures_account, longest),
            login_from_address=AttemptLimits(self.login_free_failures, longest),
            address=AttemptLimits(self.login_free_failures_address, longest),
            network=AttemptLimits(self.login_free_failures_network, longest),
            remember_seconds=self.login_remember_seconds,
        )

    def hash_cost(self) -> HashCost:
        """Return what new hashes cost."""
        return HashCost(self.argon2_time, self.argon2_memory_kib, self.argon2_parallelism)
