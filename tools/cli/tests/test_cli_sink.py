"""`mailyard sink` as the process that the relay of a trial sends to."""

import json
import smtplib
import subprocess
import sys
from pathlib import Path

from mailyard.local.processes import free_port

COMMAND = str(Path(sys.executable).with_name("mailyard"))
MAIL = b"Subject: x\r\n\r\n.dot\r\n\xff\0\r\n"


def test_the_command_listens_until_it_is_asked_to_stop(tmp_path: Path) -> None:
    port = free_port()
    argv = [COMMAND, "sink", "--listen", f"127.0.0.1:{port}", "--directory", str(tmp_path)]
    process = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        assert json.loads(process.stdout.readline())["event"] == "sink.listening"
        with smtplib.SMTP("127.0.0.1", port, timeout=10) as client:
            client.sendmail("a@x.test", ["b@y.test"], MAIL)
    finally:
        process.terminate()
    assert process.wait(10) == 0
    assert (tmp_path / "00000001.eml").read_bytes() == MAIL
