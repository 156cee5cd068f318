"""Tenants, domains, accounts, addresses and authentication."""
