"""Replays an arrival pattern against the chart's autoscaling and shows depth, age, replicas and cost.

    python -m bench.autoscale_sim burst --mails 20000 --values charts/mailyard/values.yaml charts/mailyard/values/trial.yaml

A model, not a measurement: rates per pod are given (see --rate), nothing is started. docs/operations/autoscaling.md explains it.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from bench.autoscale import arrivals, picture, report, values
from bench.autoscale.arrivals import Arrivals, BadArrivals
from bench.autoscale.pipeline import SERVICES
from bench.autoscale.simulation import Settings, simulate
from bench.autoscale.values import BadValues

CHART = Path(__file__).parent.parent / "charts" / "mailyard"
RATES = {"router": 2400.0, "filter": 2400.0, "delivery": 800.0, "relay": 100.0}


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay what the command line asks for."""
    options = _parser().parse_args(arguments)
    try:
        pattern = _arrivals(options)
        settings = _settings(options)
    except (BadArrivals, BadValues, OSError) as problem:
        print(f"autoscale_sim: {problem}", file=sys.stderr)
        return 2
    timeline = simulate(pattern, settings)
    print(report.summary(timeline, options.price))
    if options.picture:
        picture.draw(timeline, options.title or " ".join(sys.argv[1:4]), Path(options.picture))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench.autoscale_sim", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument(
        "pattern", help="steady, day, burst, newsletter, outage, or a CSV file of time,mails (seconds)"
    )
    parser.add_argument("--seconds", type=int, default=3600, help="length of a built-in pattern")
    parser.add_argument("--mean", type=float, default=50, help="mails per second of the steady part")
    parser.add_argument("--mails", type=int, default=20_000, help="mails of burst and newsletter")
    parser.add_argument(
        "--begin", type=int, default=300, help="second in which burst, newsletter or outage begins"
    )
    parser.add_argument("--lasting", type=int, default=60, help="seconds that a burst or an outage lasts")
    parser.add_argument(
        "--every", type=int, default=900, help="seconds between the two halves of a newsletter"
    )
    parser.add_argument("--tail", type=int, default=900, help="quiet seconds behind the last row of a CSV")
    parser.add_argument(
        *("--values", "-f"),
        nargs="+",
        type=Path,
        default=[CHART / "values.yaml"],
        help="values of the chart, the base first (default: the chart's own)",
    )
    parser.add_argument(
        "--set", action="append", default=[], metavar="SERVICE.PATH=N", help="over the files; may be repeated"
    )
    parser.add_argument(
        "--rate", action="append", default=[], metavar="SERVICE=N", help=f"mails per second and pod: {RATES}"
    )
    parser.add_argument(
        "--local-share", type=float, default=1.0, help="of all mails, 0 to 1; the rest is relayed"
    )
    parser.add_argument("--pod-start", type=int, default=20, help="seconds from making a pod to its work")
    parser.add_argument("--measure", type=int, default=5, help="seconds between the router's measurements")
    parser.add_argument("--sync", type=int, default=15, help="seconds between two looks of the autoscaler")
    parser.add_argument(
        "--polling", type=int, default=0, help="KEDA's pollingInterval, where it caches metrics"
    )
    parser.add_argument(
        "--cooldown", type=int, default=300, help="KEDA's cooldownPeriod, where minReplicas is 0"
    )
    parser.add_argument("--price", type=float, default=0.02, help="of a pod-hour")
    parser.add_argument("--picture", metavar="FILE.png", help="draw it")
    parser.add_argument("--title", help="of the picture")
    return parser


def _arrivals(options: argparse.Namespace) -> Arrivals:
    rate, seconds, begin = options.mean, options.seconds, options.begin
    match options.pattern:
        case "steady":
            return arrivals.steady(rate, seconds)
        case "day":
            return arrivals.day(rate, seconds)
        case "burst":
            return arrivals.burst(rate, seconds, options.mails, begin, options.lasting)
        case "newsletter":
            return arrivals.newsletter(rate, seconds, options.mails, begin, options.every)
        case "outage":
            return arrivals.outage(rate, seconds, begin, options.lasting)
        case file:
            with Path(file).open() as lines:
                return arrivals.from_csv(lines, options.tail)


def _settings(options: argparse.Namespace) -> Settings:
    return Settings(
        values.read(options.values, options.set),
        RATES | _rates(options.rate),
        options.local_share,
        options.pod_start,
        options.measure,
        options.sync,
        options.polling,
        options.cooldown,
    )


def _rates(given: Sequence[str]) -> dict[str, float]:
    rates: dict[str, float] = {}
    for one in given:
        service, _, number = one.partition("=")
        if service not in SERVICES or not number.replace(".", "", 1).isdigit() or float(number) <= 0:
            raise BadValues(
                f"--rate {one}: write one of {', '.join(SERVICES)}, = and mails per second above 0"
            )
        rates[service] = float(number)
    return rates


if __name__ == "__main__":
    sys.exit(main())
