"""The directory's share of a service's settings: mix it in before CommonSettings.

class SmtpInSettings(DirectorySettings, LoginSettings, CommonSettings): ...
"""

from typing import Annotated

from pydantic import BaseModel, Field

from mailyard.directory.attempts import AttemptLimits
from mailyard.directory.cache import CacheLimits
from mailyard.directory.passwords import HashCost
from mailyard.directory.throttle.limits import LoginLimits
from mailyard.message.address import Address, AddressError
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.renames import VersionAdded
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
        " logged in to it within 30 days, or has not failed within an hour, is not paused by this limit.",
    )
    login_free_failures_everywhere: Annotated[int, VersionAdded("0.3.0")] = Field(
        default=500,
        ge=0,
        description="Failed logins to one account from everywhere before each costs a pause for all networks that have"
        " not logged in to it within 30 days; 0: no such limit.",
    )
    login_free_failures_address: int = Field(
        default=40,
        ge=1,
        description="Failed logins from one address (IPv6: /64) to whichever accounts before each costs a pause."
        " A network that has logged in to the account within 30 days is not paused by this limit.",
    )
    login_free_failures_network: int = Field(
        default=400,
        ge=1,
        description="As for one address, for a network (IPv4: /24, IPv6: /48).",
    )
    login_longest_pause_seconds: float = Field(
        default=300.0, ge=1, description="The longest pause after a failed login."
    )
    login_block_seconds: Annotated[float, VersionAdded("0.3.0")] = Field(
        default=900.0,
        ge=0,
        le=86_400,
        description="How long logins are blocked after five paused failures in short time; 0: pauses only.",
    )
    login_log_days: Annotated[int, VersionAdded("0.3.0")] = Field(
        default=30,
        ge=0,
        le=3650,
        description="Days for which the login log of accounts is kept, unless the policy of a tenant or domain says"
        " otherwise; 0: it is not kept.",
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

        def limits(free: int) -> AttemptLimits:
            return AttemptLimits(
                free, self.login_longest_pause_seconds, block_seconds=self.login_block_seconds
            )

        everywhere = self.login_free_failures_everywhere
        return LoginLimits(
            login=limits(self.login_free_failures_account),
            everywhere=limits(everywhere) if everywhere else None,
            login_from_address=limits(self.login_free_failures),
            address=limits(self.login_free_failures_address),
            network=limits(self.login_free_failures_network),
            remember_seconds=self.login_remember_seconds,
        )

    def hash_cost(self) -> HashCost:
        """Return what new hashes cost."""
        return HashCost(self.argon2_time, self.argon2_memory_kib, self.argon2_parallelism)
