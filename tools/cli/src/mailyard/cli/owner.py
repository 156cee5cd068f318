"""Options that name a tenant, and the owner of a domain."""

from typing import Annotated

import typer

from mailyard.cli.session import Session
from mailyard.directory.errors import NotFound
from mailyard.directory.names import domain_name

Named = Annotated[str | None, typer.Option("--tenant", metavar="SLUG", help="Only this tenant.")]
OfOwner = Annotated[
    str | None, typer.Option("--tenant", metavar="SLUG", help="The tenant; default: the owner of the domain.")
]
SlugArgument = Annotated[str, typer.Argument(metavar="SLUG", help="The tenant's id.")]
DomainArgument = Annotated[str, typer.Argument(metavar="DOMAIN", help="The domain name.")]


async def owner_of(session: Session, name: str, tenant: str | None) -> str:
    """Return the tenant that was named, else the one that owns the domain. Raises NotFound."""
    domain = domain_name(name)
    if tenant is not None:
        return (await session.directory.require_domain(tenant, domain)).tenant
    found = await session.directory.domains.entry_by_names([domain])
    if not found:
        raise NotFound(f"no tenant has a domain {domain}")
    return found[domain].tenant
