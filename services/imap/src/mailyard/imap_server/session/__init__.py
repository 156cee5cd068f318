"""What a client's commands do: sessions over the mailbox, body and login doors; no sockets."""
