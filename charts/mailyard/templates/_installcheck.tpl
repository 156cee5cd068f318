{{/* What `mailyard install-check after` looks at in the toolbox, without an option: the release's own listeners. */}}
{{- define "mailyard.installCheckEnv" -}}
{{- $listeners := list -}}
{{- range $service, $about := include "mailyard.services" . | fromYaml }}{{ range $port, $number := $about.public }}
{{- $listeners = append $listeners (printf "%s=%s:%d" $port (include "mailyard.host" (list $ $service)) (int $number)) }}
{{- end }}{{ end -}}
- name: MAILYARD_INSTALL_CHECK_NAMESPACE
  value: {{ .Release.Namespace | quote }}
- name: MAILYARD_INSTALL_CHECK_RELEASE
  value: {{ .Release.Name | quote }}
- name: MAILYARD_INSTALL_CHECK_LISTENERS
  value: {{ join " " $listeners | quote }}
{{- if and .Values.canary.enabled (not .Values.canary.account) }}
- name: MAILYARD_INSTALL_CHECK_INNER_DOMAINS
  value: {{ include "mailyard.canaryAccount" . | splitList "@" | last | quote }}
{{- end }}
{{- if .Values.tls.selfSigned.enabled }}
- name: MAILYARD_INSTALL_CHECK_CA_FILE
  value: /etc/mailyard/authority/ca.crt
{{- end }}
{{- end -}}
