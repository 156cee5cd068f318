"""Arrival patterns, the chart's values and the command line."""

import pytest

from bench import autoscale_sim
from bench.autoscale import arrivals, values
from bench.autoscale.hpa import Kind, Scaling, ScalingRules, Trigger

BASE = """
services:
  router: {replicas: 2, autoscaling: {enabled: false}}
  filter: {replicas: 1, autoscaling: {enabled: false}}
  relay: {replicas: 1, autoscaling: {enabled: false}}
  delivery:
    replicas: 1
    autoscaling:
      enabled: true
      minReplicas: 1
      maxReplicas: 4
      depth: {mailsPerReplica: 1000}
      age: {seconds: 30}
      scaleOut: {stabilizationSeconds: 0, pods: 4, percent: 100, periodSeconds: 30}
      scaleIn: {stabilizationSeconds: 300, pods: 1, periodSeconds: 60}
"""


@pytest.fixture
def base(tmp_path):
    file = tmp_path / "values.yaml"
    file.write_text(BASE)
    return file


def test_a_rate_below_one_loses_no_mail_to_rounding():
    assert arrivals.steady(0.25, 12).mails == (0, 0, 0, 1) * 3


def test_a_day_has_its_mean_and_its_peak_at_noon():
    pattern = arrivals.day(100, 1000).mails
    assert sum(pattern) == pytest.approx(100_000, abs=1)
    assert (pattern[0], max(pattern)) == (10, 190)
    assert pattern.index(190) == pytest.approx(500, abs=25)


def test_a_burst_adds_its_mails_to_the_steady_rate():
    pattern = arrivals.burst(2, 100, 300, 10, 30).mails
    assert sum(pattern) == 500
    assert (pattern[9], pattern[10], pattern[39], pattern[40]) == (2, 12, 12, 2)


def test_a_burst_that_does_not_fit_is_refused():
    with pytest.raises(arrivals.BadArrivals, match="from second 90 for 30 s does not fit in 100 s"):
        arrivals.burst(2, 100, 300, 90, 30)


def test_a_newsletter_comes_in_two_halves():
    pattern = arrivals.newsletter(0, 1000, 601, 100, 500).mails
    assert (sum(pattern[100:160]), sum(pattern[600:660]), sum(pattern)) == (300, 301, 601)


def test_a_csv_fills_the_seconds_that_it_does_not_name():
    assert arrivals.from_csv(["time,mails", "0,3", "", "2,4", "2,1"], tail=2).mails == (3, 0, 5, 0, 0)


@pytest.mark.parametrize("lines", [[], ["time,mails"], ["1,x"], ["1"], ["-1,2"], ["1,2", "time,mails"]])
def test_a_bad_csv_is_refused(lines):
    with pytest.raises(arrivals.BadArrivals):
        arrivals.from_csv(lines, tail=0)


def test_values_become_scaling_as_the_chart_writes_it(base):
    scaling = values.read([base])
    assert scaling["delivery"] == Scaling(
        1,
        4,
        ScalingRules(0, 4, 100, 30),
        ScalingRules(300, 1, 0, 60),
        (
            Trigger("local.deliver depth", Kind.AVERAGE_VALUE, 1000),
            Trigger("local.deliver age", Kind.VALUE, 30),
        ),
    )
    assert (scaling["router"].min_replicas, scaling["router"].max_replicas) == (2, 2)


def test_an_overlay_and_an_option_replace_single_numbers(base, tmp_path):
    overlay = tmp_path / "large.yaml"
    overlay.write_text("services: {delivery: {autoscaling: {maxReplicas: 40}}}")
    scaling = values.read([base, overlay], ["delivery.depth.mailsPerReplica=500"])["delivery"]
    assert (scaling.max_replicas, scaling.triggers[0].target, scaling.triggers[1].target) == (40, 500, 30)


@pytest.mark.parametrize(
    "text", ["delivery", "delivery=5", "postfix.minReplicas=5", "delivery.minReplicas=x"]
)
def test_a_bad_option_is_refused(base, text):
    with pytest.raises(values.BadValues, match="write service"):
        values.read([base], [text])


def test_a_missing_number_is_named(tmp_path):
    file = tmp_path / "values.yaml"
    file.write_text("services: {}")
    with pytest.raises(values.BadValues, match=r"services\.router\.replicas must be a whole number"):
        values.read([file])


def test_the_command_prints_a_table_and_draws_a_picture(base, tmp_path, capsys):
    picture = tmp_path / "burst.png"
    command = [
        "burst",
        "--seconds",
        "900",
        "--mails",
        "9000",
        "--values",
        str(base),
        "--picture",
        str(picture),
    ]
    assert autoscale_sim.main(command) == 0
    assert "54000 mails in 900 s" in capsys.readouterr().out
    assert picture.read_bytes()[:8] == b"\x89PNG\r\n\x1a\n"
    assert picture.stat().st_size < 100_000


def test_the_command_says_what_is_wrong(base, capsys):
    assert autoscale_sim.main(["steady", "--values", str(base), "--rate", "delivery=0"]) == 2
    assert "mails per second above 0" in capsys.readouterr().err
