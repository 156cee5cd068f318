"""The argument HOST:PORT."""

import typer

from mailyard.runtime.endpoint import Endpoint

HOST_PORT = "HOST:PORT"


def parse_endpoint(text: str) -> Endpoint:
    """Read an address and a port."""
    try:
        return Endpoint.parse(text)
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None
