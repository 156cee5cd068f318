"""`mailyard schema`: the indexes that the store needs."""

import typer

from mailyard.cli.session import Session, perform


def schema(context: typer.Context) -> None:
    """Create what is missing of the store's indexes: once before the first start, and after each upgrade."""

    async def create(session: Session) -> None:
        await session.prepared()

    perform(context, create)
    typer.echo("The store has all indexes.")
