"""Plans that may break a rule, with the reason: by the function that sends the query and the kind of finding."""

ALLOWED: dict[tuple[str, str], str] = {
    ("mailyard/spool/ledger/ledger.py:Ledger.recover_entries", "examined"): (
        "It looks for batches without an entry: it reads the rows of the minutes that are looked at, to find none."
    ),
    ("mailyard/mailbox/reader.py:MessageReader.changes", "examined"): (
        "The bound of the UID is UIDNEXT, below which nearly every message lies; here it is put into the middle."
    ),
}
