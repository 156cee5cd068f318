"""Foreign clients against the real service with a real MongoDB and a real RabbitMQ."""

import imaplib
import ssl
import subprocess

import pytest
from imap_dialogue import letter
from imap_service import PASSWORD, USER
from imapclient import IMAPClient


@pytest.fixture
def server(imap_service):
    service = imap_service()
    service.deliver([letter("note"), letter("multi")])
    return service


def _trust(server):
    return ssl.create_default_context(cafile=str(server.tls.authority))


def test_imaplib_reads_and_writes_after_starttls(server):
    with imaplib.IMAP4("127.0.0.1", server.port, timeout=20) as client:
        client.starttls(_trust(server))
        client.login(USER, PASSWORD)
        assert client.select("INBOX") == ("OK", [b"2"])
        status, data = client.fetch("2", "(RFC822)")
        assert (status, data[0][1]) == ("OK", letter("multi"))
        assert client.search(None, "SEEN") == ("OK", [b"2"])
        assert client.store("1", "+FLAGS", "\\Deleted")[0] == "OK"
        assert client.expunge() == ("OK", [b"1"])
        status, data = client.append("Drafts", "\\Draft", None, letter("note"))
        assert status == "OK"
        assert data[0].startswith(b"[APPENDUID ")
        assert client.status("Drafts", "(MESSAGES)")[1] == [b"Drafts (MESSAGES 1)"]


def test_imapclient_reads_and_writes_under_tls(server):
    with IMAPClient("127.0.0.1", server.tls_port, ssl_context=_trust(server), timeout=20) as client:
        client.login(USER, PASSWORD)
        assert {flag for flags, _, name in client.list_folders() for flag in flags if name == "Sent"} == {
            b"\\HasNoChildren",
            b"\\Sent",
        }
        client.create_folder("Grüße/日本語")
        assert client.folder_exists("Grüße/日本語")
        client.select_folder("INBOX")
        found = client.search(["SUBJECT", "Grüße"], charset="UTF-8")
        assert found == [2]
        answer = client.fetch(found, ["ENVELOPE", "BODYSTRUCTURE", "BODY.PEEK[]", "FLAGS"])[2]
        assert answer[b"ENVELOPE"].message_id == b"<multi@example.net>"
        assert answer[b"BODYSTRUCTURE"].is_multipart
        assert answer[b"BODY[]"] == letter("multi")
        assert answer[b"FLAGS"] == (b"\\Recent",)
        client.move([2], "Grüße/日本語")
        assert client.search() == [1]
        assert client.folder_status("Grüße/日本語", ["MESSAGES"]) == {b"MESSAGES": 1}


def test_imapclient_hears_of_a_message_in_idle(server):
    with (
        IMAPClient("127.0.0.1", server.port, ssl=False, timeout=20) as waiting,
        IMAPClient("127.0.0.1", server.port, ssl=False, timeout=20) as writing,
    ):
        waiting.login(USER, PASSWORD)
        writing.login(USER, PASSWORD)
        waiting.select_folder("INBOX")
        waiting.idle()
        writing.append("INBOX", letter("note"))
        assert (3, b"EXISTS") in waiting.idle_check(timeout=10)
        waiting.idle_done()


def test_curl_reads_a_message(server):
    url = f"imap://127.0.0.1:{server.port}/INBOX;MAILINDEX=1"
    answer = subprocess.run(
        ["curl", "-sS", url, "--user", f"{USER}:{PASSWORD}"], capture_output=True, timeout=20, check=True
    )
    assert answer.stdout == letter("note")


def test_curl_searches_under_tls(server):
    url = f"imaps://localhost:{server.tls_port}/INBOX?SUBJECT%20note"
    answer = subprocess.run(
        ["curl", "-sS", url, "--cacert", str(server.tls.authority), "--user", f"{USER}:{PASSWORD}"],
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert answer.stdout == b"* SEARCH 1\r\n"
