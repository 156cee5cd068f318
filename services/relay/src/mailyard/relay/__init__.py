"""Sends mail to the Internet by SMTP."""
