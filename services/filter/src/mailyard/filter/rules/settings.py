"""The settings of content rules."""

from pathlib import Path

from pydantic import BaseModel, Field

from mailyard.filter.check import OnFailure


class RulesSettings(BaseModel):
    """What an operator may change about content rules."""

    rules: Path | None = Field(
        default=None,
        description="File with content rules, .toml or .json (docs/filter-rules.md); none: no rules.",
    )
    rules_check_seconds: float = Field(
        default=2.0, gt=0, le=3600, description="How often the rules file is checked for changes."
    )
    rules_timeout_seconds: float = Field(
        default=60.0, gt=0, le=3600, description="How long content rules may take for one batch of messages."
    )
    rules_on_failure: OnFailure = Field(
        default=OnFailure.DEFER,
        description="What happens to messages for which content rules take too long: defer them, or continue without.",
    )
