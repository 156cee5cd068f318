{{/*
Written by `make chart` from mailyard.runtime.services and mailyard.broker.pipeline. The services differ in these values
only: the same templates make everything of them.

  ports        ports of its listeners, beside http
  listen       the setting that gets the address of each port
  tls          whether it shows the certificate
  frontDoor    its part of the values where clients hold connections to it; it waits before it stops, and reads PROXY headers
  public       the ports that everybody may reach, each with its number outside
  connections  the metric of its open connections, and the listeners on which it scales
  queues       the queues from which it takes tickets, and on which it scales
  egress       where it connects to, beside the databases and the DNS
*/}}
{{- define "mailyard.allServices" -}}
smtp-in:
  ports: {smtp: 2525, submission: 2587, submissions: 2465, lmtp: 2424}
  listen: {smtp: MX_LISTEN, submission: SUBMISSION_LISTEN, submissions: SUBMISSIONS_LISTEN, lmtp: LMTP_LISTEN}
  tls: true
  frontDoor: smtpIn
  public: {smtp: 25, submission: 587, submissions: 465}
  connections: {metric: mailyard_smtp_in_open_connections, listeners: [mx, submission, submissions]}
router:
  queues: [smtp-in.route]
filter:
  queues: [local.filter, remote.filter]
delivery:
  queues: [local.deliver]
relay:
  queues: [remote.send]
  egress: [mail]
imap:
  ports: {imap: 2143, imaps: 2993}
  listen: {imap: LISTEN, imaps: TLS_LISTEN}
  tls: true
  frontDoor: imap
  public: {imap: 143, imaps: 993}
  connections: {metric: mailyard_imap_open_connections, listeners: [imap, imaps]}
{{- end -}}
