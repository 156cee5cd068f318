{{/* What `mailyard install-check after` looks at in the toolbox, without an option: the release's own listeners. */}}
{{- define "mailyard.installCheckEnv" -}}
{{- $smtp := include "mailyard.host" (list . "smtp-in") -}}
{{- $imap := include "mailyard.host" (list . "imap") -}}
- name: MAILYARD_INSTALL_CHECK_NAMESPACE
  value: {{ .Release.Namespace | quote }}
- name: MAILYARD_INSTALL_CHECK_RELEASE
  value: {{ .Release.Name | quote }}
- name: MAILYARD_INSTALL_CHECK_LISTENERS
  value: smtp={{ $smtp }}:25 submission={{ $smtp }}:587 submissions={{ $smtp }}:465 imap={{ $imap }}:143 imaps={{ $imap }}:993
{{- if and .Values.canary.enabled (not .Values.canary.account) }}
- name: MAILYARD_INSTALL_CHECK_INNER_DOMAINS
  value: {{ include "mailyard.canaryAccount" . | splitList "@" | last | quote }}
{{- end }}
{{- if .Values.tls.selfSigned.enabled }}
- name: MAILYARD_INSTALL_CHECK_CA_FILE
  value: /etc/mailyard/authority/ca.crt
{{- end }}
{{- end -}}
