"""The queue in the store: accept, route, release, lease, defer and end messages and their legs."""
