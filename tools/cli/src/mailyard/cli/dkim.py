"""`mailyard dkim`: the DKIM keys of domains, and the DNS records that publish them."""

from typing import Annotated

import typer

from mailyard.cli.listing import AsJson, Column, Record, show, show_json
from mailyard.cli.owner import DomainArgument, OfOwner, owner_of
from mailyard.cli.session import Refused, Session, perform
from mailyard.directory.dkim.keys import DEFAULT_PREFIX, Algorithm, DkimKey, KeyState
from mailyard.directory.dkim.rotation import DkimRotation
from mailyard.directory.dkim.zone import DnsRecord, customer_records, provider_records
from mailyard.directory.names import domain_name
from mailyard.directory.sealing import sealing_keys_of
from mailyard.runtime.clock import now_utc

app = typer.Typer(
    no_args_is_help=True, help="Manage the DKIM keys of domains, and the DNS records that publish them."
)

COLUMNS = (
    Column("domain", "Domain"),
    Column("selector", "Selector"),
    Column("algorithm", "Algorithm"),
    Column("state", "State"),
    Column("created_at", "Created"),
)


@app.command()
def add(
    context: typer.Context,
    domain: DomainArgument,
    *,
    tenant: OfOwner = None,
    algorithm: Annotated[
        list[Algorithm], typer.Option(help="rsa or ed25519; may be repeated. Many verifiers know rsa only.")
    ] = [Algorithm.RSA],  # noqa: B006  # typer copies it
    selector_prefix: Annotated[
        str, typer.Option(metavar="TEXT", help="The selectors are this text with 1 and 2 behind it.")
    ] = DEFAULT_PREFIX,
    as_json: AsJson = False,
) -> None:
    """Generate the first DKIM keys of a domain, and show the records that its owner publishes once."""

    async def added(session: Session) -> tuple[list[DkimKey], list[DnsRecord]]:
        await session.prepared()
        name, zone = domain_name(domain), _zone_of(session)
        owner = await owner_of(session, name, tenant)
        records = customer_records(name, selector_prefix, algorithm, zone)
        return await _rotation(session).add(owner, name, algorithm, selector_prefix), records

    _show(*perform(context, added), as_json=as_json)


@app.command("show")
def show_domain(
    context: typer.Context, domain: DomainArgument, tenant: OfOwner = None, as_json: AsJson = False
) -> None:
    """Show the DKIM keys of a domain, and the records that its owner publishes once."""

    async def found(session: Session) -> tuple[list[DkimKey], list[DnsRecord]]:
        name = domain_name(domain)
        owner = await owner_of(session, name, tenant)
        keys = list(await _rotation(session).keys.list(owner, name))
        pairs = dict.fromkeys(
            (key.prefix, key.algorithm) for key in keys if key.state is not KeyState.RETIRED
        )
        zone = _zone_of(session)
        return keys, [
            record
            for prefix, algorithm in pairs
            for record in customer_records(name, prefix, [algorithm], zone)
        ]

    _show(*perform(context, found), as_json=as_json)


@app.command()
def rotate(
    context: typer.Context,
    domain: DomainArgument,
    *,
    tenant: OfOwner = None,
    algorithm: Annotated[Algorithm | None, typer.Option(help="Only the key of this algorithm.")] = None,
    as_json: AsJson = False,
) -> None:
    """Generate the next DKIM keys of a domain. They sign as soon as the DNS shows them."""

    async def rotated(session: Session) -> list[DkimKey]:
        name = domain_name(domain)
        return await _rotation(session).rotate(await owner_of(session, name, tenant), name, algorithm)

    show([_record(key) for key in perform(context, rotated)], COLUMNS, as_json=as_json)


@app.command()
def revoke(
    context: typer.Context,
    domain: DomainArgument,
    selector: Annotated[str, typer.Argument(metavar="SELECTOR", help="The selector of the key.")],
    tenant: OfOwner = None,
    as_json: AsJson = False,
) -> None:
    """Retire a key at once, because others know its private key. Publish the zone afterwards."""

    async def revoked(session: Session) -> DkimKey:
        name = domain_name(domain)
        return await _rotation(session).revoke(await owner_of(session, name, tenant), name, selector)

    show([_record(perform(context, revoked))], COLUMNS, as_json=as_json)


@app.command()
def zone(
    context: typer.Context,
    ttl: Annotated[
        int, typer.Option(min=1, max=86_400, help="Seconds for which resolvers keep a record.")
    ] = 3600,
    as_json: AsJson = False,
) -> None:
    """Print the records of MAILYARD_DKIM_ZONE with the keys of all domains, for the name servers of the provider."""

    async def records(session: Session) -> list[DnsRecord]:
        keys = await _rotation(session).keys.entry_all()
        return list(provider_records(keys, _zone_of(session)))

    found = perform(context, records)
    if as_json:
        show_json([_record_of_dns(each) for each in found])
        return
    for each in found:
        typer.echo(each.zone_line(ttl))


@app.command()
def reseal(context: typer.Context) -> None:
    """Encrypt all private keys with the first key of MAILYARD_SEALING_KEYS, so that older ones can be removed."""

    async def resealed(session: Session) -> int:
        return await _rotation(session).reseal()

    typer.echo(f"{perform(context, resealed)} private keys were encrypted anew")


def _rotation(session: Session) -> DkimRotation:
    return DkimRotation(session.store, sealing_keys_of(session.settings), now_utc)


def _zone_of(session: Session) -> str:
    if not session.settings.dkim_zone:
        raise Refused("there is no zone to publish keys in: set MAILYARD_DKIM_ZONE")
    return session.settings.dkim_zone


def _show(keys: list[DkimKey], records: list[DnsRecord], *, as_json: bool) -> None:
    if as_json:
        show_json(
            {"keys": [_record(key) for key in keys], "records": [_record_of_dns(each) for each in records]}
        )
        return
    show([_record(key) for key in keys], COLUMNS, as_json=False)
    if records:
        typer.echo("Records for the DNS of the domain, to be published once:")
    for each in records:
        typer.echo(each.zone_line(3600))


def _record(key: DkimKey) -> Record:
    return {
        "domain": key.domain,
        "selector": key.selector,
        "algorithm": key.algorithm.value,
        "state": key.state.value,
        "created_at": key.created_at,
        "public": key.public,
    }


def _record_of_dns(record: DnsRecord) -> Record:
    return {"name": record.name, "type": record.kind, "value": record.value}
