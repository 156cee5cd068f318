"""Settings that services with listeners share: names, checks, and what is built from them."""

import pytest
from pydantic import ValidationError

from mailyard.listening.certificates import Certificates
from mailyard.listening.settings import EndpointTexts, ListenerSettings, endpoints
from mailyard.local.certificates import ensure_certificates
from mailyard.runtime.clock import now_utc
from mailyard.runtime.errors import Misconfigured
from mailyard.runtime.settings import settings_config


class PopSettings(ListenerSettings):
    model_config = settings_config("pop3")

    listen: EndpointTexts = ()
    tls_listen: EndpointTexts = ()


def test_a_service_has_its_own_variables():
    settings = PopSettings()
    assert settings.variable("tls_key_file") == "MAILYARD_POP3_TLS_KEY_FILE"
    assert settings.variable("proxy_networks") == "MAILYARD_POP3_PROXY_NETWORKS"
    assert settings.variable("hostname") == "MAILYARD_HOSTNAME"


def test_endpoints_are_read_from_the_environment(monkeypatch):
    monkeypatch.setenv("MAILYARD_POP3_LISTEN", "127.0.0.1:110, [::1]:110")
    assert endpoints(PopSettings().listen) == [("127.0.0.1", 110), ("::1", 110)]


def test_an_endpoint_that_is_none_stops_the_start():
    with pytest.raises(ValidationError, match="is not host:port"):
        PopSettings(listen=("110",))


def test_admission_follows_the_settings():
    admission = PopSettings(connections=2, connections_per_address=1, ipv6_prefix=56).admission()
    assert admission.most == 2
    assert admission.admit("2001:db8:0:1::1") is None
    assert admission.admit("2001:db8:0:2::1") is not None


@pytest.mark.parametrize(
    ("values", "use", "advice"),
    [
        ({"tls_key_file": "/x"}, {}, "set both MAILYARD_POP3_TLS_CERTIFICATE_FILE and"),
        (
            {},
            {"tls_first": "tls_listen"},
            "MAILYARD_POP3_TLS_LISTEN needs MAILYARD_POP3_TLS_CERTIFICATE_FILE",
        ),
        ({}, {"login": "listen"}, "nobody could authenticate at MAILYARD_POP3_LISTEN"),
    ],
)
def test_a_listener_that_would_be_of_no_use_is_refused_with_advice(values, use, advice):
    with pytest.raises(Misconfigured, match=advice):
        PopSettings(**values).certificates(**use)


def test_without_tls_a_login_is_possible_on_the_same_machine_where_that_is_set():
    assert PopSettings(plaintext_auth="loopback").certificates(login="listen") is None


def test_certificates_are_read_where_both_files_are_set(tmp_path):
    files = ensure_certificates(tmp_path, ["localhost"], now_utc())
    settings = PopSettings(tls_certificate_file=files.certificate, tls_key_file=files.key)
    assert isinstance(settings.certificates(tls_first="tls_listen", login="listen"), Certificates)
