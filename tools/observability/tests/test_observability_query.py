"""The reader of PromQL knows every metric and label of a query, and refuses what nobody exports."""

import pytest

from mailyard.observability.boards import BOARDS
from mailyard.observability.query import BadQuery, check, scoped, selectors
from mailyard.observability.rules import RECORDED

MATCHER = 'namespace="n"'


def names(query: str) -> list[str]:
    return [each.metric for each in selectors(query)]


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ("up", ["up"]),
        ("sum(up)", ["up"]),
        ("sum by (queue) (rate(mailyard_queue_depth_mails[5m]))", ["mailyard_queue_depth_mails"]),
        ("sum without (pod) (up) / count(up)", ["up", "up"]),
        ('max(up{job="a b, c{d}"}) > bool 1', ["up"]),
        ("a_b * on (x, y) group_left (z) c_d", ["a_b", "c_d"]),
        ("a_b offset 30m unless on (x) c:d:rate5m", ["a_b", "c:d:rate5m"]),
        ("rate(up[$__rate_interval])", ["up"]),
        ("time() - up > 3 * 86400", ["up"]),
    ],
)
def test_metrics_of_a_query_are_found(query: str, found: list[str]) -> None:
    assert names(query) == found


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("up", 'up{namespace="n"}'),
        ('sum(up{job="x"}) / up', 'sum(up{namespace="n",job="x"}) / up{namespace="n"}'),
        ("up{}", 'up{namespace="n",}'),
        ("rate(up[5m] offset 1h)", 'rate(up{namespace="n"}[5m] offset 1h)'),
        (
            'keda_scaler_metrics_value{metric="m"} / up',
            'keda_scaler_metrics_value{metric="m"} / up{namespace="n"}',
        ),
    ],
)
def test_every_selector_gets_the_namespace_but_those_of_cluster_wide_exporters(
    query: str, expected: str
) -> None:
    assert scoped(query, MATCHER) == expected


@pytest.mark.parametrize(
    ("query", "complaint"),
    [
        ("mailyard_unheard_of_total", "mailyard_unheard_of_total is declared neither"),
        (
            "mailyard_loop_lag_seconds",
            "mailyard_loop_lag_seconds is declared neither",
        ),  # a histogram has no such series
        ("mailyard_queue_depth_mails_bucket", "mailyard_queue_depth_mails_bucket is declared neither"),
        ('mailyard_queue_depth_mails{que="x"}', "mailyard_queue_depth_mails has no label que"),
        ("sum by (tenant) (mailyard_queue_depth_mails)", "no metric of the query has the label tenant"),
        ("mailyard:unheard:of", "mailyard:unheard:of is declared neither"),
    ],
)
def test_what_nobody_exports_is_refused(query: str, complaint: str) -> None:
    with pytest.raises(BadQuery, match=complaint):
        check(query, RECORDED)


@pytest.mark.parametrize(
    "query",
    [
        "histogram_quantile(0.9, sum by (queue, le) (rate(mailyard_queue_wait_seconds_bucket[5m])))",
        "sum by (namespace, pod, instance) (mailyard_ready_state)",
        "mailyard:queue_depth_mails:max{queue='dead'}".replace("'", '"'),
    ],
)
def test_what_is_exported_is_accepted(query: str) -> None:
    check(query, RECORDED)


@pytest.mark.parametrize("board", BOARDS, ids=lambda board: board.uid)
def test_every_panel_says_what_it_shows(board) -> None:
    for panel in board.panels:
        assert panel.description.endswith("."), panel.title
        assert panel.queries, panel.title
