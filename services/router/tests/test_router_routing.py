"""What becomes of recipients: one way, several, or none."""

from bson import ObjectId

from mailyard.broker.pipeline import Route
from mailyard.directory.model import Account, Destination, LocalAccount, Remote, Unknown
from mailyard.message.address import Address
from mailyard.proto.v1.ticket_pb2 import Recipient, Ticket
from mailyard.router.routing import MOST_LEG_TARGETS, Single, Split, Undeliverable, bounded, decide
from mailyard.spool.outcome import Outcome, Result
from mailyard.spool.row import Leg

ANNA = ObjectId("0" * 23 + "a")
BEN = ObjectId("0" * 23 + "b")


def ticket(*recipients: str, tenant: str = "one") -> Ticket:
    rows = [Recipient(address=each, index=number, tenant=tenant) for number, each in enumerate(recipients)]
    return Ticket(spool_id="id", tenant=tenant, recipients=rows)


def mailbox(account: ObjectId, text: str, tenant: str = "one", detail: str = "") -> Destination:
    address = Address.parse(text)
    return Destination(address, LocalAccount(Account(account, tenant, address), tenant, address, detail))


def elsewhere(text: str) -> Destination:
    address = Address.parse(text)
    return Destination(address, Remote(address.domain))


def nowhere(text: str) -> Destination:
    return Destination(Address.parse(text), Unknown("no such address"))


def ways(legs: tuple[Leg, ...]) -> list[tuple[Route, str, str, list[str]]]:
    return [(leg.route, leg.tenant, leg.site, [each.address for each in leg.targets]) for leg in legs]


def test_mailboxes_of_one_tenant_are_one_way():
    decided = decide(
        ticket("anna@one.test", "ben@one.test"),
        [[mailbox(ANNA, "anna@one.test")], [mailbox(BEN, "ben@one.test")]],
    )
    assert isinstance(decided, Single)
    assert ways((decided.leg,)) == [(Route.LOCAL, "one", "", ["anna@one.test", "ben@one.test"])]
    assert [each.account for each in decided.leg.targets] == [str(ANNA), str(BEN)]
    assert decided.expanded == 0


def test_an_alias_of_three_is_one_way_with_two_targets_more_than_recipients():
    ends = [mailbox(ANNA, "anna@one.test"), mailbox(BEN, "ben@one.test"), mailbox(ObjectId(), "c@one.test")]
    decided = decide(ticket("all@one.test"), [ends])
    assert isinstance(decided, Single)
    assert decided.expanded == 2
    assert [each.index for each in decided.leg.targets] == [0, 1, 2]
    assert {each.origin for each in decided.leg.targets} == {0}


def test_an_account_that_is_reached_twice_gets_one_copy_and_each_recipient_its_account():
    decided = decide(
        ticket("anna@one.test", "all@one.test"),
        [[mailbox(ANNA, "anna@one.test")], [mailbox(ANNA, "anna@one.test"), mailbox(BEN, "ben@one.test")]],
    )
    assert isinstance(decided, Single)
    assert [each.account for each in decided.leg.targets] == [str(ANNA), str(BEN)]


def test_fewer_targets_than_recipients_are_split_so_that_the_ledger_sees_each_recipient():
    decided = decide(
        ticket("anna@one.test", "a@one.test"),
        [[mailbox(ANNA, "anna@one.test")], [mailbox(ANNA, "anna@one.test")]],
    )
    assert isinstance(decided, Split)
    assert ways(decided.legs) == [(Route.LOCAL, "one", "", ["anna@one.test"])]


def test_the_plus_detail_reaches_the_target():
    decided = decide(ticket("anna+x@one.test"), [[mailbox(ANNA, "anna@one.test", detail="x")]])
    assert isinstance(decided, Single)
    assert decided.leg.targets[0].detail == "x"


def test_mailboxes_and_each_remote_domain_are_ways_of_their_own():
    decided = decide(
        ticket("anna@one.test", "x@far.test", "y@far.test", "z@other.test"),
        [
            [mailbox(ANNA, "anna@one.test")],
            [elsewhere("x@far.test")],
            [elsewhere("y@far.test")],
            [elsewhere("z@other.test")],
        ],
    )
    assert isinstance(decided, Split)
    assert ways(decided.legs) == [
        (Route.LOCAL, "one", "", ["anna@one.test"]),
        (Route.REMOTE, "one", "far.test", ["x@far.test", "y@far.test"]),
        (Route.REMOTE, "one", "other.test", ["z@other.test"]),
    ]
    assert decided.failed == ()


def test_another_tenants_mailbox_is_a_leg_of_that_tenant():
    decided = decide(ticket("x@two.test"), [[mailbox(BEN, "x@two.test", tenant="two")]])
    assert isinstance(decided, Split)
    assert ways(decided.legs) == [(Route.LOCAL, "two", "", ["x@two.test"])]


def test_mail_to_nobody_ends_with_the_directory_s_reason():
    decided = decide(ticket("gone@one.test"), [[nowhere("gone@one.test")]])
    assert decided == Undeliverable({0: Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such address")})


def test_one_recipient_that_is_unknown_fails_alone():
    decided = decide(
        ticket("anna@one.test", "gone@one.test"),
        [[mailbox(ANNA, "anna@one.test")], [nowhere("gone@one.test")]],
    )
    assert isinstance(decided, Split)
    assert [leg.targets[0].address for leg in decided.legs] == ["anna@one.test", "gone@one.test"]
    assert decided.failed == ((1, {0: Outcome(Result.BOUNCED, "5.1.1", "550 5.1.1 no such address")}),)


def asked(notify: str, *recipients: str) -> Ticket:
    made = ticket(*recipients)
    made.sender = "a@there.test"
    for recipient in made.recipients:
        recipient.notify = notify
        recipient.orcpt = f"rfc822;{recipient.address}"
    return made


def test_an_alias_of_one_address_passes_notify_on_and_is_not_reported():
    decided = decide(asked("SUCCESS,FAILURE", "a@one.test"), [[mailbox(ANNA, "anna@one.test")]])
    assert isinstance(decided, Single)
    assert [(each.notify, each.orcpt) for each in decided.leg.targets] == [
        ("SUCCESS,FAILURE", "rfc822;a@one.test")
    ]
    assert decided.renamed


def test_an_alias_of_several_addresses_is_reported_and_its_members_report_no_success():
    ends = [mailbox(ANNA, "anna@one.test"), elsewhere("x@remote.test")]
    decided = decide(asked("SUCCESS,FAILURE", "all@one.test"), [ends])
    assert isinstance(decided, Split)
    assert {each.notify for leg in decided.legs for each in leg.targets} == {"FAILURE"}
    assert [(each.address, each.notify) for each in decided.expanded] == [("all@one.test", "SUCCESS,FAILURE")]


def test_members_of_an_alias_with_success_alone_report_nothing():
    ends = [mailbox(ANNA, "anna@one.test"), mailbox(BEN, "ben@one.test")]
    decided = decide(asked("SUCCESS", "all@one.test"), [ends])
    assert isinstance(decided, Split)
    assert {each.notify for leg in decided.legs for each in leg.targets} == {"NEVER"}


def test_nobody_is_told_of_an_expansion_without_a_sender_or_without_asking():
    ends = [mailbox(ANNA, "anna@one.test"), mailbox(BEN, "ben@one.test")]
    without_sender = asked("SUCCESS", "all@one.test")
    without_sender.sender = ""
    for given in (without_sender, asked("FAILURE", "all@one.test"), asked("", "all@one.test")):
        assert isinstance(decide(given, [ends]), Single)


def test_a_recipient_named_beside_an_alias_is_reported_as_it_asked():
    given = asked("NEVER", "all@one.test", "anna@one.test")
    given.recipients[1].notify = "SUCCESS"
    ends = [mailbox(ANNA, "anna@one.test"), mailbox(BEN, "ben@one.test")]
    decided = decide(given, [ends, [mailbox(ANNA, "anna@one.test")]])
    assert isinstance(decided, Single)
    assert [(each.notify, each.orcpt) for each in decided.leg.targets] == [
        ("SUCCESS", "rfc822;anna@one.test"),
        ("NEVER", "rfc822;all@one.test"),
    ]


def test_two_recipients_of_one_account_are_reported_as_either_asked():
    given = asked("NEVER", "anna@one.test", "a@one.test")
    given.recipients[1].notify = "SUCCESS"
    decided = decide(given, [[mailbox(ANNA, "anna@one.test")], [mailbox(ANNA, "anna@one.test")]])
    assert isinstance(decided, Split)
    assert [each.notify for each in decided.legs[0].targets] == ["SUCCESS"]


def test_a_way_of_many_targets_is_cut_into_legs_that_number_their_targets_anew():
    count = 2 * MOST_LEG_TARGETS + 1
    names = [f"u{number}@remote.test" for number in range(count)]
    decided = decide(ticket(*names), [[elsewhere(name)] for name in names])
    assert isinstance(decided, Split)
    assert [len(leg.targets) for leg in decided.legs] == [MOST_LEG_TARGETS, MOST_LEG_TARGETS, 1]
    assert [leg.targets[0].index for leg in decided.legs] == [0, 0, 0]


def test_many_unknown_recipients_are_cut_into_legs_too():
    names = [f"u{number}@one.test" for number in range(MOST_LEG_TARGETS + 1)]
    ends = [[nowhere(name)] for name in names]
    decided = decide(ticket("anna@one.test", *names), [[mailbox(ANNA, "anna@one.test")], *ends])
    assert isinstance(decided, Split)
    assert [len(leg.targets) for leg in decided.legs] == [1, MOST_LEG_TARGETS, 1]
    assert [(position, len(outcomes)) for position, outcomes in decided.failed] == [
        (1, MOST_LEG_TARGETS),
        (2, 1),
    ]


def test_recipients_that_do_not_fit_fail_and_smaller_ones_behind_them_go_on():
    def alias(count: int) -> tuple[Destination, ...]:
        return tuple(elsewhere(f"u{number}@remote.test") for number in range(count))

    kept = bounded([alias(6), alias(5), alias(4)], 10)
    assert [len(ends) for ends in kept] == [6, 1, 4]
    assert isinstance(kept[1][0].resolution, Unknown)
    assert kept[1][0].resolution.status == "5.5.3"
