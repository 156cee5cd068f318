"""Read facts with time limits: cluster API, DNS, listeners, store and broker."""
