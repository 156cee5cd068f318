{{/* Everything that runs in this release, services first. */}}
{{- define "mailyard.components" -}}
{{- range keys (include "mailyard.services" . | fromYaml) | sortAlpha }}
- {{ . }}
{{- end }}
- setup
{{- if .Values.toolbox.enabled }}
- toolbox
{{- end }}
{{- if .Values.sink.enabled }}
- sink
{{- end }}
{{- if .Values.canary.enabled }}
- canary
{{- end }}
{{- if .Values.trial.rabbitmq.enabled }}
- rabbitmq
{{- end }}
{{- if .Values.trial.mongodb.enabled }}
- mongodb
{{- end }}
{{- end -}}
