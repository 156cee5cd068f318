"""`mailyard login-block`: temporary blocks after failed logins."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show
from mailyard.cli.session import Refused, Session, perform
from mailyard.directory.throttle.blocks import LoginBlocks, StoredBlock
from mailyard.directory.throttle.lifting import lifted_blocks

app = typer.Typer(no_args_is_help=True, help="Show and lift temporary blocks after failed logins.")

COLUMNS = (
    Column("kind", "Blocked"),
    Column("subject", "Subject"),
    Column("since", "Since"),
    Column("until", "Until"),
)
SubjectArgument = Annotated[
    str,
    typer.Argument(
        metavar="SUBJECT", help="An account's address, a client's address or a network, as `list` shows it."
    ),
]


@app.command("list")
def list_all(context: typer.Context, as_json: AsJson = False) -> None:
    """List the blocks that have not ended, the longest first."""

    async def found(session: Session) -> list[StoredBlock]:
        return await LoginBlocks(session.store).entry_in_force()

    show([_record(each) for each in perform(context, found)], COLUMNS, as_json=as_json)


@app.command()
def remove(context: typer.Context, subject: SubjectArgument, as_json: AsJson = False) -> None:
    """Lift all blocks of an account, an address or a network. Logins are checked again within some seconds."""

    async def removed(session: Session) -> list[StoredBlock]:
        blocks = await lifted_blocks(session.store, subject)
        if not blocks:
            raise Refused(f"nothing is blocked by the name {subject}")
        return blocks

    show([_record(each) for each in perform(context, removed)], COLUMNS, as_json=as_json)


def _record(block: StoredBlock) -> Record:
    return {
        "kind": block.subject.kind.value,
        "subject": block.subject.name,
        "since": block.since,
        "until": block.until,
    }
