"""The cache with an end for every entry."""

from hypothesis import given
from hypothesis import strategies as st

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


def test_a_value_that_is_put_again_lives_for_its_new_time(clock):
    cache: TtlCache[str, int] = TtlCache(2, clock)
    cache.put("a", 1, 5.0)
    clock.now += 4.0
    cache.put("a", 2, 5.0)
    clock.now += 4.0
    assert cache.get("a") == 2
    cache.put("a", 3, 0.0)
    assert cache.get("a") is None


def test_an_entry_that_is_put_again_does_not_drop_another_one(clock):
    cache: TtlCache[str, int] = TtlCache(2, clock)
    for key in ("a", "b", "b", "a"):
        cache.put(key, 1, 5.0)
    assert (cache.get("a"), cache.get("b")) == (1, 1)


def test_a_false_value_is_kept(clock):
    cache: TtlCache[str, int] = TtlCache(2, clock)
    cache.put("none", 0, 5.0)
    assert cache.get("none") == 0


def test_after_clear_nothing_is_known(clock):
    cache: TtlCache[str, int] = TtlCache(10, clock)
    for key in "abc":
        cache.put(key, 1, 5.0)
    cache.clear()
    assert (len(cache), [cache.get(key) for key in "abc"]) == (0, [None] * 3)


class Seconds:
    now = 0.0

    def __call__(self) -> float:
        return self.now


operations = st.lists(
    st.tuples(st.sampled_from(["put", "get", "forget", "wait"]), st.sampled_from("abcd"), st.integers(1, 5)),
    max_size=60,
)


@given(operations)
def test_the_cache_never_returns_what_is_over_or_was_not_put_last(steps):
    seconds = Seconds()
    cache: TtlCache[str, int] = TtlCache(3, seconds)
    model: dict[str, tuple[float, int]] = {}
    for number, (operation, key, amount) in enumerate(steps):
        match operation:
            case "put":
                cache.put(key, number, amount)
                model[key] = (seconds.now + amount, number)
            case "forget":
                cache.forget(key)
                model.pop(key, None)
            case "wait":
                seconds.now += amount
            case "get":
                found = cache.get(key)
                ends, value = model.get(key, (0.0, None))
                assert found is None or (found == value and ends > seconds.now)
        assert len(cache) <= 3
