"""The cache with an end for every entry."""

from mailyard.directory.cache import TtlCache


def test_an_entry_is_there_until_its_time_is_over(clock):
    cache: TtlCache[str, int] = TtlCache(10, clock)
    cache.put("a", 1, 5.0)
    clock.now += 4.9
    assert cache.get("a") == 1
    clock.now += 0.1
    assert cache.get("a") is None
    assert len(cache) == 0


def test_the_entry_that_was_put_first_goes_when_the_cache_is_full(clock):
    cache: TtlCache[str, int] = TtlCache(2, clock)
    for key, value in [("a", 1), ("b", 2), ("a", 3), ("c", 4)]:
        cache.put(key, value, 5.0)
    assert (cache.get("a"), cache.get("b"), cache.get("c")) == (3, None, 4)


def test_a_forgotten_entry_is_gone_and_forgetting_nothing_is_no_error(clock):
    cache: TtlCache[str, int] = TtlCache(2, clock)
    cache.put("a", 1, 5.0)
    cache.forget("a")
    cache.forget("b")
    assert cache.get("a") is None
