"""Settings of delivery."""

from pydantic import Field

from mailyard.runtime.settings import CommonSettings, Port, settings_config


class DeliverySettings(CommonSettings):
    """What an operator may change."""

    model_config = settings_config("delivery")

    http_port: Port = Field(default=9104, description="Port of /livez, /readyz and /metrics.")
    batch_messages: int = Field(default=100, ge=1, le=1000, description="Most messages of one insert.")
    batch_octets: int = Field(
        default=8 * 1024 * 1024,
        ge=1024 * 1024,
        description="Bodies of a batch that are in memory together (octets); a larger body comes alone.",
    )
