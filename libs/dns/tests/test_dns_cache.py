"""Bounds of the cache: time, entries, octets. Pure."""

from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.dns.cache import AnswerCache, AnswerLimits


def answer(*records: str) -> DnsAnswer[str]:
    return DnsAnswer(records)


def test_an_answer_is_kept_until_its_time_is_over() -> None:
    cache = AnswerCache(AnswerLimits())
    cache.put(("a.example", "A"), answer("192.0.2.1"), until=10.0)
    assert cache.get(("a.example", "A"), now=9.9) == answer("192.0.2.1")
    assert cache.get(("a.example", "AAAA"), now=9.9) is None
    assert cache.get(("a.example", "A"), now=10.0) is None
    assert (len(cache), cache.octets) == (0, 0)


def test_a_failure_is_kept_like_an_answer() -> None:
    cache = AnswerCache(AnswerLimits())
    cache.put(("gone.example", "MX"), DnsFailure.NO_DOMAIN, until=10.0)
    assert cache.get(("gone.example", "MX"), now=0.0) is DnsFailure.NO_DOMAIN


def test_the_least_recently_used_entry_goes_when_there_are_too_many() -> None:
    cache = AnswerCache(AnswerLimits(entries=2))
    for name in ("a", "b"):
        cache.put((name, "A"), answer("192.0.2.1"), until=10.0)
    cache.get(("a", "A"), now=0.0)
    cache.put(("c", "A"), answer("192.0.2.1"), until=10.0)
    assert [name for name in "abc" if cache.get((name, "A"), now=0.0)] == ["a", "c"]


def test_entries_go_when_they_take_too_many_octets_together() -> None:
    cache = AnswerCache(AnswerLimits(octets=10_000, answer_octets=5_000))
    for number in range(100):
        cache.put((f"n{number}", "TXT"), answer("x" * 2_000), until=10.0)
        assert cache.octets <= 10_000
    assert len(cache) == 3
    assert cache.get(("n99", "TXT"), now=0.0) is not None


def test_a_large_answer_is_not_kept_and_replaces_nothing_but_its_own_older_one() -> None:
    cache = AnswerCache(AnswerLimits(answer_octets=5_000))
    cache.put(("a", "TXT"), answer("small"), until=10.0)
    cache.put(("b", "TXT"), answer("small"), until=10.0)
    cache.put(("a", "TXT"), answer("x" * 5_000), until=10.0)
    assert cache.get(("a", "TXT"), now=0.0) is None
    assert cache.get(("b", "TXT"), now=0.0) == answer("small")


def test_an_entry_that_is_replaced_counts_once() -> None:
    cache = AnswerCache(AnswerLimits())
    for _ in range(3):
        cache.put(("a", "A"), answer("192.0.2.1"), until=10.0)
    once = AnswerCache(AnswerLimits())
    once.put(("a", "A"), answer("192.0.2.1"), until=10.0)
    assert cache.octets == once.octets
