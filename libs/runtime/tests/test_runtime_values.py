"""Milliseconds and moments say the same, and trace contexts follow the W3C rules."""

from datetime import UTC, datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from mailyard.runtime.clock import from_ms, now_utc, to_ms
from mailyard.runtime.trace import TraceContext, new_trace, parse_traceparent


@given(st.integers(min_value=0, max_value=253402300799999))
def test_milliseconds_survive_the_way_to_a_moment_and_back(milliseconds):
    assert to_ms(from_ms(milliseconds)) == milliseconds


def test_a_moment_is_rounded_down_to_the_millisecond():
    assert to_ms(datetime(1970, 1, 1, 0, 0, 0, 1999, tzinfo=UTC)) == 1


def test_the_zone_of_a_moment_does_not_change_its_milliseconds():
    moment = datetime(2026, 11, 23, 15, 0, tzinfo=UTC)
    assert to_ms(moment.astimezone(timezone(timedelta(hours=5)))) == to_ms(moment)


def test_now_is_aware_and_in_utc():
    assert now_utc().utcoffset() == timedelta(0)


trace_ids = st.text("0123456789abcdef", min_size=32, max_size=32).filter(lambda text: text.strip("0"))
span_ids = st.text("0123456789abcdef", min_size=16, max_size=16).filter(lambda text: text.strip("0"))


@given(trace_ids, span_ids, st.booleans())
def test_a_traceparent_survives_writing_and_reading(trace_id, span_id, sampled):
    context = TraceContext(trace_id, span_id, sampled)
    assert parse_traceparent(str(context)) == context


@given(st.text())
def test_reading_a_traceparent_never_raises(text):
    context = parse_traceparent(text)
    assert context is None or parse_traceparent(str(context)) == context


def test_the_example_of_the_recommendation_is_read():
    context = parse_traceparent("00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01")
    assert context == TraceContext("4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7", True)


def test_invalid_traceparents_are_refused():
    good = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    assert parse_traceparent(f"ff-{good}") is None  # section 3.2.2.1: version 255 is invalid
    assert parse_traceparent(f"00-{good}-more") is None  # version 00 has no more
    assert parse_traceparent(f"01-{good}-more") is not None  # later versions may
    assert parse_traceparent(f"00-{'0' * 32}-00f067aa0ba902b7-01") is None
    assert parse_traceparent(f"00-4bf92f3577b34da6a3ce929d0e0e4736-{'0' * 16}-01") is None
    assert parse_traceparent(f"00-{good}\n") is None


def test_a_new_trace_says_whether_it_is_sampled_and_has_ids_of_its_own():
    first, second = new_trace(), new_trace(sampled=False)
    assert (first.sampled, second.sampled) == (True, False)
    assert first.trace_id != second.trace_id
    assert parse_traceparent(str(second)) == second
