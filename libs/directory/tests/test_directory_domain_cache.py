"""The cache of domains."""

import asyncio

from mailyard.directory.domaincache import DomainCache
from mailyard.directory.model import Domain, Remote
from mailyard.directory.provisioning import Provisioning
from mailyard.store.client import Store


async def test_an_answer_from_before_a_change_is_not_kept_after_it(
    example: Provisioning, store: Store, monkeypatch
) -> None:
    cache = DomainCache(store)
    answered, go_on = asyncio.Event(), asyncio.Event()
    ask = cache._domains.entry_by_names

    async def slow(names):
        found = await ask(names)
        answered.set()
        await go_on.wait()
        return found

    monkeypatch.setattr(cache._domains, "entry_by_names", slow)
    question = asyncio.ensure_future(cache.one("example.org"))
    await answered.wait()
    cache.forget()
    go_on.set()
    assert isinstance(await question, Domain)
    assert cache.cached("example.org") is None
    await cache.one("example.org")
    assert cache.cached("example.org") is not None


async def test_a_domain_that_was_not_ours_is_asked_again_where_the_caller_wants_it(
    example: Provisioning, store: Store
) -> None:
    cache = DomainCache(store)
    assert await cache.many(["new.example", "example.org"]) == {
        "new.example": Remote("new.example"),
        "example.org": Domain("example.org", "acme"),
    }
    await example.add_domain("acme", "new.example")
    assert (await cache.many(["new.example"]))["new.example"] == Remote("new.example")
    found = await cache.many(["new.example"], with_remote=False)
    assert found["new.example"] == Domain("new.example", "acme")
