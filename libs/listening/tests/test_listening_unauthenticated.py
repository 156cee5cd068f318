"""The limit on connections without a login: the oldest that has had time to log in ends first."""

from mailyard.listening.unauthenticated import UnauthenticatedConnections


class Connection:
    is_logging_in = False


def _connections(count, seconds=2.0):
    """So many connections, one a second; the numbers of those that were ended; the time."""
    now, ended = [0.0], []
    unauthenticated = UnauthenticatedConnections(3, lambda: now[0], seconds)
    connections = [Connection() for _ in range(count)]
    for number, connection in enumerate(connections):
        unauthenticated.add(connection, lambda number=number: ended.append(number))
        now[0] += 1
    return unauthenticated, connections, ended, now


def test_the_oldest_connection_that_has_had_its_time_ends():
    unauthenticated, _, ended, now = _connections(3)
    assert unauthenticated.are_full
    assert unauthenticated.end_oldest()
    assert not unauthenticated.are_full
    assert unauthenticated.end_oldest()
    assert not unauthenticated.end_oldest()
    now[0] += 1
    assert unauthenticated.end_oldest()
    assert not unauthenticated.end_oldest()
    assert ended == [0, 1, 2]


def test_a_connection_that_has_logged_in_or_whose_password_is_checked_stays():
    unauthenticated, connections, ended, now = _connections(3)
    now[0] += 10
    unauthenticated.discard(connections[0])
    unauthenticated.discard(connections[0])
    connections[1].is_logging_in = True
    assert unauthenticated.end_oldest()
    assert not unauthenticated.end_oldest()
    assert ended == [2]
