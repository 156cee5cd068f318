"""Errors of the driver: those that pass become `Unavailable` and are counted, others stay as they are."""

import pytest
from prometheus_client import REGISTRY
from pymongo.errors import (
    AutoReconnect,
    DuplicateKeyError,
    NetworkTimeout,
    NotPrimaryError,
    OperationFailure,
    ServerSelectionTimeoutError,
)

from mailyard.runtime.errors import Unavailable
from mailyard.store.client import unavailable_when_away


def counted() -> float:
    return REGISTRY.get_sample_value("mailyard_store_unavailable_total") or 0.0


@pytest.mark.parametrize(
    "error",
    [
        AutoReconnect("connection closed"),
        NetworkTimeout("timed out"),
        NotPrimaryError("not primary"),
        ServerSelectionTimeoutError("no servers found"),
    ],
)
def test_a_lost_connection_is_unavailable_and_counted(error: Exception) -> None:
    before = counted()
    with (
        pytest.raises(Unavailable, match=r"MongoDB is unreachable: ") as caught,
        unavailable_when_away(),
    ):
        raise error
    assert caught.value.__cause__ is error
    assert counted() == before + 1


@pytest.mark.parametrize("code", [64, 91, 189, 10_107, 11_600, 14_031])
def test_a_server_that_cannot_write_now_is_unavailable(code: int) -> None:
    with pytest.raises(Unavailable, match="MongoDB cannot write now"), unavailable_when_away():
        raise OperationFailure("a step-down, a shutdown or a full disk", code)


@pytest.mark.parametrize(
    "label", ["RetryableWriteError", "TransientTransactionError", "UnknownTransactionCommitResult"]
)
def test_a_label_of_the_server_says_that_a_later_try_may_succeed(label: str) -> None:
    with pytest.raises(Unavailable, match="MongoDB cannot write now"), unavailable_when_away():
        raise OperationFailure("some error", 1, {"errorLabels": [label]})


@pytest.mark.parametrize(
    "error", [OperationFailure("unknown operator", 2), DuplicateKeyError("E11000", 11_000), ValueError("x")]
)
def test_an_error_of_the_program_stays_and_is_not_counted(error: Exception) -> None:
    before = counted()
    with pytest.raises(type(error)) as caught, unavailable_when_away():
        raise error
    assert caught.value is error
    assert counted() == before


def test_the_text_of_an_error_is_bounded_and_without_the_topology() -> None:
    error = ServerSelectionTimeoutError(f"{'x' * 1000}, Topology Description: secret")
    with pytest.raises(Unavailable) as caught, unavailable_when_away():
        raise error
    assert len(str(caught.value)) < 350
    assert "secret" not in str(caught.value)
