"""The peer runs: Postfix accepts mail, Dovecot stores it, and the system's configuration is not used."""

import os
import shutil
from pathlib import Path

import pytest

from bench.peers import measurement, sample_message
from bench.peers.scenarios import SCENARIOS
from bench.peers.systems.postfix_dovecot import PostfixDovecot
from mailyard.local.processes import free_port

PROGRAMS = ("postfix", "dovecot", "smtp-source")
missing = [name for name in PROGRAMS if shutil.which(name, path="/usr/sbin:/usr/bin") is None]


@pytest.mark.skipif(os.geteuid() != 0, reason="Postfix starts as root only")
@pytest.mark.skipif(bool(missing), reason=f"needs {', '.join(missing)}")
def test_a_run_measures_rates_and_cpu_of_postfix_and_dovecot() -> None:
    directory = Path("/tmp") / f"mailyard-peer-{os.getpid()}"
    peer = PostfixDovecot(directory, mailboxes=20, port=free_port())
    (directory.with_suffix(".message")).write_text(sample_message.compose())
    try:
        peer.start()
        run = measurement.run(peer, SCENARIOS[0].shrunk(100), directory.with_suffix(".message"))
    finally:
        peer.stop()
        shutil.rmtree(directory, ignore_errors=True)
        directory.with_suffix(".message").unlink()
    assert peer.process_roots() == {}
    assert run.accepted_rate >= run.delivered_rate > 10
    assert {"postfix/smtpd", "postfix/cleanup", "dovecot/lmtp"} <= set(run.usage.cpu_seconds)
    assert run.cpu_ms > 0.5
