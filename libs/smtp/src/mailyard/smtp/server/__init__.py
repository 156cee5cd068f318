"""The server core: octets in, events and replies out. Start at `session.py`; `table.py` says what may come when."""
