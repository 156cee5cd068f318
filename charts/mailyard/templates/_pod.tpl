{{/* What all pods have in common: no rights, no names of services in the environment, secrets as files. */}}

{{/*
The start of a pod's specification; takes (list root component) or (list root component values), the values being where
it may run, and podSecurity where it is not that of all.
*/}}
{{- define "mailyard.podSpec" -}}
{{- $root := index . 0 -}}
{{- $values := dict -}}
{{- if gt (len .) 2 -}}{{- $values = index . 2 -}}{{- end -}}
serviceAccountName: {{ include "mailyard.fullname" $root }}-{{ index . 1 }}
automountServiceAccountToken: false
enableServiceLinks: false
securityContext:
  {{- include "mailyard.podSecurityContext" ($values.podSecurity | default $root.Values.podSecurity) | nindent 2 }}
{{- with $root.Values.image.pullSecrets }}
imagePullSecrets:
  {{- range . }}
  - name: {{ . }}
  {{- end }}
{{- end }}
{{- include "mailyard.scheduling" (list $root (index . 1) $values) }}
{{- end -}}

{{/* Takes a map with runAsUser, runAsGroup, fsGroup; null leaves the choice to the cluster. */}}
{{- define "mailyard.podSecurityContext" -}}
runAsNonRoot: true
{{- range $key := list "runAsUser" "runAsGroup" "fsGroup" }}
{{- with get $ $key }}
{{ $key }}: {{ int . }}
{{- end }}
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end -}}

{{- define "mailyard.containerSecurityContext" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities:
  drop: [ALL]
{{- end -}}

{{/* Image and rights of a container of ours; takes (list root component). */}}
{{- define "mailyard.container" -}}
image: {{ include "mailyard.image" . | quote }}
imagePullPolicy: {{ (index . 0).Values.image.pullPolicy }}
securityContext:
  {{- include "mailyard.containerSecurityContext" . | nindent 2 }}
{{- end -}}

{{/* Where the databases are, for services and for the mailyard command. */}}
{{- define "mailyard.connectionsEnv" -}}
- name: MAILYARD_AMQP_URL_FILE
  value: /etc/mailyard/connections/amqp-url
- name: MAILYARD_MONGO_URL_FILE
  value: /etc/mailyard/connections/mongo-url
- name: MAILYARD_MONGO_DATABASE
  value: {{ .Values.connections.mongoDatabase | quote }}
- name: MAILYARD_HOSTNAME
  value: {{ .Values.hostname | quote }}
{{- with .Values.postmaster }}
- name: MAILYARD_POSTMASTER
  value: {{ . | quote }}
{{- end }}
- name: MAILYARD_INSTANCE
  valueFrom:
    fieldRef:
      fieldPath: metadata.name
{{- end -}}

{{/* The keys that encrypt secrets in MongoDB, and the zone of DKIM keys: for all but the canary. */}}
{{- define "mailyard.sealingEnv" -}}
{{- if .Values.sealingKeys.existingSecret }}
- name: MAILYARD_SEALING_KEYS_FILE
  value: /etc/mailyard/connections/sealing-keys
{{- end }}
{{- with .Values.dkimZone }}
- name: MAILYARD_DKIM_ZONE
  value: {{ . | quote }}
{{- end }}
{{- end -}}

{{- define "mailyard.connectionsMounts" -}}
- name: connections
  mountPath: /etc/mailyard/connections
  readOnly: true
- name: tmp
  mountPath: /tmp
{{- end -}}

{{/* Takes what mailyard.connectionsVolume takes. */}}
{{- define "mailyard.connectionsVolumes" -}}
- name: connections
  {{- include "mailyard.connectionsVolume" . | nindent 2 }}
- name: tmp
  emptyDir: {}
{{- end -}}

{{/* Changes when the connections do, so that pods start anew; generated passwords are kept, so they do not count. */}}
{{- define "mailyard.connectionsChecksum" -}}
checksum/connections: {{ list .Values.connections .Values.trial.rabbitmq.nodes .Values.trial.mongodb.members | toJson | sha256sum }}
{{- end -}}
