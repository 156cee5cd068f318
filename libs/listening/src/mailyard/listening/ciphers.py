"""The ciphers and curves of TLS listeners: Mozilla's "intermediate" configuration.

https://wiki.mozilla.org/Security/Server_Side_TLS, version 5.7: TLS 1.2 with forward secrecy and AEAD only, TLS 1.3 with
its own suites; the curves X25519, P-256 and P-384.
"""

import ctypes
import ssl
from importlib import import_module

_CIPHERS = ":".join(
    f"ECDHE-{key}-{cipher}"
    for cipher in ("AES128-GCM-SHA256", "AES256-GCM-SHA384", "CHACHA20-POLY1305")
    for key in ("ECDSA", "RSA")
)
_GROUPS = "X25519:P-256:P-384"
_SET_GROUPS_LIST = 92  # SSL_CTRL_SET_GROUPS_LIST of openssl/ssl.h


def restrict(context: ssl.SSLContext) -> None:
    """Restrict a server context to these ciphers and curves."""
    context.set_ciphers(_CIPHERS)
    if not _set_groups(context):
        context.set_ecdh_curve("prime256v1")  # one curve, which every client has


def _set_groups(context: ssl.SSLContext) -> bool:
    """Set the list of curves; return whether that was possible.

    Python has a method for it from 3.15 on. Before, OpenSSL is called directly, where it is a shared library. The
    pointer to SSL_CTX is the first member of the context object behind the header that every Python object has.
    """
    if (setter := getattr(context, "set_groups", None)) is not None:
        setter(_GROUPS)
        return True
    path = getattr(import_module("_ssl"), "__file__", None)
    if path is None:
        return False
    try:
        control = ctypes.CDLL(path).SSL_CTX_ctrl
    except (OSError, AttributeError):
        return False
    control.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_long, ctypes.c_char_p)
    control.restype = ctypes.c_long
    pointer = ctypes.c_void_p.from_address(id(context) + object.__basicsize__)
    return bool(control(pointer, _SET_GROUPS_LIST, 0, _GROUPS.encode()) == 1)
