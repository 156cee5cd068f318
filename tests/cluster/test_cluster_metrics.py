"""Figures from a metrics page, by label."""

from tests.trial.metrics import by_label

PAGE = """# TYPE mailyard_queue_depth_mails gauge
mailyard_queue_depth_mails{queue="local.filter"} 12.0
mailyard_queue_depth_mails{queue="local.deliver"} 3.0
mailyard_queue_depth_mails_other{queue="local.filter"} 99.0
mailyard_smtp_in_open_connections{listener="mx",note="a \\"b\\""} 1.0
mailyard_smtp_in_open_connections{listener="mx",note="c"} 2.0
mailyard_mail_unaccounted 0.0
"""


def test_values_are_found_by_a_label() -> None:
    assert by_label(PAGE, "mailyard_queue_depth_mails", "queue") == {
        "local.filter": 12.0,
        "local.deliver": 3.0,
    }


def test_samples_that_share_the_label_are_added_up() -> None:
    assert by_label(PAGE, "mailyard_smtp_in_open_connections", "listener") == {"mx": 3.0}


def test_a_metric_or_a_label_that_is_not_there_has_no_values() -> None:
    assert by_label(PAGE, "mailyard_absent", "queue") == {}
    assert by_label(PAGE, "mailyard_mail_unaccounted", "queue") == {}
