{{/*
How services scale. KEDA reads the router's own metrics, so that no Prometheus stands in the way: mails (not broker
messages, each of which carries many mails) and the age of the oldest mail. Without KEDA, CPU is all there is.
*/}}

{{/* keda, hpa or none. */}}
{{- define "mailyard.scaler" -}}
{{- if ne .Values.autoscaling.mode "auto" -}}{{ .Values.autoscaling.mode }}
{{- else -}}{{ ternary "keda" "hpa" (.Capabilities.APIVersions.Has "keda.sh/v1alpha1") }}
{{- end -}}
{{- end -}}

{{/* Not empty where a scaler owns the replicas of a service; takes (list root values). */}}
{{- define "mailyard.scaled" -}}
{{- if and (index . 1).autoscaling.enabled (ne (include "mailyard.scaler" (index . 0)) "none") -}}true{{- end -}}
{{- end -}}

{{/* One direction of an HPA's behavior; takes stabilizationSeconds, pods, percent, periodSeconds. */}}
{{- define "mailyard.scalingRules" -}}
stabilizationWindowSeconds: {{ int .stabilizationSeconds }}
selectPolicy: Max
policies:
  - type: Pods
    value: {{ int .pods }}
    periodSeconds: {{ int .periodSeconds }}
  {{- if .percent }}
  - type: Percent
    value: {{ int .percent }}
    periodSeconds: {{ int .periodSeconds }}
  {{- end }}
{{- end -}}

{{- define "mailyard.scalingBehavior" -}}
scaleUp:
  {{- include "mailyard.scalingRules" .scaleOut | nindent 2 }}
scaleDown:
  {{- include "mailyard.scalingRules" .scaleIn | nindent 2 }}
{{- end -}}

{{/* KEDA's triggers; takes (list root service description autoscaling). */}}
{{- define "mailyard.triggers" -}}
{{- $root := index . 0 }}{{ $service := index . 1 }}{{ $about := index . 2 }}{{ $scaling := index . 3 -}}
{{- $router := printf "http://%s:9100/metrics" (include "mailyard.host" (list $root "router-http")) -}}
{{- $own := printf "http://%s:9100/metrics" (include "mailyard.host" (list $root (printf "%s-http" $service))) -}}
{{- range $queue := $about.queues }}
- type: metrics-api
  name: {{ $queue | replace "." "-" }}-depth
  metricType: AverageValue
  metadata:
    url: {{ $router }}
    format: prometheus
    valueLocation: mailyard_queue_depth_mails{queue="{{ $queue }}"}
    targetValue: {{ int $scaling.depth.mailsPerReplica | quote }}
- type: metrics-api
  name: {{ $queue | replace "." "-" }}-age
  metricType: Value
  metadata:
    url: {{ $router }}
    format: prometheus
    valueLocation: mailyard_queue_oldest_seconds{queue="{{ $queue }}"}
    targetValue: {{ int $scaling.age.seconds | quote }}
{{- end }}
{{- range $listener := ($about.connections | default dict).listeners }}
- type: metrics-api
  name: connections-{{ $listener }}
  metricType: AverageValue
  metadata:
    url: {{ $own }}
    format: prometheus
    aggregateFromKubeServiceEndpoints: "true"
    aggregationType: sum
    valueLocation: {{ $about.connections.metric }}{listener="{{ $listener }}"}
    targetValue: {{ int $scaling.connections.perReplica | quote }}
{{- end }}
{{- if $scaling.cpu.percent }}
- type: cpu
  metricType: Utilization
  metadata:
    value: {{ int $scaling.cpu.percent | quote }}
{{- end }}
{{- end -}}
