"""Configuration of a private Postfix instance: Debian's defaults, no chroot, delivery by LMTP."""

import subprocess
from collections.abc import Sequence
from pathlib import Path

MAIN = """\
compatibility_level = 3.6
queue_directory = {root}/queue
data_directory = {root}/data
command_directory = /usr/sbin
daemon_directory = /usr/lib/postfix/sbin
mail_owner = postfix
setgid_group = postdrop
maillog_file = {root}/log/mail.log
maillog_file_prefixes = {root}/log
myhostname = mx.{domain}
mydestination =
alias_maps =
inet_interfaces = 127.0.0.1
inet_protocols = ipv4
mynetworks = 127.0.0.0/8
biff = no
append_dot_mydomain = no
smtpd_relay_restrictions = permit_mynetworks defer_unauth_destination
virtual_mailbox_domains = {domain}
virtual_mailbox_maps = hash:{root}/etc/mailboxes
virtual_transport = lmtp:unix:{lmtp_socket}
"""

MASTER = """\
127.0.0.1:{port} inet n - n - - smtpd
postlog   unix-dgram n - n - 1 postlogd
pickup    unix  n - n 60   1 pickup
cleanup   unix  n - n -    0 cleanup
qmgr      unix  n - n 300  1 qmgr
tlsmgr    unix  - - n 1000? 1 tlsmgr
rewrite   unix  - - n -    - trivial-rewrite
bounce    unix  - - n -    0 bounce
defer     unix  - - n -    0 bounce
trace     unix  - - n -    0 bounce
verify    unix  - - n -    1 verify
flush     unix  n - n 1000? 0 flush
proxymap  unix  - - n -    - proxymap
proxywrite unix - - n -    1 proxymap
smtp      unix  - - n -    - smtp
relay     unix  - - n -    - smtp
showq     unix  n - n -    - showq
error     unix  - - n -    - error
retry     unix  - - n -    - error
discard   unix  - - n -    - discard
local     unix  - n n -    - local
virtual   unix  - n n -    - virtual
lmtp      unix  - - n -    - lmtp
anvil     unix  - - n -    1 anvil
scache    unix  - - n -    1 scache
"""


def write(root: Path, domain: str, users: Sequence[str], port: int, lmtp_socket: Path) -> None:
    """Make the configuration directory of an instance whose queue, data and log lie beside it."""
    etc = root / "etc"
    for folder in (etc, root / "queue", root / "log"):
        folder.mkdir(parents=True)
    (etc / "main.cf").write_text(MAIN.format(root=root, domain=domain, lmtp_socket=lmtp_socket))
    (etc / "master.cf").write_text(MASTER.format(port=port))
    (etc / "mailboxes").write_text("".join(f"{user}@{domain} {user}\n" for user in users))
    subprocess.run(["/usr/sbin/postmap", "-c", str(etc), f"hash:{etc}/mailboxes"], check=True, timeout=30)
