"""The `mailyard` command and small Python programs, run inside the release's toolbox pod."""

import json
from collections.abc import Sequence

from tests.cluster.programs import Programs

WRITE = "import pathlib, sys; pathlib.Path(sys.argv[1]).write_text(sys.stdin.read())"
PASSWORD = "correct-horse-battery"


class Toolbox:
    """By `kubectl exec`, because that is how people use it; raises ProgramFailed."""

    def __init__(self, programs: Programs, namespace: str, release: str) -> None:
        self._programs = programs
        self._namespace = namespace
        self._release = release

    def mailyard(self, *arguments: str, seconds: float = 180) -> str:
        """The command's output."""
        return self._exec("mailyard", *arguments, seconds=seconds)

    def python(self, program: str, *arguments: str, seconds: float = 60, text: str | None = None) -> str:
        """Output of a program."""
        return self._exec("python3", "-c", program, *arguments, seconds=seconds, text=text)

    def accounts(self, tenant: str, domain: str, count: int) -> list[str]:
        """A tenant with accounts, by `mailyard setup`; all have PASSWORD."""
        addresses = [f"user{number:02d}@{domain}" for number in range(count)]
        self.python(WRITE, f"/tmp/{tenant}.password", text=f"{PASSWORD}\n")
        self.python(WRITE, f"/tmp/{tenant}.yaml", text=setup_file(tenant, domain, addresses))
        self.mailyard("setup", "--file", f"/tmp/{tenant}.yaml", seconds=300)
        return addresses

    def _exec(self, *command: str, seconds: float, text: str | None = None) -> str:
        return self._programs.run(
            "kubectl", "--namespace", self._namespace, "exec", "--stdin",
            f"deployment/{self._release}-toolbox", "--", *command,
            seconds=seconds, text=text or "",
        )  # fmt: skip


def setup_file(tenant: str, domain: str, addresses: Sequence[str]) -> str:
    """For `mailyard setup`; JSON is YAML."""
    accounts = [{"address": address, "passwordFile": f"/tmp/{tenant}.password"} for address in addresses]
    return json.dumps({"tenants": [{"id": tenant, "domains": [domain], "accounts": accounts}]})
