"""A client that may begin with a PROXY header, for a pod with nothing but Python's standard library.

Arguments: host, port, v1 or v2 or none, the client's address for the header. Standard input: a JSON list of what to send, each
after one line of the server's. Prints a JSON list of the lines that came; an empty one means that the server hung up, and
SILENCE that it did neither.
"""

import ipaddress
import json
import socket
import struct
import sys
from typing import BinaryIO

SIGNATURE = b"\r\n\r\n\x00\r\nQUIT\n"
CLIENT_PORT = 40_000
SILENCE = "(silence)"
LIMIT_SECONDS = 20.0


def header(version: str, source: str, server: tuple[str, int]) -> bytes:
    """As a proxy before a TCP server over IPv4 writes it; empty for none."""
    host, port = server
    if version == "v1":
        return f"PROXY TCP4 {source} {host} {CLIENT_PORT} {port}\r\n".encode()
    if version == "v2":
        addresses = ipaddress.IPv4Address(source).packed + ipaddress.IPv4Address(host).packed
        block = addresses + struct.pack("!HH", CLIENT_PORT, port)
        return SIGNATURE + b"\x21\x11" + struct.pack("!H", len(block)) + block
    return b""


def talk(
    server: tuple[str, int], start: bytes, texts: list[str], seconds: float = LIMIT_SECONDS
) -> list[str]:
    """The dialogue; ends early when the server hangs up or is silent."""
    with socket.create_connection(server, timeout=seconds) as connection:
        connection.sendall(start)
        lines = connection.makefile("rb")
        heard = [_line(lines)]
        for text in texts:
            if heard[-1] in ("", SILENCE):
                break
            connection.sendall(text.encode())
            heard.append(_line(lines))
        return heard


def _line(lines: BinaryIO) -> str:
    try:
        return lines.readline().decode(errors="replace").strip()
    except TimeoutError:
        return SILENCE
    except OSError:  # a reset
        return ""


if __name__ == "__main__":
    _host, _port, _version, _source = sys.argv[1:5]
    _server = (socket.gethostbyname(_host), int(_port))
    print(json.dumps(talk(_server, header(_version, _source, _server), json.load(sys.stdin))))  # noqa: T201
