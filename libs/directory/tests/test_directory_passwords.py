"""argon2id hashes, off the loop."""

import asyncio
import time

import pytest

from mailyard.directory.errors import Invalid
from mailyard.directory.passwords import HashCost, Passwords, checked_password, prepared
from mailyard.runtime.errors import Unavailable

CHEAP = HashCost(time=1, memory_kib=8)


async def test_a_password_fits_its_own_hash_only():
    passwords = Passwords(CHEAP)
    hashed = await passwords.hash("correct horse")
    assert hashed.startswith("$argon2id$v=19$m=8,t=1,p=1$")
    assert await passwords.verify(hashed, "correct horse")
    assert not await passwords.verify(hashed, "correct house")
    assert not await passwords.verify("no hash at all", "correct horse")


async def test_the_hash_of_nobody_fits_nothing_and_costs_what_others_cost():
    passwords = Passwords(HashCost(time=2, memory_kib=19_456))
    hashed = await passwords.hash("correct horse")

    async def seconds(target: str) -> float:
        begun = time.process_time()  # what others do on the machine costs no time of ours
        assert not await passwords.verify(target, "wrong")
        return time.process_time() - begun

    of_nobody = min([await seconds(passwords.of_nobody) for _ in range(5)])
    of_somebody = min([await seconds(hashed) for _ in range(5)])
    assert of_nobody == pytest.approx(of_somebody, rel=0.5)


async def test_only_hashes_weaker_than_new_ones_are_weak():
    passwords = Passwords(HashCost(time=2, memory_kib=64))
    for cost, weak in [
        ((1, 64), True),
        ((2, 32), True),
        ((2, 64), False),
        ((3, 64), False),
        ((2, 128), False),
    ]:
        other = Passwords(HashCost(time=cost[0], memory_kib=cost[1]))
        assert passwords.is_weak(await other.hash("correct horse")) is weak


async def test_the_loop_runs_on_while_passwords_are_checked():
    passwords = Passwords(HashCost(time=4, memory_kib=65_536), threads=1)
    checks = asyncio.gather(*(passwords.verify(passwords.of_nobody, "wrong") for _ in range(3)))
    longest, last = 0.0, time.perf_counter()
    while not checks.done():
        await asyncio.sleep(0.001)
        longest, last = max(longest, time.perf_counter() - last), time.perf_counter()
    one = time.perf_counter()
    await passwords.verify(passwords.of_nobody, "wrong")
    assert longest < time.perf_counter() - one


async def test_too_many_who_wait_are_refused_at_once():
    passwords = Passwords(CHEAP, threads=1, max_waiting=2)
    checks = [asyncio.create_task(passwords.verify(passwords.of_nobody, "wrong")) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Unavailable, match="too many passwords"):
        await passwords.verify(passwords.of_nobody, "wrong")
    assert await asyncio.gather(*checks) == [False, False]
    assert await passwords.verify(passwords.of_nobody, "wrong") is False


@pytest.mark.parametrize(
    ("typed", "octets"),
    [("pa\u00a0ss", b"pa ss"), ("e\u0301", "é".encode()), ("PASS", b"PASS"), ("\udc80", b"\xed\xb2\x80")],
)
def test_the_same_password_typed_elsewhere_is_the_same_octets(typed, octets):
    assert prepared(typed) == octets


@pytest.mark.parametrize(("password", "reason"), [("seven77", "at least 8"), ("x" * 1025, "at most 1024")])
def test_a_new_password_must_be_neither_short_nor_endless(password, reason):
    with pytest.raises(Invalid, match=reason):
        checked_password(password)
