"""Decisions of hygiene on values: names in HELO, token buckets, modes, networks, greylisting."""

from datetime import UTC, datetime, timedelta
from ipaddress import ip_network

import pytest

from mailyard.directory.policy import HygieneMode
from mailyard.smtp_in.hygiene.buckets import Buckets
from mailyard.smtp_in.hygiene.greylistrules import GreylistRules, pair_of, wait_of
from mailyard.smtp_in.hygiene.helo import problem_of
from mailyard.smtp_in.hygiene.modes import modes_of
from mailyard.smtp_in.hygiene.networks import is_within, sending_network
from mailyard.smtp_in.hygiene.settings import HygieneSettings

NOW = datetime(2026, 11, 28, 12, tzinfo=UTC)
RULES = GreylistRules()


@pytest.mark.parametrize(
    ("name", "rule"),
    [
        ("mx.there.test", ""),
        ("mx_1.there.test", ""),
        ("thư.nước.test", ""),
        ("[192.0.2.1]", ""),
        ("[ipv6:2001:db8::1]", ""),
        ("mail.one.test", "own-name"),
        ("192.0.2.1", "bare-address"),
        ("2001:db8::1", "bare-address"),
        ("localhost", "syntax"),
        ("", "syntax"),
        ("-a.test", "syntax"),
        ("a..test", "syntax"),
        ("a.test!", "syntax"),
        ("[192.0.2.1", "syntax"),
        ("[192.0.2.300]", "syntax"),
        ("[2001:db8::1]", "syntax"),
        ("[ipv6:192.0.2.1]", "syntax"),
    ],
)
def test_a_name_in_helo_breaks_one_rule_or_none(name, rule) -> None:
    assert problem_of(name, "mail.one.test")[0] == rule


def test_a_name_of_many_labels_costs_linear_time() -> None:
    assert problem_of("a-" * 100_000 + "!", "x.test")[0] == "syntax"
    assert problem_of("a." * 100_000 + "!", "x.test")[0] == "syntax"


def test_a_bucket_permits_its_burst_and_then_its_rate() -> None:
    buckets = Buckets(3, 0.5)
    assert [buckets.take("a", 0.0) for _ in range(4)] == [True, True, True, False]
    assert buckets.is_empty("a", 0.0)
    assert not buckets.is_empty("b", 0.0)
    assert buckets.take("b", 0.0)
    assert not buckets.take("a", 1.9)
    assert buckets.take("a", 2.0)
    assert not buckets.take("a", 2.0)
    assert [buckets.take("a", 1000.0) for _ in range(4)] == [True, True, True, False]


def test_a_bucket_that_is_always_asked_still_fills_up() -> None:
    buckets = Buckets(1, 1.0)
    assert sum(buckets.take("a", step / 10) for step in range(101)) == pytest.approx(11, abs=1)


def test_buckets_are_bounded_and_the_least_used_one_goes() -> None:
    buckets = Buckets(1, 0.001, max_keys=100)
    assert buckets.take("steady", 0.0)
    for number in range(1000):
        buckets.take(f"n{number}", 0.0)
        assert not buckets.take("steady", 0.0)
    assert len(buckets) == 100


def test_a_mode_is_that_of_all_listeners_or_of_one() -> None:
    refuse, note, off = HygieneMode.REFUSE, HygieneMode.NOTE, HygieneMode.OFF
    assert dict(modes_of("refuse")) == {
        "mx": refuse, "submission": refuse, "submissions": refuse, "lmtp": refuse,
    }  # fmt: skip
    assert dict(modes_of("mx:refuse,lmtp:note")) == {
        "mx": refuse, "submission": off, "submissions": off, "lmtp": note,
    }  # fmt: skip


@pytest.mark.parametrize("text", ["", "on", "mx:on", "mx", "smtp:note", "mx:note;lmtp:note", "note,mx:off"])
def test_a_mode_that_is_none_is_refused(text) -> None:
    with pytest.raises(ValueError, match="pattern"):
        HygieneSettings(client_name=text)


def test_settings_are_off_by_default_and_lists_are_checked() -> None:
    settings = HygieneSettings()
    assert settings.hygiene_listeners == ()
    modes = [
        settings.dnsbl,
        settings.client_name,
        settings.helo_check,
        settings.greylisting,
        settings.early_talker,
    ]
    assert [*modes, settings.client_limits, settings.recipient_probing] == ["off"] * 7
    with pytest.raises(ValueError, match="needs dnsbl_lists"):
        HygieneSettings(dnsbl="mx:refuse")
    with pytest.raises(ValueError, match="no DNS list"):
        HygieneSettings(dnsbl_lists=("zen",))
    with pytest.raises(ValueError, match="at most 20 lists"):
        HygieneSettings(dnsbl_lists=tuple(f"l{n}.example" for n in range(21)))


def test_private_networks_are_trusted_by_default() -> None:
    trusted = HygieneSettings().hygiene_trusted_networks
    assert all(
        is_within(ip, trusted) for ip in ("127.0.0.1", "10.1.2.3", "::1", "fd00::1", "::ffff:10.0.0.1")
    )
    assert not any(is_within(ip, trusted) for ip in ("192.0.2.1", "2001:db8::1", "172.32.0.1", "", "x"))


def test_a_sending_network_is_a_24_or_a_64() -> None:
    assert sending_network("192.0.2.200") == "192.0.2.0/24"
    assert sending_network("::ffff:192.0.2.200") == "192.0.2.0/24"
    assert sending_network("2001:db8:1:2:3::4") == "2001:db8:1:2::/64"
    assert is_within("192.0.2.1", [ip_network("192.0.2.0/24")])


def after(minutes: float) -> datetime:
    return NOW + timedelta(minutes=minutes)


def test_a_network_passes_when_it_tries_again_after_the_wait() -> None:
    assert wait_of({}, "a", NOW, RULES) == timedelta(minutes=5)
    assert wait_of({"a": NOW}, "a", after(2), RULES) == timedelta(minutes=3)
    assert wait_of({"a": NOW}, "a", after(5), RULES) == timedelta()
    assert wait_of({"a": NOW}, "b", after(5), RULES) == timedelta(minutes=5)


def test_a_server_with_many_networks_passes_with_its_third_one() -> None:
    assert wait_of({"a": NOW, "b": after(1)}, "c", after(2), RULES) == timedelta(minutes=3)
    assert wait_of({"a": NOW, "b": after(6)}, "c", after(12), RULES) == timedelta()


def test_an_attempt_that_is_too_old_does_not_count() -> None:
    assert wait_of({"a": NOW}, "a", NOW + timedelta(hours=49), RULES) == timedelta(minutes=5)


def test_a_clock_that_is_behind_lets_nobody_wait_longer_than_the_rule_and_its_error() -> None:
    assert wait_of({"a": after(1)}, "a", NOW, RULES) == timedelta(minutes=6)


def test_a_pair_ignores_case_and_the_null_sender_belongs_to_its_network() -> None:
    assert pair_of("A@x.test", "b@y.test", "n") == pair_of("a@X.test", "B@y.test", "m")
    assert pair_of("a@x.test", "b@y.test", "n") != pair_of("a@x.test", "c@y.test", "n")
    assert pair_of("", "b@y.test", "n") != pair_of("", "b@y.test", "m")
    assert len(pair_of("a" * 10_000, "b", "n")) == 16
