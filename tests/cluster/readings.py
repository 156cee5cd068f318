"""Reads both sides of triggers for a comparison: the pods' pages all the time, the external metrics API in rounds."""

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Sequence

from kubernetes.client.exceptions import ApiException

from tests.cluster.comparison import Comparison, HpaAnswer, Reading
from tests.cluster.objects import said
from tests.cluster.scaling import Trigger, exported
from tests.cluster.subject import CheckFailed, Subject

MARGIN_SECONDS = 2.0  # the pods' side must be known before the first value and after the last one
ROUND_SECONDS = 2.0  # every answer costs a pod a page
LOOK_SECONDS = 0.3


async def compare(
    subject: Subject,
    wanted: Sequence[Trigger],
    comparison: Comparison,
    each_round: Callable[[], Awaitable[bool]],
    *,
    seconds: float,
) -> None:
    """Read until the last round; raises CheckFailed when none was in time, or a value was not exported."""
    looking = asyncio.create_task(_look(subject, wanted, comparison))
    try:
        await asyncio.sleep(MARGIN_SECONDS)
        limit = time.monotonic() + seconds
        while not await each_round():
            if time.monotonic() > limit:
                raise CheckFailed("\n".join([f"not within {seconds:.0f} s:", *comparison.missing(wanted)]))
            await asyncio.to_thread(_ask, subject, wanted, comparison)
            await asyncio.sleep(ROUND_SECONDS)
        await asyncio.sleep(MARGIN_SECONDS)
        if looking.done():
            await looking  # raises what ended it
    finally:
        looking.cancel()
        await asyncio.gather(looking, return_exceptions=True)
    if wrong := comparison.wrong():
        raise CheckFailed(f"{len(wrong)} values were exported by no pod at that time, as {wrong[0]}")


def _ask(subject: Subject, wanted: Sequence[Trigger], comparison: Comparison) -> None:
    """Read the value that the HPA would get now; a refusal is kept, and fails nothing unless it stays."""
    for trigger in wanted:
        asked_at = time.monotonic()
        try:
            value = subject.objects.external_metric(trigger.external_name, trigger.scaled_object)
        except ApiException as error:
            comparison.refusals[trigger] = said(error)
        except LookupError as error:
            comparison.refusals[trigger] = str(error)
        else:
            comparison.answers[trigger].append(HpaAnswer(asked_at, Reading(time.monotonic(), value)))


async def _look(subject: Subject, wanted: Sequence[Trigger], comparison: Comparison) -> None:
    sources = {trigger.source for trigger in wanted}
    while True:
        with contextlib.suppress(ApiException):  # of a pod that is just going
            for source in sources:
                pages = await asyncio.to_thread(subject.pages, source)
                now = time.monotonic()
                for trigger in (one for one in wanted if one.source == source):
                    values = exported(pages, trigger)
                    comparison.exported[trigger].extend(Reading(now, value) for value in values)
        await asyncio.sleep(LOOK_SECONDS)
