"""The mail that a probe sends."""

from datetime import datetime
from email.message import EmailMessage
from email.utils import format_datetime, make_msgid


def compose(sender: str, recipient: str, subject: str, text: str, now: datetime) -> EmailMessage:
    """Compose a mail with a Message-ID of its own, by which it is found again."""
    message = EmailMessage()
    message["From"], message["To"], message["Subject"] = sender, recipient, subject
    message["Date"] = format_datetime(now)
    message["Message-ID"] = make_msgid(domain=sender.rpartition("@")[2])
    message.set_content(text)
    return message
