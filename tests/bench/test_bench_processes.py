"""CPU time of process trees, with processes that use CPU."""

import os
import subprocess
import sys

from bench.peers.processes import SHORT_LIVED, UsageMeter, all_processes, parse_stat, tree_names

STAT = "4242 (smtpd) S)) S 17 4242 4242 0 -1 4194560 100 0 0 0 300 200 50 25 20 0 1 0 98765 1000 200"
BURN = "import time\nwhile time.process_time() < {seconds}: pass"


def test_a_command_with_parentheses_does_not_shift_the_fields() -> None:
    times = parse_stat(STAT)
    assert (times.pid, times.parent, times.command) == (4242, 17, "smtpd) S)")
    assert times.started_ticks == 98765


def test_own_and_childrens_time_are_kept_apart() -> None:
    ticks = os.sysconf("SC_CLK_TCK")
    times = parse_stat(STAT)
    assert (times.own_seconds, times.children_seconds) == (500 / ticks, 75 / ticks)


def test_a_root_inside_another_roots_tree_is_counted_once_under_its_own_name() -> None:
    child = subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE)
    names = tree_names({os.getpid(): "all", child.pid: "child"}, all_processes())
    child.communicate(b"\n")
    assert names[os.getpid()] == "all"
    assert names[child.pid] == "child"


def test_time_of_children_that_end_during_the_measurement_is_counted() -> None:
    with UsageMeter(lambda: {os.getpid(): "me"}) as meter:
        subprocess.run([sys.executable, "-c", BURN.format(seconds=0.3)], check=True)
        usage = meter.finish()
    assert 0.25 < usage.total_cpu_seconds < 2
    assert (
        usage.cpu_seconds[SHORT_LIVED]
        + sum(seconds for name, seconds in usage.cpu_seconds.items() if name.startswith("me/"))
        > 0.25
    )


def test_time_spent_before_the_measurement_is_left_out() -> None:
    subprocess.run([sys.executable, "-c", BURN.format(seconds=0.5)], check=True)
    with UsageMeter(lambda: {os.getpid(): "me"}) as meter:
        usage = meter.finish()
    assert usage.total_cpu_seconds < 0.2


def test_peak_memory_is_that_of_the_largest_process_of_a_name() -> None:
    with UsageMeter(lambda: {os.getpid(): "me"}) as meter:
        usage = meter.finish()
    assert usage.peak_rss_bytes["me"] > 5 * 2**20
