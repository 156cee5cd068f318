import io

from mailyard.broker.pipeline import Queue
from mailyard.local.pulse import disk_trouble, pulse_line
from mailyard.local.screen import Screen
from mailyard.spool.watch.depth import Depth


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def depths(**mails: int) -> list[Depth]:
    return [Depth(queue, mails.get(queue.name, 0), 3.4, 0, 1) for queue in Queue]


def test_the_live_line_fits_an_ordinary_terminal_and_hides_an_empty_dead_letter_queue():
    line = pulse_line(depths(), [])
    assert line == "smtp-in.route:0 local.filter:0 local.deliver:0 remote.filter:0 remote.send:0"
    assert len(line) < 80


def test_waiting_mail_is_shown_with_its_age_and_dead_letters_are_shown():
    line = pulse_line(depths(LOCAL_FILTER=120, DEAD=1), [])
    assert "local.filter:120(3s)" in line
    assert line.endswith("dead:1(3s)")


def test_troubles_come_first_because_the_end_of_a_line_is_cut():
    assert pulse_line(depths(), ["down: relay"]).startswith("[down: relay] smtp-in.route:0")


def test_a_disk_with_room_is_no_trouble(tmp_path, monkeypatch):
    assert disk_trouble(tmp_path) is None
    monkeypatch.setattr("mailyard.local.pulse.LEAST_FREE_BYTES", 2**60)
    assert str(disk_trouble(tmp_path)).endswith(f"MB free for {tmp_path}")


def test_lines_that_stay_are_written_above_the_live_line():
    out = Terminal()
    screen = Screen(out)
    screen.live("queues")
    screen.say("relay was ended")
    assert out.getvalue() == "\r\x1b[Kqueues\r\x1b[Krelay was ended\nqueues"


def test_a_file_gets_no_live_line():
    out = io.StringIO()
    screen = Screen(out)
    screen.live("queues")
    screen.say("relay was ended")
    assert out.getvalue() == "relay was ended\n"
