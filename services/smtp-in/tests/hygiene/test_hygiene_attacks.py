"""What strangers do to checks: a DNS without answers, huge answers, chains of aliases, botnets."""

import asyncio
import time

from mailyard.dns.answer import DnsAnswer, DnsFailure
from mailyard.dns.resolver import DnsOptions, DnsResolver
from mailyard.smtp_in.hygiene.dnsquestions import DnsQuestions, settled

OK = "250 2.1.5 Ok"


def questions(dns_server, at_once: int = 20, clock=time.monotonic) -> DnsQuestions:
    return DnsQuestions(DnsResolver(DnsOptions(["127.0.0.1"], dns_server.port, 0.2)), at_once, clock)


async def test_a_botnet_and_a_dns_without_answers_leave_few_questions_under_way(dns_server) -> None:
    for number in range(5000):
        dns_server.break_(f"{number}.bl.test", "A", None)
    asked = questions(dns_server)
    answers = [asked.ask(f"{number}.bl.test", "A", "bl.test") for number in range(5000)]
    assert sum(isinstance(each, asyncio.Task) for each in answers) == 20
    assert set(await settled(answers)) == {DnsFailure.UNANSWERED}
    assert asked.ask("5001.bl.test", "A", "bl.test") is DnsFailure.UNANSWERED
    assert not asked._under_way


async def test_a_list_without_answers_is_left_alone_for_a_while_and_then_asked_again(dns_server) -> None:
    now = [0.0]
    asked = questions(dns_server, clock=lambda: now[0])
    for number in range(5):
        dns_server.break_(f"{number}.bl.test", "A", None)
        await settled([asked.ask(f"{number}.bl.test", "A", "bl.test")])
    assert asked.ask("6.bl.test", "A", "bl.test") is DnsFailure.UNANSWERED
    assert isinstance(asked.ask("6.other.test", "A", "other.test"), asyncio.Task)
    now[0] = 31.0
    dns_server.add("6.bl.test", "A", "127.0.0.2")
    assert await settled([asked.ask("6.bl.test", "A", "bl.test")]) == [DnsAnswer(("127.0.0.2",))]


async def test_a_question_that_many_ask_at_once_is_asked_once(dns_server) -> None:
    dns_server.add("x.bl.test", "A", "127.0.0.2")
    asked = questions(dns_server)
    found = await asyncio.gather(*(settled([asked.ask("x.bl.test", "A")]) for _ in range(100)))
    assert found == [[DnsAnswer(("127.0.0.2",))]] * 100
    assert dns_server.asked == [("x.bl.test", "A")]


async def test_whoever_leaves_does_not_take_the_answer_from_others(dns_server) -> None:
    dns_server.add("x.bl.test", "A", "127.0.0.2")
    asked = questions(dns_server)
    leaving = asyncio.create_task(settled([asked.ask("x.bl.test", "A")]))
    staying = asyncio.create_task(settled([asked.ask("x.bl.test", "A")]))
    await asyncio.sleep(0)
    leaving.cancel()
    assert await staying == [DnsAnswer(("127.0.0.2",))]


async def test_a_thousand_records_and_a_chain_of_aliases_cost_little_and_refuse_nobody(
    service, hygiene, dns_server
) -> None:
    dns_server.add("1.0.0.127.bl.test", "A", *(f"10.0.{n // 250}.{n % 250}" for n in range(1000)))
    dns_server.add("1.0.0.127.in-addr.arpa", "PTR", *(f"h{n}.evil.test." for n in range(1000)))
    for number in range(40):
        dns_server.add(f"c{number}.evil.test", "CNAME", f"c{number + 1}.evil.test.")
    dns_server.add("c40.evil.test", "A", "127.0.0.1")
    hygiene(
        dnsbl="refuse",
        dnsbl_lists=("bl.test",),
        client_name="note",
        helo_check="refuse",
        helo_rules=("unresolvable",),
    )
    listener = await service.open()
    began = time.monotonic()
    client = await service.client(listener, "EHLO c0.evil.test")
    assert (await client.envelope("ann@one.test"))[1] == OK
    assert time.monotonic() - began < 10
    assert len(dns_server.asked) < 40


async def test_connections_of_a_botnet_without_dns_are_served_and_nothing_is_left(
    service, hygiene, dns_server, eventually
) -> None:
    """Each client has its own address, and no question is answered."""
    sources = [f"127.0.{n // 200}.{n % 200 + 1}" for n in range(150)]
    for source in sources:
        dns_server.break_(".".join(reversed(source.split("."))) + ".bl.test", "A", None)
        dns_server.break_(".".join(reversed(source.split("."))) + ".in-addr.arpa", "PTR", None)
    hygiene(dnsbl="refuse", dnsbl_lists=("bl.test",), client_name="refuse", hygiene_dns_questions=16)
    service.admission.most = 1000
    listener = await service.open()

    async def one(source: str) -> str:
        client = await service.client(listener, source=source)
        said = (await client.envelope("ann@one.test"))[1]
        client.reset()
        return said

    before = len(asyncio.all_tasks())
    began = time.monotonic()
    assert set(await asyncio.gather(*map(one, sources))) == {OK}
    assert time.monotonic() - began < 60
    await eventually(lambda: service.admission._total == 0)
    await eventually(lambda: len(asyncio.all_tasks()) <= before + 40)
