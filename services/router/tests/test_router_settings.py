import pytest
from pydantic import ValidationError

from mailyard.router.settings import RouterSettings


def test_a_postmaster_that_is_no_address_is_refused_at_start() -> None:
    with pytest.raises(ValidationError, match="is not a mail address"):
        RouterSettings(double_bounce_recipient="postmaster")


def test_a_postmaster_is_kept_in_its_canonical_form() -> None:
    assert (
        RouterSettings(double_bounce_recipient="Post@Example.ORG").double_bounce_recipient
        == "Post@example.org"
    )
    assert RouterSettings().postmaster == ""
