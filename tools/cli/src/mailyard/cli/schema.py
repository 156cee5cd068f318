"""`mailyard schema`: create the indexes in MongoDB."""

import typer

from mailyard.cli.session import Session, perform


def schema(context: typer.Context) -> None:
    """Create missing indexes in MongoDB: before the first start, and at each upgrade."""

    async def create(session: Session) -> None:
        await session.prepared()

    perform(context, create)
    typer.echo("MongoDB has all indexes.")
