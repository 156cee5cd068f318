{{/* RabbitMQ's configuration: nodes find each other by a list of names, so they need no rights on the API. */}}
{{- define "mailyard.rabbitmqConf" -}}
{{- $trial := .Values.trial.rabbitmq -}}
{{- $name := printf "%s-rabbitmq" (include "mailyard.fullname" .) -}}
log.console = true
log.file = false
cluster_formation.peer_discovery_backend = classic_config
{{- range $index := until (int $trial.nodes) }}
cluster_formation.classic_config.nodes.{{ add1 $index }} = rabbit@{{ $name }}-{{ $index }}.{{ $name }}-nodes.{{ $.Release.Namespace }}.svc
{{- end }}
cluster_partition_handling = pause_minority
quorum_queue.continuous_membership_reconciliation.enabled = true
quorum_queue.continuous_membership_reconciliation.target_group_size = {{ int $trial.nodes }}
vm_memory_high_watermark.absolute = {{ $trial.memoryHighWatermark }}
disk_free_limit.absolute = 200MB
{{- end -}}
