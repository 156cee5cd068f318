"""Settings of the filter."""

from pathlib import Path

from pydantic import Field

from mailyard.filter.verdict import RejectOutside
from mailyard.runtime.settings import CommonSettings, Port, settings_config


class FilterSettings(CommonSettings):
    """What an operator may change."""

    model_config = settings_config("filter")

    http_port: Port = Field(default=9103, description="Port of /livez, /readyz and /metrics.")
    rules: Path | None = Field(
        default=None,
        description="File with content rules, .toml or .json (docs/filter-rules.md); none: no rules.",
    )
    rules_check_seconds: float = Field(
        default=2.0, gt=0, le=3600, description="How often the file of rules is looked at for changes."
    )
    body_octets: int = Field(
        default=8 * 1024 * 1024,
        ge=64 * 1024,
        description="How much of a body rules look at, from its start (octets).",
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
