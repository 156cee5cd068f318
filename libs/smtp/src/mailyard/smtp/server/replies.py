"""The replies of the session itself: RFC 5321 section 4.2.3, enhanced codes of RFC 3463, RFC 2034, RFC 4954."""

from mailyard.smtp.reply import reply

OK = reply(250, "2.0.0", "Ok")
GOODBYE = reply(221, "2.0.0", "Bye")
START_DATA = reply(354, None, "End data with <CR><LF>.<CR><LF>")
START_TLS = reply(220, "2.0.0", "Ready to start TLS")
# RFC 5321 section 3.5.3.
VRFY = reply(252, "2.0.0", "Cannot VRFY user, but will accept message and attempt delivery")

# Syntax: RFC 5321 section 4.2.4 and 4.3.2.
UNKNOWN_COMMAND = reply(500, "5.5.1", "Command unrecognized")
LINE_TOO_LONG = reply(500, "5.5.2", "Line too long")
BARE_COMMAND_NEWLINE = reply(500, "5.5.2", "Lines end with CRLF; a CR or LF must not stand alone")
NOT_TEXT = reply(500, "5.5.2", "Commands are ASCII or UTF-8 text")
NO_ARGUMENT_ALLOWED = reply(501, "5.5.4", "This command takes no argument")
HELLO_SYNTAX = reply(501, "5.5.4", "Syntax: EHLO domain, or HELO, or LHLO")
BODY_NOT_OFFERED = reply(501, "5.5.4", "BODY=BINARYMIME is not offered here")
MAIL_SYNTAX = reply(501, "5.5.4", "Syntax: MAIL FROM:<address> [parameters]")
RCPT_SYNTAX = reply(501, "5.5.4", "Syntax: RCPT TO:<address> [parameters]")
PARAMETERS_NEED_EHLO = reply(555, "5.5.4", "Parameters need EHLO")  # RFC 5321 sections 2.2.1 and 4.1.1.11
VRFY_SYNTAX = reply(501, "5.5.4", "Syntax: VRFY address")
BDAT_SYNTAX = reply(501, "5.5.4", "Syntax: BDAT size [LAST]; closing connection")
AUTH_SYNTAX = reply(501, "5.5.4", "Syntax: AUTH mechanism [initial-response]")
BAD_SENDER = reply(501, "5.1.7", "Bad sender address syntax")
BAD_RECIPIENT = reply(501, "5.1.3", "Bad recipient address syntax")
# RFC 6531 section 3.5.
NEEDS_SMTPUTF8 = reply(553, "5.6.7", "A non-ASCII address needs the SMTPUTF8 parameter")
NOT_HERE = reply(502, "5.5.1", "Command not implemented")

# Sequence: RFC 5321 sections 3.3 and 4.1.4; RFC 2033 section 4.2 demands 503 where there are no recipients.
HELLO_FIRST = reply(503, "5.5.1", "Say EHLO or HELO first")
NESTED = reply(503, "5.5.1", "A mail transaction is in progress")
MAIL_FIRST = reply(503, "5.5.1", "Need MAIL first")
NO_RECIPIENTS = reply(503, "5.5.1", "No valid recipients")
DATA_AFTER_BDAT = reply(503, "5.5.1", "DATA and BDAT cannot be mixed")  # RFC 3030 section 2
BINARY_NEEDS_BDAT = reply(503, "5.5.1", "BINARYMIME needs BDAT")  # RFC 3030 section 3
SPEAK_LMTP = reply(500, "5.5.1", "This is LMTP: say LHLO")  # RFC 2033 section 4.1
SPEAK_SMTP = reply(500, "5.5.1", "This is SMTP: say EHLO")

# Limits.
TOO_MANY_RECIPIENTS = reply(452, "4.5.3", "Too many recipients")  # RFC 5321 section 4.5.3.1.10
MESSAGE_TOO_BIG = reply(552, "5.3.4", "Message size exceeds the limit")  # RFC 1870 section 6.2
BARE_NEWLINE = reply(550, "5.5.2", "The message holds a CR or LF that stands alone")  # RFC 5321 section 2.3.8
NUL_OCTET = reply(550, "5.6.0", "The message holds a NUL octet")  # RFC 2045 sections 2.7 and 2.8
NOT_SYNCHRONIZED = reply(554, "5.5.0", "The message came before 354; closing connection")
NOT_A_MAIL_CLIENT = reply(421, "4.7.0", "This is a mail server; closing connection")

# TLS: RFC 3207; authentication: RFC 4954 sections 4 to 6.
TLS_ACTIVE = reply(503, "5.5.1", "TLS is active already")
TLS_NOT_HERE = reply(502, "5.5.1", "STARTTLS is not available")
AUTHENTICATION_REQUIRED = reply(530, "5.7.0", "Authentication required")
TLS_REQUIRED = reply(530, "5.7.0", "Must issue a STARTTLS command first")
ENCRYPTION_NEEDED = reply(538, "5.7.11", "Encryption required for the requested mechanism")
AUTHENTICATED_ALREADY = reply(503, "5.5.1", "Already authenticated")
UNKNOWN_MECHANISM = reply(504, "5.5.4", "Unrecognized authentication type")
AUTH_CANCELLED = reply(501, "5.7.0", "Authentication cancelled")
BAD_BASE64 = reply(501, "5.5.2", "Cannot decode the response")
BAD_CREDENTIALS = reply(501, "5.5.2", "The response holds no login and password")
AUTH_LINE_TOO_LONG = reply(500, "5.5.6", "Authentication exchange line is too long")
