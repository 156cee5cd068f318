import pytest

from mailyard.spool.reasons import reason_of


@pytest.mark.parametrize(
    ("status", "reason"),
    [
        ("4.1.8", "address"),
        ("4.2.2", "mailbox"),
        ("4.3.0", "system"),
        ("5.4.7", "network"),
        ("4.5.3", "protocol"),
        ("5.6.3", "content"),
        ("5.7.25", "policy"),
        ("4.0.0", "other"),
        ("4.9.9", "other"),
        ("", "other"),
        ("junk", "other"),
    ],
)
def test_a_status_code_gives_its_subject(status: str, reason: str) -> None:
    assert reason_of(status) == reason
