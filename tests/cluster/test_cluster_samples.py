"""The table of a burst, and the picture drawn from it."""

from pathlib import Path

import pytest
from matplotlib import image

from tests.cluster import plot, samples
from tests.cluster.samples import QUEUES, SCALED, Sample


def burst(looks: int = 100) -> list[Sample]:
    return [
        Sample(
            seconds=2.0 * number,
            sent=200 * number,
            depth={queue: float(index * number) for index, queue in enumerate(QUEUES)},
            oldest=dict.fromkeys(QUEUES, 0.5 * number),
            replicas={service: 1 + min(3, number // 20) for service in SCALED},
        )
        for number in range(looks)
    ]


def test_a_table_that_was_written_reads_as_the_same_samples(tmp_path: Path) -> None:
    samples.write(burst(), tmp_path / "burst.csv")
    assert samples.read(tmp_path / "burst.csv") == burst()


def test_a_table_names_every_queue_and_service_in_its_first_line(tmp_path: Path) -> None:
    samples.write([], tmp_path / "burst.csv")
    assert (tmp_path / "burst.csv").read_text() == (
        "seconds,sent,depth smtp-in.route,depth local.filter,depth local.deliver,oldest smtp-in.route,"
        "oldest local.filter,oldest local.deliver,replicas router,replicas filter,replicas delivery\n"
    )


def test_a_table_without_a_column_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "burst.csv").write_text("seconds,sent\n1.0,2\n")
    with pytest.raises(KeyError, match=r"depth smtp-in\.route"):
        samples.read(tmp_path / "burst.csv")


def test_extremes_are_found_wherever_they_stand() -> None:
    seen = [*burst(), *burst(3)]
    assert samples.peak(seen, "filter") == 4
    assert samples.deepest(seen, "local.deliver") == 198.0
    assert samples.eldest(seen) == 49.5
    assert (samples.peak([], "filter"), samples.deepest([], "local.filter"), samples.eldest([])) == (
        0,
        0.0,
        0.0,
    )


def test_the_picture_of_ten_minutes_is_a_png_below_100_kilobytes(tmp_path: Path) -> None:
    plot.draw(burst(300), tmp_path / "burst.png", "a burst")
    assert (tmp_path / "burst.png").stat().st_size < 100_000
    height, width, _ = image.imread(tmp_path / "burst.png").shape
    assert (width, height) == (810, 648)
