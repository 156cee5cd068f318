"""Aliases followed to their ends, over a given map of resolutions."""

from bson import ObjectId
from hypothesis import given
from hypothesis import strategies as st

from mailyard.directory.expansion import LOOP, MAX_DESTINATIONS, TOO_DEEP, TOO_MANY, AliasWalk
from mailyard.directory.model import Account, Destination, Expansion, LocalAccount, Remote, Unknown
from mailyard.message.address import Address

UNKNOWN = Unknown("no such address here")


def at(local: str, domain: str = "example.org") -> Address:
    return Address(local, domain)


def account(local: str) -> LocalAccount:
    return LocalAccount(Account(ObjectId(), "acme", at(local)), "acme", at(local))


def alias(*targets: Address) -> Expansion:
    return Expansion(targets, "acme")


def walk(start: Address, resolutions) -> tuple[Destination, ...]:
    steps = AliasWalk(start)
    while steps.pending:
        steps.feed({each: resolutions.get(each, UNKNOWN) for each in steps.pending})
    return steps.destinations()


def test_an_account_is_its_own_destination():
    anna = account("anna")
    assert walk(at("anna"), {at("anna"): anna}) == (Destination(at("anna"), anna),)


def test_an_alias_leads_through_aliases_to_accounts_remote_and_unknown_addresses():
    anna, far = account("anna"), at("bert", "remote.net")
    ends = walk(
        at("all"),
        {
            at("all"): alias(at("sales"), far, at("gone")),
            at("sales"): alias(at("anna")),
            at("anna"): anna,
            far: Remote("remote.net"),
        },
    )
    assert ends == (
        Destination(far, Remote("remote.net")),
        Destination(at("gone"), UNKNOWN),
        Destination(at("anna"), anna),
    )


def test_an_account_that_is_reached_twice_gets_one_copy():
    anna = account("anna")
    detailed = LocalAccount(anna.account, "acme", anna.address, "lists")
    ends = walk(
        at("all"),
        {at("all"): alias(at("anna"), at("anna+lists")), at("anna"): anna, at("anna+lists"): detailed},
    )
    assert ends == (Destination(at("anna"), anna),)


def test_a_loop_beside_real_targets_is_left_out():
    anna = account("anna")
    resolutions = {at("a"): alias(at("b"), at("anna")), at("b"): alias(at("a")), at("anna"): anna}
    assert walk(at("a"), resolutions) == (Destination(at("anna"), anna),)


def test_a_loop_without_real_targets_ends_as_unknown_with_status_5_4_6():
    ends = walk(at("a"), {at("a"): alias(at("b")), at("b"): alias(at("A"))})
    assert ends == (Destination(at("a"), LOOP),)
    assert LOOP.status == "5.4.6"


def test_a_chain_longer_than_the_limit_ends_as_unknown():
    chain = {at(f"a{n}"): alias(at(f"a{n + 1}")) for n in range(50)}
    assert walk(at("a0"), chain) == (Destination(at("a10"), TOO_DEEP),)


def test_a_chain_of_ten_aliases_is_followed():
    anna = account("anna")
    chain = {at(f"a{n}"): alias(at(f"a{n + 1}")) for n in range(10)}
    assert walk(at("a0"), {**chain, at("a10"): anna}) == (Destination(at("a10"), anna),)


def test_more_destinations_than_the_limit_end_as_one_unknown():
    many = [at(f"u{n}") for n in range(MAX_DESTINATIONS + 1)]
    assert walk(at("all"), {at("all"): alias(*many)}) == (Destination(at("all"), TOO_MANY),)


names = st.sampled_from("abcdefgh").map(at)


@given(st.dictionaries(names, st.lists(names, max_size=4).map(lambda targets: alias(*targets))))
def test_every_net_of_aliases_ends_with_at_least_one_destination(resolutions):
    ends = walk(at("a"), resolutions)
    assert ends
    assert len({end.address for end in ends}) == len(ends)
