"""The limits that alerts judge by and that panels draw as thresholds: one number for both."""

from typing import Final

QUEUE_DEPTH_MAILS: Final = 20_000
QUEUE_AGE_SECONDS: Final = 300
QUEUE_AGE_CRITICAL_SECONDS: Final = 1_800
OVERDUE_SECONDS: Final = 120
DELIVERY_SECONDS: Final = 60
DOUBLE_BOUNCES_PER_HOUR: Final = 100  # fewer are the spam of every day
ACCEPT_SECONDS: Final = 2
IMAP_SECONDS: Final = 2
DEFERRED_SHARE: Final = 0.3
REFUSED_SHARE: Final = 0.5
LOGIN_FAILURE_SHARE: Final = 0.5
LOGINS_PER_SECOND: Final = 0.1  # fewer say nothing: somebody mistypes
LOOP_LAG_SECONDS: Final = 0.5
CERTIFICATE_DAYS: Final = 14
CERTIFICATE_CRITICAL_DAYS: Final = 2
CANARY_SECONDS: Final = 30
CANARY_SILENCE_SECONDS: Final = 1_800
STORE_WRITE_SECONDS: Final = 1
OPEN_FILES_SHARE: Final = 0.8
