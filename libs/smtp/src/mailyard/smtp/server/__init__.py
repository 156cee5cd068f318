"""The server core: octets in, events and replies out. Begin with `session.py`; `states.py` has the state machine."""
