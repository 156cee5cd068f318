"""One RabbitMQ on loopback, run by the current user in its own directory; it does not disturb a RabbitMQ of the system.

The broker runs as one process (no shell around it), so that its process id is the one to signal. Its name server,
epmd, is a child process too: an epmd that Erlang starts would continue to run after the stop.
"""

import os
import secrets
import socket
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from mailyard.local.processes import Program

NAME = "rabbitmq"
EPMD = "epmd"
USER = "mailyard"
_PROTOCOL_HEADER = b"AMQP\x00\x00\x09\x01"
_CONFIGURATION = """\
listeners.tcp.1 = 127.0.0.1:{port}
default_user = {user}
default_pass = {password}
log.console = true
log.console.level = info
log.file = false
raft.wal_max_size_bytes = 67108864
"""
# Idle schedulers sleep at once: the default busy-wait burns a core that the services need.
_ERLANG_FLAGS = "+sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}"


@dataclass(frozen=True, slots=True)
class RabbitmqPorts:
    """AMQP, the Erlang distribution (for rabbitmqctl) and its name server."""

    amqp: int
    distribution: int
    epmd: int


@dataclass(frozen=True, slots=True)
class Rabbitmq:
    """The broker's programs with their environment, its data directory and its ports."""

    scripts: Path
    epmd: Path
    directory: Path
    ports: RabbitmqPorts
    log: Path
    env: Mapping[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        """For MAILYARD_AMQP_URL."""
        return self.vhost_url("%2F")

    def vhost_url(self, vhost: str) -> str:
        """The same broker, another virtual host."""
        return f"amqp://{USER}:{self._password()}@127.0.0.1:{self.ports.amqp}/{vhost}"

    def program(self) -> Program:
        """RUNNING_UNDER_SYSTEMD makes the start script replace itself by the Erlang machine."""
        self._configure()
        env = {**self._environment(), "RUNNING_UNDER_SYSTEMD": "true"}
        return Program(NAME, (str(self.scripts / "rabbitmq-server"),), self.log, env)

    def epmd_program(self) -> Program:
        """The name server in the foreground, on loopback, at a port of its own."""
        argv = (str(self.epmd), "-address", "127.0.0.1", "-port", str(self.ports.epmd))
        return Program(EPMD, argv, self.log.with_name("epmd.log"), self.env)

    def not_ready_reason(self) -> str | None:
        """Return None when the port answers the AMQP protocol header: the listener opens at the end of the boot."""
        try:
            with socket.create_connection(("127.0.0.1", self.ports.amqp), timeout=1) as connection:
                connection.sendall(_PROTOCOL_HEADER)
                frame_type = connection.recv(1)
        except OSError as error:
            return f"no answer on port {self.ports.amqp} ({error})"
        return None if frame_type == b"\x01" else f"port {self.ports.amqp} does not speak AMQP 0-9-1"

    def control(self, arguments: Sequence[str], timeout_seconds: float = 60) -> str:
        """Run rabbitmqctl against this broker and return its output."""
        env = {**os.environ, **self._environment()}
        command = (str(self.scripts / "rabbitmqctl"), "--quiet", *arguments)
        done = subprocess.run(command, env=env, capture_output=True, timeout=timeout_seconds, check=True)
        return done.stdout.decode()

    def _environment(self) -> dict[str, str]:
        """Return the variables: a long node name needs no host name to resolve, and HOME contains the Erlang cookie."""
        home = self.directory
        return {
            **self.env,
            "HOME": str(home),
            "LC_ALL": "C.UTF-8",
            "ERL_EPMD_ADDRESS": "127.0.0.1",
            "ERL_EPMD_PORT": str(self.ports.epmd),
            "RABBITMQ_USE_LONGNAME": "true",
            "RABBITMQ_NODENAME": "mailyard@127.0.0.1",
            "RABBITMQ_NODE_PORT": str(self.ports.amqp),
            "RABBITMQ_DIST_PORT": str(self.ports.distribution),
            "RABBITMQ_CONF_ENV_FILE": str(home / "none.conf"),
            "RABBITMQ_CONFIG_FILE": str(home / "rabbitmq.conf"),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "none.config"),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(home / "enabled_plugins"),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "log"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_PID_FILE": str(home / "pid"),
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": _ERLANG_FLAGS,
        }

    def _configure(self) -> None:
        self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
        (self.directory / "enabled_plugins").write_text("[].\n")
        text = _CONFIGURATION.format(port=self.ports.amqp, user=USER, password=self._password())
        _write_private(self.directory / "rabbitmq.conf", text)

    def _password(self) -> str:
        """Return the password, which is made at the first start and kept with the data, like the broker's users."""
        path = self.directory / "password"
        if not path.exists():
            self.directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            _write_private(path, secrets.token_urlsafe(18))
        return path.read_text()


def _write_private(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text)
