"""No loss, no double: numbered mails through an instance whose parts are killed, cut off and stalled meanwhile."""
