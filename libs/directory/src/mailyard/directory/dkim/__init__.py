"""Keys of DKIM (RFC 6376): their rotation, and the DNS records that publish them."""
