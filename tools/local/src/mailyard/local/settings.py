"""The settings of local mode; the variables of the services are passed on to them."""

from pathlib import Path

from pydantic import Field
from pydantic_settings import SettingsConfigDict

from mailyard.local.paths import VAR
from mailyard.runtime.settings import CommonSettings, Port

LARGEST_PORT_BASE = 56_000  # the highest port of local mode is below 9600


class LocalSettings(CommonSettings):
    """Settings of `make run`. Where amqp_url or mongo_url is given, that server is used and none is started."""

    model_config = SettingsConfigDict(env_prefix="MAILYARD_", extra="forbid", frozen=True)

    port_base: int = Field(
        default=0,
        ge=0,
        le=LARGEST_PORT_BASE,
        description="Added to every port, for a second Mailyard beside the first.",
    )
    local_dir: Path = Field(
        default=VAR / "local", description="Where local mode keeps data, logs, certificates and accounts."
    )
    local_amqp_proxy: Port | None = Field(
        default=None,
        description="Loopback port by which the services reach the broker that local mode starts.",
    )
    local_mongo_proxy: Port | None = Field(
        default=None,
        description="Loopback port by which the services reach the store that local mode starts.",
    )
    local_ready_seconds: float = Field(
        default=120.0, gt=0, description="How long the start may take until every service is ready."
    )

    @property
    def own_broker(self) -> bool:
        """No broker was named: one is started."""
        return "amqp_url" not in self.model_fields_set

    @property
    def own_store(self) -> bool:
        """No store was named: one is started."""
        return "mongo_url" not in self.model_fields_set
