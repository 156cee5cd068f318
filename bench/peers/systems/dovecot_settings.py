"""Configuration of a private Dovecot: LMTP on a socket, Maildir, accounts in a file, default fsync."""

import shutil
from collections.abc import Sequence
from pathlib import Path

MAIL_UID = 5000

CONFIGURATION = """\
base_dir = {root}/run
state_dir = {root}/state
log_path = {root}/dovecot.log
protocols = lmtp
listen = 127.0.0.1
ssl = no
mail_location = maildir:{root}/mail/%n
auth_username_format = %Lu
passdb {{
  driver = passwd-file
  args = scheme=PLAIN username_format=%u {root}/accounts
}}
userdb {{
  driver = passwd-file
  args = username_format=%u {root}/accounts
}}
service lmtp {{
  unix_listener {root}/lmtp/socket {{
    mode = 0600
    user = {lmtp_owner}
  }}
}}
"""


def write(root: Path, domain: str, users: Sequence[str], lmtp_owner: str) -> None:
    """Make the directory of an instance: settings, accounts, empty mail folder."""
    for name in ("run", "state", "lmtp", "mail"):
        (root / name).mkdir(parents=True, mode=0o755)
    shutil.chown(root / "mail", MAIL_UID, MAIL_UID)
    lines = (f"{user}@{domain}:secret:{MAIL_UID}:{MAIL_UID}::{root}/mail/{user}::\n" for user in users)
    (root / "accounts").write_text("".join(lines))
    (root / "dovecot.conf").write_text(CONFIGURATION.format(root=root, lmtp_owner=lmtp_owner))
