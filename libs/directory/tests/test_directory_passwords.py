"""argon2id hashes, off the loop."""

import asyncio
import time

import pytest
from argon2 import PasswordHasher, Type
from hypothesis import given
from hypothesis import strategies as st

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


@pytest.mark.parametrize(
    ("typed", "prepared_as"),
    [  # RFC 8265, section 4.3
        ("correct horse battery staple", "correct horse battery staple"),
        ("Correct Horse Battery Staple", "Correct Horse Battery Staple"),
        ("\u03c0\u00df\u00e5", "\u03c0\u00df\u00e5"),
        ("Jack of \u2666s", "Jack of \u2666s"),
        ("foo\u1680bar", "foo bar"),
    ],
)
def test_the_examples_of_rfc_8265_are_prepared_as_it_says(typed, prepared_as):
    assert prepared(typed) == prepared_as.encode()


@given(st.text(max_size=40))
def test_preparing_a_password_twice_changes_nothing(typed):
    once = prepared(typed)
    assert prepared(once.decode("utf-8", "surrogatepass")) == once


@pytest.mark.parametrize("password", ["12345678", "x" * 1024, "é" * 512, " " * 8])
def test_a_password_at_the_limits_is_accepted_as_it_was_typed(password):
    assert checked_password(password) is password


def test_the_longest_password_is_measured_in_octets():
    with pytest.raises(Invalid, match="at most 1024 octets"):
        checked_password("é" * 513)


async def test_two_hashes_of_one_password_have_different_salts():
    passwords = Passwords(CHEAP)
    first, second = await passwords.hash("correct horse"), await passwords.hash("correct horse")
    assert first != second
    assert await passwords.verify(first, "correct horse")
    assert await passwords.verify(second, "correct horse")


@pytest.mark.parametrize("kind", [Type.I, Type.D])
async def test_a_hash_of_another_argon2_type_is_right_and_weak(kind):
    passwords = Passwords(CHEAP)
    hashed = PasswordHasher(time_cost=9, memory_cost=1024, parallelism=1, type=kind).hash("correct horse")
    assert await passwords.verify(hashed, "correct horse")
    assert passwords.is_weak(hashed)


@pytest.mark.parametrize(
    "hashed", ["", "$argon2id$", "$argon2id$v=19$m=8,t=1,p=1$c2FsdA$", "$2b$12$abc", "x" * 100_000]
)
async def test_a_damaged_hash_fits_no_password_and_raises_nothing(hashed):
    assert not await Passwords(CHEAP).verify(hashed, "correct horse")


async def test_no_more_hashes_are_under_way_than_there_are_threads(monkeypatch):
    passwords = Passwords(CHEAP, threads=2)
    running = most = 0

    def counted(hashed: str, password: bytes) -> bool:
        nonlocal running, most
        running += 1
        most = max(most, running)
        time.sleep(0.002)
        running -= 1
        return False

    monkeypatch.setattr(passwords, "_verify", counted)
    await asyncio.gather(*(passwords.verify("", "") for _ in range(20)))
    assert 1 <= most <= 2


async def test_a_caller_that_gives_up_makes_room_for_others():
    passwords = Passwords(CHEAP, threads=1, max_waiting=1)
    waiting = asyncio.create_task(passwords.verify(passwords.of_nobody, "wrong"))
    await asyncio.sleep(0)
    waiting.cancel()
    with pytest.raises(asyncio.CancelledError):
        await waiting
    assert await passwords.verify(passwords.of_nobody, "wrong") is False


async def test_after_close_nothing_is_hashed():
    passwords = Passwords(CHEAP)
    passwords.close()
    with pytest.raises(RuntimeError):
        await passwords.hash("correct horse")
