"""Lifts blocks, here and in all processes."""

import secrets

from mailyard.directory.throttle.blocks import LoginBlocks, StoredBlock
from mailyard.directory.throttle.failurelog import FailureLog
from mailyard.directory.throttle.report import FailureReport
from mailyard.store.client import Store


async def lifted_blocks(store: Store, name: str) -> list[StoredBlock]:
    """Lift all blocks of an account, an address or a network, and return them. Raises Unavailable.

    A process that holds such a block forgets it, and the failures that led to it, within a second after the next try.
    """
    blocks = LoginBlocks(store)
    found = [each for each in await blocks.entry_in_force() if name.lower() in _names(each)]
    for each in found:
        await blocks.remove(each.subject)
    if found:
        report = FailureReport(lifted=tuple(each.subject for each in found))
        await FailureLog(store).add(f"lifted:{secrets.token_hex(8)}", report)
    return found


def _names(block: StoredBlock) -> tuple[str, ...]:
    """A block of an account from an address is meant by the name of either, or by both."""
    return (block.subject.name, *block.subject.name.split(" "))
