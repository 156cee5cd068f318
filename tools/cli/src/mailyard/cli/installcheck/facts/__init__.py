"""Looks at the world, with limits on time: the cluster's API, the DNS, listeners, store and broker."""
