"""APPEND, COPY and MOVE at the quota (RFC 9208; RFC 5530: OVERQUOTA)."""

from imap_dialogue import Dialogue
from imap_doubles import World

_FULL = "The mailbox is full: there is no room for this within the quota"


def world(quota: int | None) -> World:
    made = World()
    made.quota = quota
    return made


async def test_append_and_copy_beyond_the_quota_are_refused_and_move_is_not() -> None:
    full = world(20)
    for _ in range(3):
        full.deliver("Drafts", b"A: b\r\n", ["\\Seen"])
    await Dialogue(full).run(
        f"""
C: a1 APPEND Sent {{3}}
S: a1 NO [OVERQUOTA] {_FULL}
C+ a2 APPEND Sent {{3+}}\\x0d\\x0aabc
C:
S: a2 NO [OVERQUOTA] {_FULL}
C: a3 APPEND Sent {{2}}
S: + Ready for literal data
C: ab
S: a3 OK [APPENDUID 1700000005 1] APPEND completed
C: b1 EXAMINE Drafts
S~ .*FLAGS.*
S~ .*PERM.*
S: * 3 EXISTS
S: * 3 RECENT
S~ .*UIDV.*
S~ .*UIDN.*
S~ b1 OK .*
C: b2 COPY 1 Sent
S: b2 NO [OVERQUOTA] {_FULL}
C: b3 SELECT Drafts
S~ .*FLAGS.*
S~ .*PERM.*
S: * 3 EXISTS
S: * 3 RECENT
S~ .*UIDV.*
S~ .*UIDN.*
S~ b3 OK .*
C: b4 MOVE 1 Sent
S: * OK [COPYUID 1700000005 1 2] Moved
S: * 1 EXPUNGE
S: b4 OK MOVE completed
"""
    )


async def test_without_a_quota_nothing_is_refused_and_no_usage_is_asked() -> None:
    free = world(None)
    await Dialogue(free).run(
        "C+ a1 APPEND Sent {3+}\\x0d\\x0aabc\nC:\nS: a1 OK [APPENDUID 1700000005 1] APPEND completed"
    )
    assert "usage" not in free.calls
