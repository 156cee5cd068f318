import aio_pika
import pytest
from aio_pika.exceptions import ChannelNotFoundEntity
from pymongo import AsyncMongoClient

from mailyard.local.rabbitmq import Rabbitmq
from mailyard.local.vhosts import Vhosts, VhostSource


async def test_the_store_is_a_replica_set_that_takes_majority_writes_and_transactions(mongo_url, database):
    async with AsyncMongoClient(mongo_url) as client, client.start_session() as session:
        things = client[database].things
        await things.insert_one({"_id": 1})
        async with await session.start_transaction():
            await things.insert_one({"_id": 2}, session=session)
        assert await things.count_documents({}) == 2


async def test_the_broker_confirms_what_is_published_to_a_quorum_queue(vhost_url):
    async with await aio_pika.connect(vhost_url) as connection:
        channel = await connection.channel()
        queue = await channel.declare_queue("q", durable=True, arguments={"x-queue-type": "quorum"})
        await channel.default_exchange.publish(aio_pika.Message(b"x"), "q", mandatory=True)
        message = await queue.get(timeout=10)
        assert message.body == b"x"
        await message.ack()


async def test_a_test_does_not_see_the_queues_of_another_test(vhost_source: VhostSource):
    async with await aio_pika.connect(vhost_source.fresh()) as connection:
        await (await connection.channel()).declare_queue("local.filter", durable=True)
    async with await aio_pika.connect(vhost_source.fresh()) as connection:
        with pytest.raises(ChannelNotFoundEntity):
            await (await connection.channel()).declare_queue("local.filter", passive=True)


def test_virtual_hosts_of_ended_tests_are_removed_with_the_next_block(own_broker: Rabbitmq | None):
    if own_broker is None:
        pytest.skip("the broker is not ours")
    source = Vhosts(own_broker, first=100_000)
    first = source.fresh()
    source.release(first)
    for _ in range(16):
        last = source.fresh()
    names = vhosts_of(own_broker)
    assert first.rpartition("/")[2] not in names
    assert last.rpartition("/")[2] in names


def vhosts_of(broker: Rabbitmq) -> list[str]:
    return broker.control(["list_vhosts", "--no-table-headers"]).split()
