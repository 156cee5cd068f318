{{/*
Secrets that the chart makes. A password is made once and kept over upgrades: what is in the cluster already wins.
They are letters and digits only, so that they may stand in a URL as they are.
*/}}

{{/* A secret's entry as it is in the cluster, else new; takes (list root secretName key length). */}}
{{- define "mailyard.password" -}}
{{- $found := lookup "v1" "Secret" (index . 0).Release.Namespace (index . 1) -}}
{{- $kept := index (($found | default dict).data | default dict) (index . 2) -}}
{{- if $kept -}}{{ $kept | b64dec }}{{- else -}}{{ randAlphaNum (index . 3) }}{{- end -}}
{{- end -}}

{{- define "mailyard.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "mailyard.fullname" .)) -}}
{{- end -}}

{{- define "mailyard.accountsSecret" -}}
{{- .Values.setup.existingPasswordSecret | default (printf "%s-accounts" (include "mailyard.fullname" .)) -}}
{{- end -}}

{{/* The key of an address's password: a secret's key may hold no @. */}}
{{- define "mailyard.accountKey" -}}
{{- regexReplaceAll "[^-._a-zA-Z0-9]" (replace "@" "_at_" .) "_" -}}
{{- end -}}

{{/* Names of the trial databases' pods, each with its port; takes (list root component count port). */}}
{{- define "mailyard.members" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $port := index . 3 -}}
{{- $name := printf "%s-%s" (include "mailyard.fullname" $root) $component -}}
{{- $members := list -}}
{{- range until (int (index . 2)) -}}
{{- $members = append $members (printf "%s-%d.%s-nodes.%s.svc:%d" $name . $name $root.Release.Namespace (int $port)) -}}
{{- end -}}
{{ join "," $members }}
{{- end -}}

{{/* The volume with amqp-url and mongo-url. */}}
{{- define "mailyard.connectionsVolume" -}}
{{- $own := printf "%s-connections" (include "mailyard.fullname" .) -}}
projected:
  defaultMode: 0440
  sources:
    - secret:
        name: {{ .Values.connections.existingSecret | default $own }}
{{- end -}}
