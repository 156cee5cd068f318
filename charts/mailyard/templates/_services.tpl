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
