"""Settings of the filter."""

from typing import Annotated

from pydantic import Field

from mailyard.filter.rules.settings import RulesSettings
from mailyard.filter.verdict import RejectOutside, Thresholds
from mailyard.runtime.settings import CommonSettings, Port, settings_config

Score = Annotated[float, Field(ge=0, le=10_000)]


class FilterSettings(RulesSettings, CommonSettings):
    """What an operator may change; each check has its own group of settings as a base."""

    model_config = settings_config("filter")

    http_port: Port = Field(default=9103, description="Port of /livez, /readyz and /metrics.")
    body_octets: int = Field(
        default=8 * 1024 * 1024,
        ge=64 * 1024,
        description="How much of a body rules examine, from its start (octets).",
    )
    batch_octets: int = Field(
        default=16 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bodies of a batch that are in memory together (octets); a larger one comes alone.",
    )
    reject_outside: RejectOutside = Field(
        default=RejectOutside.QUARANTINE,
        description=(
            "What `reject` does to mail that came from outside without a login: quarantine, or bounce. It was "
            "accepted already, and its sender may be forged, so a bounce would reach a third party."
        ),
    )
    score_tag: Score = Field(
        default=0.0,
        description="Sum of the scores of all findings from which on a message is tagged; 0: never.",
    )
    score_quarantine: Score = Field(
        default=0.0, description="Sum of scores from which on a message is quarantined; 0: never."
    )
    score_reject: Score = Field(
        default=0.0, description="Sum of scores from which on a message is rejected; 0: never."
    )
    inline_port: Port | None = Field(
        default=None,
        description=(
            "Port at which smtp-in asks for a verdict before it accepts a message; unset: off. Whoever reaches it can"
            " make the filter work, so let nobody but smtp-in reach it."
        ),
    )
    inline_octets: int = Field(
        default=512 * 1024,
        ge=300_000,
        le=16 * 1024 * 1024,
        description="Octets of one such request at most; more gets HTTP status 413, and smtp-in goes on without.",
    )
    inline_requests: int = Field(
        default=64,
        ge=1,
        le=10_000,
        description="Such requests at the same time at most; more get HTTP status 503, and smtp-in goes on without.",
    )

    def thresholds(self) -> Thresholds:
        """Return the thresholds of scores."""
        return Thresholds(self.score_tag, self.score_quarantine, self.score_reject)
