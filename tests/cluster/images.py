"""The running images of Mailyard, compared with the expected tag."""

from collections.abc import Iterable
from typing import Any

from mailyard.runtime.services import NAMES, TOOLBOX

ENDED = ("Succeeded", "Failed")
OURS = (*NAMES, TOOLBOX)


def stale(pods: Iterable[Any], repository: str, tag: str) -> list[str]:
    """Sentences about pods that still run an image of ours with another tag; databases have images of their own."""
    ours = {f"{repository}/{component}" for component in OURS}
    return [
        f"{pod.metadata.name} runs {container.image}"
        for pod in pods
        if pod.status.phase not in ENDED
        for container in [*pod.spec.containers, *(pod.spec.init_containers or [])]
        if container.image.rpartition(":")[0] in ours and container.image.rpartition(":")[2] != tag
    ]
