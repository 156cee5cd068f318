"""Run a service: settings, logs, event loop, health, start in order, stop in reverse order.

SIGTERM or SIGINT: readiness off, `drain()` of every component in reverse, `close()` in reverse, all within
`drain_seconds`. A second signal ends the process at once: everything is redelivered.

Exit codes (sysexits.h): 0 stopped in order, 70 a part failed, 75 an address is in use, 78 a setting, a right
or an existing queue is wrong and a person must act.
"""

import asyncio
import errno
import os
import signal
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import TYPE_CHECKING, Generic, Protocol, runtime_checkable

import uvloop

from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.health import HealthApp, HttpServer
from mailyard.runtime.logs import configure_logs, get_logger
from mailyard.runtime.memory import return_large_blocks, spare_lasting_objects
from mailyard.runtime.metrics import gauge, histogram
from mailyard.runtime.settings import (
    EX_CONFIG,
    CommonSettings,
    SettingsType,
    old_variables_in_use,
    unknown_variables,
)

if TYPE_CHECKING:
    from mailyard.runtime.spans import TraceExport

EX_OK = 0
EX_SOFTWARE = 70
EX_TEMPFAIL = 75

_CLOSE_SHARE = 0.2  # of drain_seconds is kept for closing connections
_LAG_INTERVAL = 0.5

_log = get_logger(__name__)


class Component(Protocol):
    """A part of a service that is started and stopped: a connection, a listener, a consumer."""

    @property
    def name(self) -> str:
        """Name in /readyz and logs."""

    async def start(self) -> None:
        """Get ready; try again while the server is unreachable. Raises Misconfigured when a person must act."""

    def not_ready_reason(self) -> str | None:
        """Return why the process should get no work now, or None."""

    async def drain(self) -> None:
        """Take no new work, and finish the work in hand."""

    async def close(self) -> None:
        """Release all resources; called after `drain`, or instead of the rest of it when time is up."""


@runtime_checkable
class Degradable(Protocol):
    """A component whose fault may leave the process ready, with a part of its work undone."""

    def degraded(self) -> str | None:
        """Return what does not work now and what that means for the service, or None."""


class Runtime(Generic[SettingsType]):
    """The name and settings of a service, its state, and the way to stop it, for its components."""

    def __init__(self, service: str, settings: SettingsType) -> None:
        self.service = service
        self.settings = settings
        self.stop_asked = asyncio.Event()
        self.exit_code = EX_OK
        self._components: Sequence[Component] = ()
        self._begun: list[Component] = []
        self._started = False
        self.health = HttpServer(
            HealthApp(service, self.reasons, self.degradations), settings.http_host, settings.http_port
        )

    def stop(self, reason: str, exit_code: int = EX_OK) -> None:
        """Ask the process to stop in order; the first reason counts."""
        if not self.stop_asked.is_set():
            _log.info("service.stopping", reason=reason)
            self.exit_code = exit_code
            self.stop_asked.set()

    def reasons(self) -> Mapping[str, str]:
        """Return, per component, why the process is not ready; empty when it is."""
        found = {
            part.name: reason for part in self._components if (reason := part.not_ready_reason()) is not None
        }
        if self.stop_asked.is_set():
            found[self.service] = "stopping"
        elif not self._started:
            found[self.service] = "starting"
        gauge("mailyard_ready_state").set(0 if found else 1)
        return found

    def degradations(self) -> Mapping[str, str]:
        """Return, per component, what does not work now although the process is ready."""
        return {
            part.name: reason
            for part in self._components
            if isinstance(part, Degradable) and (reason := part.degraded()) is not None
        }

    async def start(self, components: Sequence[Component]) -> None:
        """Start the components in order."""
        self._components = components
        for part in components:
            self._begun.append(part)
            await part.start()
        self._started = True

    async def finish(self) -> None:
        """Drain and close, in reverse order, what has begun to start; all within `drain_seconds`."""
        budget = self.settings.drain_seconds
        deadline = time.monotonic() + budget
        for part in reversed(self._begun):
            await _bounded(part.name, part.drain(), deadline - budget * _CLOSE_SHARE - time.monotonic())
        for part in reversed(self._begun):
            await _bounded(part.name, part.close(), deadline - time.monotonic())


Build = Callable[[Runtime[SettingsType]], Awaitable[Sequence[Component]]]


def run(service: str, settings: SettingsType, build: Build[SettingsType]) -> int:
    """Run a service until it is asked to stop; return the exit code for `sys.exit`."""
    configure_logs(service, settings.log_level, settings.log_format)
    for variable in unknown_variables(type(settings)):
        _log.warning("settings.unknown_variable", variable=variable)
    for variable, renamed in old_variables_in_use(type(settings)):
        _log.warning(
            "settings.old_variable", variable=renamed.old, use=variable, renamed_in_version=renamed.version
        )
    return_large_blocks()
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        return runner.run(_serve(service, settings, build))


async def _serve(service: str, settings: SettingsType, build: Build[SettingsType]) -> int:
    """Start, wait for the end, and stop."""
    runtime = Runtime(service, settings)
    _own_signals(runtime)
    gauge("mailyard_build_info").labels(service, _version(service)).set(1)
    lag = asyncio.create_task(_measure_lag(), name="loop-lag")
    _log.info("service.starting", version=_version(service), instance=settings.instance)
    tracing = _tracing(service, settings)
    if tracing is not None:
        tracing.start()
    try:
        await _start_or_stop(runtime, build)
        await runtime.stop_asked.wait()
    finally:
        await runtime.finish()
        if tracing is not None:
            await tracing.close()
        lag.cancel()
        await runtime.health.close()
    _log.info("service.stopped", exit_code=runtime.exit_code)
    return runtime.exit_code


def _tracing(service: str, settings: CommonSettings) -> "TraceExport | None":
    if settings.tracing_endpoint is None:
        return None
    from mailyard.runtime.spans import TraceExport  # noqa: PLC0415  # loads OpenTelemetry

    return TraceExport(
        settings.tracing_endpoint,
        settings.tracing_sample_ratio,
        service=service,
        instance=settings.instance,
        version=_version(service),
    )


async def _start_or_stop(runtime: Runtime[SettingsType], build: Build[SettingsType]) -> None:
    """Start everything, unless a signal comes first or a part cannot start."""

    async def start() -> None:
        await runtime.health.start()
        components = await build(runtime)
        spare_lasting_objects()
        await runtime.start(components)

    starting = asyncio.create_task(start(), name="start")
    stopping = asyncio.create_task(runtime.stop_asked.wait(), name="stop-asked")
    await asyncio.wait((starting, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if not starting.done():
        starting.cancel()
        await asyncio.wait((starting,), timeout=runtime.settings.drain_seconds)
    elif (error := _outcome(starting)) is None:
        _log.info("service.started", http_port=runtime.health.port)
    else:
        code, advice = _diagnose(error)
        unexpected = error if code == EX_SOFTWARE else None
        fields = {"advice": advice} if advice else {}
        _log.error("service.start_failed", error=str(error) or repr(error), exc_info=unexpected, **fields)
        runtime.stop("start failed", code)


def _outcome(task: asyncio.Task[None]) -> BaseException | None:
    return asyncio.CancelledError("a part cancelled its own start") if task.cancelled() else task.exception()


def _diagnose(error: BaseException) -> tuple[int, str]:
    """Return the exit code and the advice for a failed start; empty where the error says what to do."""
    if isinstance(error, Misconfigured):
        return EX_CONFIG, ""
    match getattr(error, "errno", None):
        case errno.EADDRINUSE:
            return EX_TEMPFAIL, "another process listens there: stop it, or choose another port"
        case errno.EACCES | errno.EPERM:
            return EX_CONFIG, "this user may not do that: ports below 1024 need a right, files an owner"
        case errno.EADDRNOTAVAIL:
            return EX_CONFIG, "this machine has no such address: choose one that it has, or 0.0.0.0"
        case _:
            return EX_SOFTWARE, "this is a fault of the program: please report it with the traceback"


def _own_signals(runtime: Runtime[SettingsType]) -> None:
    """Stop in order at the first signal, and exit at once at the second."""

    def on_signal(number: signal.Signals) -> None:
        if runtime.stop_asked.is_set():
            os._exit(128 + number)
        runtime.stop(number.name)

    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, on_signal, number)


async def _bounded(name: str, step: Awaitable[None], seconds: float) -> None:
    """Do one step of the stop, in time; neither its slowness nor its error hinders the next steps."""
    try:
        async with asyncio.timeout(max(seconds, 0.1)):
            await step
    except TimeoutError:
        _log.warning("service.drain_timeout", component=name)
    except (Exception, asyncio.CancelledError):  # nobody cancels the stopping itself
        _log.exception("service.stop_problem", component=name)


async def _measure_lag() -> None:
    """Observe the delay with which the event loop runs a timer."""
    lag = histogram("mailyard_loop_lag_seconds")
    while True:
        due = time.monotonic() + _LAG_INTERVAL
        await asyncio.sleep(_LAG_INTERVAL)
        lag.observe(max(0.0, time.monotonic() - due))


def _version(service: str) -> str:
    try:
        return version(f"mailyard-{service}")
    except PackageNotFoundError:
        return "unknown"
