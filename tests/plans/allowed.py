"""Plans that may break a rule, with the reason: by the function that sends the query and the kind of finding."""

ALLOWED: dict[tuple[str, str], str] = {}
