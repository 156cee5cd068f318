"""Endpoints: host and port as settings write them."""

import pytest

from mailyard.runtime.endpoint import Endpoint


@pytest.mark.parametrize(
    ("text", "host", "port"),
    [("0.0.0.0:143", "0.0.0.0", 143), ("[::1]:993", "::1", 993), ("mail:0", "mail", 0)],
)
def test_endpoints_are_read_and_written(text, host, port):
    assert Endpoint.parse(text) == (host, port)
    assert str(Endpoint.parse(text)) == text


@pytest.mark.parametrize("text", ["143", "host", "host:", "::1:143", "host:65536", "[::1]", ""])
def test_texts_that_are_no_endpoint_are_refused(text):
    with pytest.raises(ValueError, match="is not host:port"):
        Endpoint.parse(text)
