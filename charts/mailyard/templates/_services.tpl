{{/*
What sets the six services apart, as data: everything else about them is the same, and made by the same templates.

  ports        what it listens on, beside http
  listen       the setting that each port's address goes to
  tls          whether it shows the certificate
  frontDoor    where clients hold connections to it: its part of the values; it gets a pause before it stops, and PROXY headers
  public       the ports that everybody may reach, each with its number outside
  connections  the metric of its open connections and its listeners, on which it scales
  queues       what it takes mail from, and so scales on
  egress       where its connections go, beside the databases and the DNS
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

{{/* Settings of every service, and not of one: their variables carry no service's name. */}}
{{- define "mailyard.commonSettings" -}}
[logLevel, logFormat]
{{- end -}}

{{/* Those of them that this release runs. */}}
{{- define "mailyard.services" -}}
{{- $services := include "mailyard.allServices" . | fromYaml -}}
{{- range $service, $values := .Values.services }}
{{- if not $values.enabled }}{{ $services = omit $services $service }}{{ end }}
{{- end }}
{{- toYaml $services -}}
{{- end -}}

{{/* A value as the settings loader reads it from the environment: lists with commas, maps as JSON. */}}
{{- define "mailyard.settingText" -}}
{{- if kindIs "string" . -}}{{ . }}
{{- else if kindIs "slice" . -}}{{ join "," . }}
{{- else -}}{{ toJson . }}
{{- end -}}
{{- end -}}

{{/* The variable of a setting; takes (list service settingInCamelCase). */}}
{{- define "mailyard.variable" -}}
{{- $common := include "mailyard.commonSettings" . | fromYamlArray -}}
{{- $own := ternary "" (printf "%s_" (index . 0 | replace "-" "_")) (has (index . 1) $common) -}}
{{- printf "MAILYARD_%s%s" $own (regexReplaceAll "([A-Z])" (index . 1) "_${1}") | upper -}}
{{- end -}}

{{/* How long a service waits before it stops, so that no new connection is on its way to it any more. */}}
{{- define "mailyard.preStopSeconds" -}}
{{- ternary 0 10 (empty .frontDoor) -}}
{{- end -}}
