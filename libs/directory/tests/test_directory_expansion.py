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


def test_exactly_as_many_destinations_as_the_limit_are_all_reached():
    many = [at(f"u{n}", "remote.net") for n in range(MAX_DESTINATIONS)]
    ends = walk(at("all"), {at("all"): alias(*many), **{each: Remote("remote.net") for each in many}})
    assert [end.address for end in ends] == many


def test_a_limit_that_is_passed_at_a_deeper_level_gives_up_what_was_reached_before():
    anna = account("anna")
    many = [at(f"u{n}") for n in range(MAX_DESTINATIONS)]
    resolutions = {at("all"): alias(at("anna"), at("list")), at("anna"): anna, at("list"): alias(*many)}
    assert walk(at("all"), resolutions) == (Destination(at("all"), TOO_MANY),)


def test_aliases_that_share_a_target_lead_to_it_once_in_the_order_of_the_first():
    anna, bert = account("anna"), account("bert")
    ends = walk(
        at("all"),
        {
            at("all"): alias(at("x"), at("y")),
            at("x"): alias(at("bert"), at("anna")),
            at("y"): alias(at("ANNA"), at("bert")),
            at("anna"): anna,
            at("ANNA"): anna,
            at("bert"): bert,
        },
    )
    assert ends == (Destination(at("bert"), bert), Destination(at("anna"), anna))


def test_a_default_with_an_account_reaches_it_beside_its_targets():
    anna = account("anna")
    default = Expansion((at("far", "remote.net"),), "acme", is_default=True, account=anna)
    ends = walk(at("postmaster"), {at("postmaster"): default, at("far", "remote.net"): Remote("remote.net")})
    assert [end.resolution for end in ends] == [anna, Remote("remote.net")]


def test_a_walk_leads_somewhere_as_soon_as_one_end_takes_mail():
    steps = AliasWalk(at("a"))
    assert (steps.start, steps.pending, steps.leads_somewhere) == (at("a"), (at("a"),), False)
    steps.feed({at("a"): alias(at("gone"), at("b"))})
    assert (steps.pending, steps.leads_somewhere) == ((at("gone"), at("b")), False)
    steps.feed({at("gone"): UNKNOWN, at("b"): alias(at("far", "remote.net"))})
    assert not steps.leads_somewhere
    steps.feed({at("far", "remote.net"): Remote("remote.net")})
    assert (steps.pending, steps.leads_somewhere) == ((), True)


def test_a_chain_one_longer_than_the_limit_beside_a_living_target_loses_only_itself():
    anna = account("anna")
    chain = {at(f"a{n}"): alias(at(f"a{n + 1}"), at("anna")) for n in range(12)}
    ends = walk(at("a0"), {**chain, at("anna"): anna})
    assert ends == (Destination(at("anna"), anna), Destination(at("a10"), TOO_DEEP))


@given(
    st.dictionaries(names, st.lists(names, max_size=4).map(lambda targets: alias(*targets))),
    st.sets(names).map(lambda living: {each: account(each.local) for each in living}),
)
def test_a_walk_reaches_every_account_that_a_search_of_the_graph_finds(aliases, accounts):
    resolutions = {**aliases, **accounts}
    reachable, level = {at("a")}, [at("a")]
    while level:
        found = (resolutions.get(each, UNKNOWN) for each in level)
        level = [
            target
            for each in found
            if isinstance(each, Expansion)
            for target in each.targets
            if target not in reachable
        ]
        reachable.update(level)
    ends = walk(at("a"), resolutions)
    reached = {end.address for end in ends if isinstance(end.resolution, LocalAccount)}
    assert reached == reachable & accounts.keys()
