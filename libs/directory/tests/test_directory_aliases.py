"""Aliases and catch-alls that lead nowhere or back: refused when they are made, and at RCPT when they broke later."""

import pytest

from mailyard.directory.directory import CacheLimits, Directory
from mailyard.directory.errors import Invalid
from mailyard.directory.expansion import MAX_DESTINATIONS
from mailyard.directory.model import Expansion, LocalAccount, Unknown
from mailyard.directory.suspension import Suspension
from mailyard.message.address import Address
from mailyard.runtime.clock import now_utc

DEAD = Unknown("no target of the alias takes mail", "5.1.1")
LOOP = Unknown("alias loop", "5.4.6")


async def write_alias(store, name: str, *targets: str, tenant: str = "acme") -> None:
    """Write an alias as 0.2.0 did: without a check."""
    row = {"_id": name, "tenant": tenant, "address": name, "targets": list(targets)}
    await store.collection("addresses").insert_one(row)


@pytest.fixture
def fresh(store) -> Directory:
    return Directory(store, CacheLimits(positive_seconds=0, negative_seconds=0))


@pytest.mark.parametrize(
    ("targets", "path"),
    [
        (["one@example.org"], "one@example.org -> one@example.org"),
        (["anna@example.org", "ONE@example.org"], "one@example.org -> ONE@example.org -> one@example.org"),
        (["one+x@example.org"], "one@example.org -> one+x@example.org -> one@example.org"),
        (["two@example.org"], "one@example.org -> two@example.org -> one@example.org"),
        (
            ["bert@example.org", "three@example.org"],
            "one@example.org -> three@example.org -> two@example.org -> one@example.org",
        ),
    ],
)
async def test_an_alias_that_leads_back_to_itself_is_refused_with_the_path(example, store, targets, path):
    await write_alias(store, "two@example.org", "one@example.org", "anna@example.org")
    await write_alias(store, "three@example.org", "two@example.org")
    with pytest.raises(Invalid, match=f"alias loop: {path}".replace("+", r"\+") + "$"):
        await example.add_alias("acme", "one@example.org", targets)


async def test_a_loop_by_a_change_of_targets_is_refused_and_the_alias_stays(example):
    await example.add_alias("acme", "one@example.org", ["anna@example.org"])
    await example.add_alias("acme", "two@example.org", ["one@example.org"])
    with pytest.raises(Invalid, match=r"one@example.org -> two@example.org -> one@example.org"):
        await example.set_targets("acme", "one@example.org", ["two@example.org"])
    alias = await example.require_alias("acme", Address("one", "example.org"))
    assert alias.targets == (Address("anna", "example.org"),)
    changed = await example.set_targets("acme", "one@example.org", ["bert@example.org", "BERT@example.org"])
    assert len(changed.targets) == 1


async def test_a_target_that_takes_no_mail_is_refused(example, store):
    await write_alias(store, "dead@example.org", "gone@example.org")
    for target, reason in [
        ("nobody@example.org", "nobody@example.org takes no mail: no such address here"),
        ("nobody@other.net", "nobody@other.net takes no mail: no such address here"),
        ("dead@example.org", "dead@example.org takes no mail: no target of the alias takes mail"),
    ]:
        with pytest.raises(Invalid, match=reason):
            await example.add_alias("acme", "new@example.org", ["anna@example.org", target])
    await example.add_alias("acme", "new@example.org", ["whoever@elsewhere.test", "carl@other.net"])


async def test_an_alias_named_star_is_refused_with_what_to_use(example):
    with pytest.raises(Invalid, match=r"mailyard domain set example.org --catch-all anna@example.org"):
        await example.add_alias("acme", "*@example.org", ["anna@example.org"])


async def test_a_catch_all_must_lead_somewhere_and_not_back(example):
    for target, reason in [
        ("nobody@example.org", r"loop: \*@example.org -> nobody@example.org -> \*@example.org"),
        ("nobody@other.net", "takes no mail"),
    ]:
        with pytest.raises(Invalid, match=reason):
            await example.set_catch_all("acme", "example.org", target)
    await example.add_domain("acme", "second.example", catch_all="anna@example.org")
    await example.add_alias("acme", "over@example.org", ["x@second.example"])
    domain = await example.set_catch_all("acme", "example.org", "bert@example.org")
    assert domain.catch_all == Address("bert", "example.org")
    with pytest.raises(Invalid, match="alias loop"):
        await example.set_catch_all("acme", "second.example", "nobody@second.example")
    assert (await example.set_catch_all("acme", "example.org", "")).catch_all is None


async def test_a_new_domain_cannot_have_a_catch_all_inside_itself(example):
    with pytest.raises(Invalid, match=r"mailyard domain set new.example --catch-all all@new.example"):
        await example.add_domain("acme", "new.example", catch_all="all@new.example")


async def test_targets_in_other_tenants_are_named(example):
    targets = [Address.parse(each) for each in ("anna@example.org", "carl@other.net", "x@remote.test")]
    assert await example.checks.of_others("acme", targets) == [(Address("carl", "other.net"), "other")]


@pytest.mark.parametrize(
    ("targets", "resolution"),
    [
        (["gone@example.org"], DEAD),
        (["gone@example.org", "x@example.org"], DEAD),
        (["x@example.org"], LOOP),
        (["gone@example.org", "gone@other.net"], DEAD),
    ],
)
async def test_an_alias_that_ends_nowhere_is_unknown(example, store, fresh, targets, resolution):
    await write_alias(store, "x@example.org", *targets)
    assert await fresh.resolve(Address("x", "example.org")) == resolution


async def test_an_alias_with_one_living_target_is_taken_and_delivers_to_it_alone(example, store, fresh):
    await write_alias(store, "x@example.org", "gone@example.org", "anna@example.org", "x@example.org")
    assert isinstance(await fresh.resolve(Address("x", "example.org")), Expansion)
    ends = await fresh.expand(Address("x", "example.org"))
    assert [isinstance(end.resolution, LocalAccount) for end in ends] == [False, True]


async def test_a_dead_end_behind_a_catch_all_is_unknown(example, store, fresh):
    await store.collection("domains").update_one(
        {"_id": "example.org"}, {"$set": {"catch_all": "gone@other.net"}}
    )
    assert await fresh.resolve(Address("whoever", "example.org")) == DEAD


async def test_the_verdict_on_an_alias_is_cached_and_forgotten_in_time(example, store, directory, clock):
    x = Address("x", "example.org")
    await write_alias(store, "x@example.org", "later@example.org")
    assert directory.resolve_cached(x) is None
    assert await directory.resolve(x) == DEAD
    assert directory.resolve_cached(x) == DEAD
    await example.add_account("acme", "later@example.org", "long enough")
    clock.now += 5
    assert isinstance(await directory.resolve(x), Expansion)
    assert isinstance(directory.resolve_cached(x), Expansion)


async def test_a_list_of_more_than_the_bound_is_refused_when_made_and_at_rcpt(example, store, fresh):
    targets = [f"u{n}@remote.test" for n in range(MAX_DESTINATIONS + 1)]
    with pytest.raises(Invalid, match="more than 1000 addresses"):
        await example.add_alias("acme", "big@example.org", targets)
    await write_alias(store, "big@example.org", *targets)
    assert (await fresh.resolve(Address("big", "example.org"))).status == "5.4.6"


async def test_a_chain_of_more_levels_than_the_bound_is_refused(example, store):
    await write_alias(store, "l0@example.org", "anna@example.org")
    for n in range(1, 12):
        await write_alias(store, f"l{n}@example.org", f"l{n - 1}@example.org")
    with pytest.raises(Invalid, match="more than 10 levels of aliases"):
        await example.add_alias("acme", "top@example.org", ["l11@example.org"])


async def test_a_fresh_look_sees_a_new_domain_and_a_new_account_at_once(example, directory):
    ann = Address("ann", "new.example")
    assert directory.resolve_cached(ann) is None
    assert (await directory.resolve(ann)).domain == "new.example"
    await example.add_domain("acme", "new.example")
    assert isinstance(await directory.resolve(ann, afresh=True), Unknown)
    await example.add_account("acme", "ann@new.example", "long enough")
    assert isinstance(directory.resolve_cached(ann), Unknown)
    assert isinstance(await directory.resolve(ann, afresh=True), LocalAccount)
    assert isinstance(directory.resolve_cached(ann), LocalAccount)


@pytest.mark.parametrize(
    "text", ["anna@BÜCHER.example", "ANNA@xn--bcher-kva.example", "anna@bu\u0308cher.example"]
)
async def test_addresses_of_an_international_domain_are_one_in_every_spelling(example, fresh, text):
    await example.add_domain("acme", "Bücher.example")
    await example.add_account("acme", "anna@bücher.example", "long enough")
    assert isinstance(await fresh.resolve(Address.parse(text)), LocalAccount)


@pytest.mark.parametrize(
    "text", ["jos\u00e9@example.org", "jose\u0301@example.org", "JOSE\u0301@example.org"]
)
async def test_local_parts_are_compared_in_nfc_without_case(example, fresh, text):
    await example.add_account("acme", "Jose\u0301@example.org", "long enough")
    assert isinstance(await fresh.resolve(Address.parse(text)), LocalAccount)


async def test_a_target_in_a_suspended_domain_is_checked_as_if_the_domain_were_active(example, store):
    await Suspension(store, example, now_utc).suspend_tenant("acme")
    await example.add_alias("acme", "one@example.org", ["anna@example.org", "bert@example.org"])
    await example.add_alias("acme", "two@example.org", ["one@example.org"])
    with pytest.raises(Invalid, match=r"nobody@example.org takes no mail: no such address here"):
        await example.add_alias("acme", "three@example.org", ["nobody@example.org"])
    with pytest.raises(Invalid, match="alias loop"):
        await example.set_targets("acme", "one@example.org", ["two@example.org"])
