{{/* Rules of NetworkPolicies, by name. */}}

{{/* Pods of a component of this release; takes (list root component). */}}
{{- define "mailyard.peer" -}}
- podSelector:
    matchLabels:
      {{- include "mailyard.selector" . | nindent 6 }}
{{- end -}}

{{/* Ports of TCP, from a list of numbers or names. */}}
{{- define "mailyard.tcpPorts" -}}
{{- range . }}
- {protocol: TCP, port: {{ if kindIs "string" . }}{{ . }}{{ else }}{{ int . }}{{ end }}}
{{- end }}
{{- end -}}

{{/* The rest of a rule of egress: its peers; none: anywhere. */}}
{{- define "mailyard.to" -}}
{{- with . }}
  to:
    {{- toYaml . | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "mailyard.egressDns" -}}
{{- $policies := .Values.networkPolicies -}}
- ports:
    {{- range $policies.dnsPorts }}
    - {protocol: UDP, port: {{ int . }}}
    - {protocol: TCP, port: {{ int . }}}
    {{- end }}
{{- include "mailyard.to" $policies.dnsTo }}
{{- end -}}

{{/* Who reads health and metrics: the toolbox and whom the values name, else all pods of the cluster. */}}
{{- define "mailyard.metricsPeers" -}}
{{- with .Values.networkPolicies.metricsFrom }}
{{- include "mailyard.peer" (list $ "toolbox") }}
{{ toYaml . }}
{{- else -}}
- namespaceSelector: {}
{{- end }}
{{- end -}}

{{/* A database: the trial's pods, else anywhere that the values say; takes (list root component ports). */}}
{{- define "mailyard.egressDatabase" -}}
{{- $root := index . 0 -}}
- ports:
    {{- if (index $root.Values.trial (index . 1)).enabled }}
    {{- include "mailyard.tcpPorts" (list (index . 1 | eq "rabbitmq" | ternary 5672 27017)) | nindent 4 }}
  to:
    {{- include "mailyard.peer" (list $root (index . 1)) | nindent 4 }}
    {{- else }}
    {{- include "mailyard.tcpPorts" (index . 2) | nindent 4 }}
    {{- include "mailyard.to" $root.Values.networkPolicies.databasesTo }}
    {{- end }}
{{- end -}}

{{- define "mailyard.egressDatabases" -}}
{{ include "mailyard.egressDns" . }}
{{ include "mailyard.egressDatabase" (list . "rabbitmq" .Values.networkPolicies.rabbitmqPorts) }}
{{ include "mailyard.egressDatabase" (list . "mongodb" .Values.networkPolicies.mongodbPorts) }}
{{- end -}}

{{/* The collector: its port is in the URL, else it is the scheme's. */}}
{{- define "mailyard.egressTracing" -}}
{{- with .Values.tracing.endpoint }}
{{- $url := urlParse . }}
{{- $port := regexFind "[0-9]+$" (regexFind ":[0-9]+$" $url.host) }}
- ports:
    - {protocol: TCP, port: {{ $port | default (ternary "443" "80" (eq $url.scheme "https")) }}}
{{- include "mailyard.to" $.Values.networkPolicies.collectorTo }}
{{- end }}
{{- end -}}

{{/* Other servers, and the sink. */}}
{{- define "mailyard.egressMail" -}}
- ports:
    {{- include "mailyard.tcpPorts" .Values.networkPolicies.relayPorts | nindent 4 }}
{{- if .Values.sink.enabled }}
- ports:
    {{- include "mailyard.tcpPorts" (list 2526) | nindent 4 }}
  to:
    {{- include "mailyard.peer" (list . "sink") | nindent 4 }}
{{- end }}
{{- end -}}

{{- define "mailyard.policyHead" -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  {{- include "mailyard.metadata" . | nindent 2 }}
spec:
  podSelector:
    matchLabels:
      {{- include "mailyard.selector" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
{{- end -}}
