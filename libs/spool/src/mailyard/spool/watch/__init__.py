"""What is measured of the queue: depth, progress of consumers, backlog, lost tickets, retention, canary."""
