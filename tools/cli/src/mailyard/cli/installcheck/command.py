"""`mailyard install-check before|after`: errors and warnings, with instructions."""

import os
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated

import typer

from mailyard.cli.ending import REFUSED
from mailyard.cli.endpointoption import HOST_PORT, parse_endpoint
from mailyard.cli.installcheck.checks.nodes import MEBI, Requests
from mailyard.cli.installcheck.facts.listeners import Kind, Listener
from mailyard.cli.installcheck.options import Moment, Options
from mailyard.cli.installcheck.run import run
from mailyard.cli.listing import AsJson
from mailyard.probe.mailserver import Trust
from mailyard.runtime.endpoint import Endpoint

_VARIABLES = "MAILYARD_INSTALL_CHECK"  # the chart sets them in the toolbox pod


def _address(text: str) -> str:
    try:
        return str(ip_address(text))
    except ValueError as error:
        raise typer.BadParameter(str(error)) from None


def _listener(text: str) -> Listener:
    kind, _, where = text.partition("=")
    if kind not in list(Kind):
        raise typer.BadParameter(f"{text!r} does not begin with one of {', '.join(Kind)}")
    return Listener(Kind(kind), parse_endpoint(where))


def install_check(
    context: typer.Context,
    *,
    moment: Annotated[
        Moment, typer.Argument(help="Before or after the installation.", metavar="before|after")
    ],
    namespace: Annotated[
        str, typer.Option(help="The release's namespace.", envvar=f"{_VARIABLES}_NAMESPACE")
    ] = "default",
    release: Annotated[
        str, typer.Option(help="The release's name.", envvar=f"{_VARIABLES}_RELEASE")
    ] = "mailyard",
    kubeconfig: Annotated[
        Path | None, typer.Option(help="kubeconfig file; default: KUBECONFIG.", dir_okay=False)
    ] = None,
    kube_context: Annotated[
        str | None, typer.Option(help="Context in the kubeconfig; default: the current one.", metavar="NAME")
    ] = None,
    host: Annotated[
        str | None,
        typer.Option(
            help="The host name for MX records; default for `after`: that of the release.",
            envvar="MAILYARD_HOSTNAME",
        ),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option(help="A domain to check; default for `after`: all domains of all tenants."),
    ] = None,
    inner_domain: Annotated[
        list[str] | None,
        typer.Option(
            help="A domain without DNS records, such as that of the canary.",
            envvar=f"{_VARIABLES}_INNER_DOMAINS",
        ),
    ] = None,
    dkim_selector: Annotated[list[str] | None, typer.Option(help="A DKIM selector of the domains.")] = None,
    listener: Annotated[
        list[Listener] | None,
        typer.Option(
            parser=_listener,
            help="smtp, submission, submissions, imap or imaps, and its address; default: those of --host, else of the Services.",
            metavar=f"KIND={HOST_PORT}",
            envvar=f"{_VARIABLES}_LISTENERS",
        ),
    ] = None,
    ca_file: Annotated[
        Path | None,
        typer.Option(
            help="File with certificate authorities to trust instead of the system's.",
            dir_okay=False,
            envvar=f"{_VARIABLES}_CA_FILE",
        ),
    ] = None,
    resolver: Annotated[
        Endpoint | None,
        typer.Option(
            parser=parse_endpoint, metavar="ADDRESS:PORT", help="DNS server; default: that of the machine."
        ),
    ] = None,
    signed_name: Annotated[
        str | None,
        typer.Option(help="A name in a DNSSEC-signed zone, such as the root (.), to check the validation."),
    ] = None,
    probe_host: Annotated[
        Endpoint | None,
        typer.Option(parser=parse_endpoint, metavar=HOST_PORT, help="An external mail server to connect to."),
    ] = None,
    outgoing: Annotated[
        str | None,
        typer.Option(
            parser=_address,
            metavar="ADDRESS",
            help="The source address of outgoing mail; default: the address that --probe-host sees.",
        ),
    ] = None,
    requests_cpu: Annotated[
        float, typer.Option(help="CPUs that all pods request together; 0.5 in a trial.", min=0)
    ] = 0.5,
    requests_mib: Annotated[
        int, typer.Option(help="MiB of memory that all pods request together; 1536 in a trial.", min=0)
    ] = 1536,
    as_json: AsJson = False,
) -> None:
    """Check cluster, network and DNS before an installation, or an installation.

    Nothing is changed, and only named hosts are asked. A check that is impossible from here is unknown. Exit status
    1: there are errors.
    """
    options = Options(
        moment=moment,
        in_pod="KUBERNETES_SERVICE_HOST" in os.environ,
        namespace=namespace,
        release=release,
        kubeconfig=kubeconfig,
        context=kube_context,
        host=host,
        domains=domain or [],
        inner_domains=inner_domain or [],
        selectors=dkim_selector or [],
        listeners=listener or [],
        trust=Trust(authority=ca_file, name=host),
        resolver=resolver,
        signed_name=signed_name,
        probe_host=probe_host,
        outgoing=outgoing,
        requests=Requests(requests_cpu, requests_mib * MEBI),
    )
    if run(options, context.obj, as_json=as_json):
        raise typer.Exit(REFUSED)
