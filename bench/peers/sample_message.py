"""The mail that every run sends: 7 KB, multipart/alternative, the same octets for both systems."""

import random

SIZE = 7_000
VOCABULARY = (
    "account agenda answer attached balance because before budget calendar change client confirm contract "
    "customer delivery details document evening figures follow forward invoice later letter meeting minutes "
    "morning number office order paper payment people please project question quarter reason receive regards "
    "report request review schedule second send service shipment shortly supplier thanks tomorrow update week"
)
HEAD = (
    "From: Ada Sender <ada@load.test>\n"
    "To: Reader <reader@bench.test>\n"
    "Subject: Figures of the quarter, second version\n"
    "Date: Mon, 02 Nov 2026 09:30:00 +0100\n"
    "Message-ID: <figures-2@load.test>\n"
    "MIME-Version: 1.0\n"
    'Content-Type: multipart/alternative; boundary="=_bench"\n\n'
)


def compose(size: int = SIZE, seed: int = 7) -> str:
    """A message of about `size` octets with LF line ends, as `smtp-source -F` wants it."""
    chance = random.Random(seed)
    text_size = (size - len(HEAD)) * 2 // 5
    html_size = size - len(HEAD) - text_size - 260
    plain = _part("plain", _prose(chance, text_size))
    html = _part("html", f"<html><body>\n{_prose(chance, html_size)}</body></html>\n")
    return f"{HEAD}{plain}{html}--=_bench--\n"


def _part(subtype: str, text: str) -> str:
    return f"--=_bench\nContent-Type: text/{subtype}; charset=us-ascii\n\n{text}\n"


def _prose(chance: random.Random, size: int) -> str:
    lines: list[str] = []
    while sum(len(line) + 1 for line in lines) < size:
        lines.append(" ".join(chance.choices(VOCABULARY.split(), k=10)) + str(chance.randrange(10_000)))
    return "\n".join(lines) + "\n"
