{{/* The environment of a service; takes (list root service description values). */}}
{{- define "mailyard.serviceEnv" -}}
{{- $root := index . 0 }}{{ $service := index . 1 }}{{ $about := index . 2 }}{{ $values := index . 3 -}}
{{- $prefix := printf "MAILYARD_%s" ($service | replace "-" "_" | upper) -}}
{{ include "mailyard.connectionsEnv" $root }}
{{- include "mailyard.sealingEnv" $root }}
- name: MAILYARD_HTTP_HOST
  value: {{ trimAll "[]" $root.Values.listenAddress | quote }}
- name: MAILYARD_HTTP_PORT
  value: "9100"
- name: MAILYARD_DRAIN_SECONDS
  value: {{ sub (sub (int $values.terminationGracePeriodSeconds) 5) (int (include "mailyard.preStopSeconds" $about)) | quote }}
{{- range $port, $variable := $about.listen }}
- name: {{ $prefix }}_{{ $variable }}
  value: {{ list (printf "%s:%v" $root.Values.listenAddress (get $about.ports $port)) | toJson | quote }}
{{- end }}
{{- if $about.tls }}
- name: {{ $prefix }}_TLS_CERTIFICATE_FILE
  value: /etc/mailyard/tls/tls.crt
- name: {{ $prefix }}_TLS_KEY_FILE
  value: /etc/mailyard/tls/tls.key
{{- if $root.Values.tls.hostSecrets }}
- name: {{ $prefix }}_TLS_CERTIFICATE_FOLDER
  value: /etc/mailyard/hosts
{{- end }}
{{- end }}
{{- if and $about.frontDoor $root.Values.frontDoors.proxyProtocol.enabled }}
- name: {{ $prefix }}_PROXY_NETWORKS
  value: {{ join "," $root.Values.frontDoors.proxyProtocol.networks | quote }}
{{- end }}
{{- with $root.Values.tracing.endpoint }}
- name: MAILYARD_TRACING_ENDPOINT
  value: {{ . | quote }}
- name: MAILYARD_TRACING_SAMPLE_RATIO
  value: {{ $root.Values.tracing.sampleRatio | toJson | quote }}
{{- end }}
{{- if eq $service "filter" }}{{ include "mailyard.filterEnv" $root }}{{ end }}
{{- if eq $service "smtp-in" }}{{ include "mailyard.inlineEnv" $root }}{{ end }}
{{- if eq $service "relay" }}{{ include "mailyard.relayEnv" $root }}{{ end }}
{{- range $name, $value := $values.settings }}
{{- if not (and (eq $service "relay") (eq $name "routes")) }}
- name: {{ include "mailyard.variable" (list $service $name) }}
  value: {{ include "mailyard.settingText" $value | quote }}
{{- end }}
{{- end }}
{{- with $values.extraEnv }}
{{ toYaml . }}
{{- end }}
{{- end -}}

{{- define "mailyard.filterEnv" -}}
{{- if .Values.filterRules }}
- name: MAILYARD_FILTER_RULES
  value: /etc/mailyard/filter/rules.toml
{{- end }}
{{- if .Values.inlineFilter }}
- name: MAILYARD_FILTER_INLINE_PORT
  value: "9104"
{{- end }}
{{- end -}}

{{/* Where smtp-in asks filter before it accepts a message. */}}
{{- define "mailyard.inlineEnv" -}}
{{- with .Values.inlineFilter }}
- name: MAILYARD_SMTP_IN_INLINE_LISTENERS
  value: {{ join "," . | quote }}
- name: MAILYARD_SMTP_IN_INLINE_URL
  value: http://{{ include "mailyard.host" (list $ "filter-http") }}:9104
{{- end }}
{{- end -}}

{{/* The way to the sink for the canary's echo, or for everything; the user's own routes stay. */}}
{{- define "mailyard.relayEnv" -}}
{{- $routes := dict -}}
{{- if .Values.sink.enabled }}
{{- $sink := printf "smtp://%s:25" (include "mailyard.host" (list . "sink")) }}
{{- $_ := set $routes (include "mailyard.echoDomain" .) $sink }}
{{- if .Values.sink.catchAll }}
- name: MAILYARD_RELAY_NEXT_HOP
  value: {{ $sink }}
{{- end }}
{{- end }}
{{- with mergeOverwrite $routes (index .Values.services "relay" "settings" "routes" | default dict) }}
- name: MAILYARD_RELAY_ROUTES
  value: {{ toJson . | quote }}
{{- end }}
{{- if not (hasKey .Values.services.relay.settings "ownNames") }}
- name: MAILYARD_RELAY_OWN_NAMES
  value: {{ .Values.hostname | quote }}
{{- end }}
{{- if .Values.relayCredentials.existingSecret }}
- name: MAILYARD_RELAY_CREDENTIALS_FILE
  value: /etc/mailyard/relay/{{ .Values.relayCredentials.key }}
{{- end }}
{{- end -}}

{{/* Files of a service: connections, certificate, rules, credentials; takes (list root service description). */}}
{{- define "mailyard.serviceMounts" -}}
{{ include "mailyard.connectionsMounts" (index . 0) }}
{{- range include "mailyard.serviceFiles" . | fromYamlArray }}
- name: {{ .name }}
  mountPath: /etc/mailyard/{{ .name }}
  readOnly: true
{{- end }}
{{- end -}}

{{- define "mailyard.serviceVolumes" -}}
{{ include "mailyard.connectionsVolumes" (list (index . 0) (index . 1)) }}
{{- with include "mailyard.serviceFiles" . }}
{{ . }}
{{- end }}
{{- end -}}

{{- define "mailyard.serviceFiles" -}}
{{- $root := index . 0 }}{{ $service := index . 1 -}}
{{- if (index . 2).tls }}
- name: tls
  secret:
    secretName: {{ include "mailyard.tlsSecret" $root }}
    defaultMode: 0440
{{- with $root.Values.tls.hostSecrets }}
- name: hosts
  projected:
    defaultMode: 0440
    sources:
      {{- range . }}
      - secret:
          name: {{ . }}
          optional: true
          items:
            - {key: tls.crt, path: {{ . }}/tls.crt}
            - {key: tls.key, path: {{ . }}/tls.key}
      {{- end }}
{{- end }}
{{- end }}
{{- if and (eq $service "filter") $root.Values.filterRules }}
- name: filter
  configMap:
    name: {{ include "mailyard.fullname" $root }}-filter
{{- end }}
{{- if and (eq $service "relay") $root.Values.relayCredentials.existingSecret }}
- name: relay
  secret:
    secretName: {{ $root.Values.relayCredentials.existingSecret }}
    defaultMode: 0440
{{- end }}
{{- end -}}
