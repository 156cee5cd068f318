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

{{/* What opens data that outlives the release outlives it too; the next install under the same name takes it over. */}}
{{- define "mailyard.kept" -}}
annotations:
  helm.sh/resource-policy: keep
{{- end -}}

{{- define "mailyard.tlsSecret" -}}
{{- .Values.tls.existingSecret | default (printf "%s-tls" (include "mailyard.fullname" .)) -}}
{{- end -}}

{{/* The authority of the chart's own certificate, as a file; the key stays where it is. */}}
{{- define "mailyard.authorityMount" -}}
- name: authority
  mountPath: /etc/mailyard/authority
  readOnly: true
{{- end -}}

{{- define "mailyard.authorityVolume" -}}
- name: authority
  secret:
    secretName: {{ include "mailyard.tlsSecret" . }}
    defaultMode: 0440
    items:
      - key: ca.crt
        path: ca.crt
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

{{/* The secret with the URLs of all; in a trial, that of MongoDB is its first user's, who makes the others. */}}
{{- define "mailyard.connectionsSecret" -}}
{{- .Values.connections.existingSecret | default (printf "%s-connections" (include "mailyard.fullname" .)) -}}
{{- end -}}

{{/*
The volume with amqp-url, mongo-url and perhaps ca.crt, wherever each of them is kept; takes (list root component) or
(list root component usersSecret), where the trial's users are in another secret.
*/}}
{{- define "mailyard.connectionsVolume" -}}
{{- $root := index . 0 -}}
{{- $component := ternary "toolbox" (index . 1) (eq (index . 1) "setup") -}}
{{- $users := include "mailyard.usersSecret" $root -}}
{{- if gt (len .) 2 -}}{{- $users = index . 2 -}}{{- end -}}
{{- $given := $root.Values.connections -}}
{{- $own := get $given.perService $component | default dict -}}
{{- $secret := include "mailyard.connectionsSecret" $root -}}
projected:
  defaultMode: 0440
  sources:
    {{- if $own.amqpSecret }}
    {{- include "mailyard.projected" (list $own.amqpSecret "amqp-url" "amqp-url") | nindent 4 }}
    {{- else if $given.rabbitmqCluster.name }}
    {{- include "mailyard.projected" (list (printf "%s-default-user" $given.rabbitmqCluster.name) "connection_string" "amqp-url") | nindent 4 }}
    {{- else }}
    {{- include "mailyard.projected" (list $secret "amqp-url" "amqp-url") | nindent 4 }}
    {{- end }}
    {{- if $own.mongoSecret }}
    {{- include "mailyard.projected" (list $own.mongoSecret "mongo-url" "mongo-url") | nindent 4 }}
    {{- else if $root.Values.trial.mongodb.enabled }}
    {{- include "mailyard.projected" (list $users (printf "%s-url" $component) "mongo-url") | nindent 4 }}
    {{- else if $given.mongoDBCommunity.name }}
    {{- include "mailyard.projected" (list $given.mongoDBCommunity.connectionStringSecret "connectionString.standard" "mongo-url") | nindent 4 }}
    {{- else }}
    {{- include "mailyard.projected" (list $secret "mongo-url" "mongo-url") | nindent 4 }}
    {{- end }}
    {{- with $given.authoritySecret }}
    {{- include "mailyard.projected" (list . "ca.crt" "ca.crt") | nindent 4 }}
    {{- end }}
    {{- if and $root.Values.sealingKeys.existingSecret (ne $component "canary") }}
    {{- include "mailyard.projected" (list $root.Values.sealingKeys.existingSecret $root.Values.sealingKeys.key "sealing-keys") | nindent 4 }}
    {{- end }}
{{- end -}}

{{/* Who has a user of MongoDB: every service, the toolbox (and setup with it), the canary. */}}
{{- define "mailyard.databaseUsers" -}}
{{- append (append (keys (include "mailyard.allServices" . | fromYaml) | sortAlpha) "toolbox") "canary" | toYaml -}}
{{- end -}}

{{- define "mailyard.usersSecret" -}}
{{ include "mailyard.fullname" . }}-mongodb-users
{{- end -}}

{{/*
Password and URL of each user of the trial MongoDB; takes (list root password members). A password is a hash of the
first user's: two secrets in one upgrade have the same, and no service learns another one's from its own.
*/}}
{{- define "mailyard.trialUsers" -}}
{{- $database := (index . 0).Values.connections.mongoDatabase -}}
{{- range $user := include "mailyard.databaseUsers" (index . 0) | fromYamlArray }}
{{- $password := printf "%s/%s" (index $ 1) $user | sha256sum | trunc 40 }}
{{ $user }}: {{ $password | quote }}
{{ $user }}-url: {{ printf "mongodb://mailyard-%s:%s@%s/?replicaSet=rs0&authSource=%s" $user $password (index $ 2) (urlquery $database) | quote }}
{{- end }}
{{- end -}}

{{/* One entry of a secret as a file; takes (list secret key file). */}}
{{- define "mailyard.projected" -}}
- secret:
    name: {{ index . 0 }}
    items:
      - key: {{ index . 1 }}
        path: {{ index . 2 }}
{{- end -}}

{{/* The URL of a PerconaServerMongoDB, with the administrator that its operator made. */}}
{{- define "mailyard.perconaUrl" -}}
{{- $given := .Values.connections.perconaServerMongoDB -}}
{{- $users := $given.usersSecret | default (printf "%s-secrets" $given.name) -}}
{{- $data := (lookup "v1" "Secret" .Release.Namespace $users | default dict).data | default dict -}}
{{- $user := get $data "MONGODB_DATABASE_ADMIN_USER" | b64dec | urlquery -}}
{{- $password := get $data "MONGODB_DATABASE_ADMIN_PASSWORD" | b64dec | urlquery -}}
{{- $host := printf "%s-%s.%s.svc" $given.name $given.replicaSet .Release.Namespace -}}
{{- if $data -}}
mongodb://{{ $user }}:{{ $password }}@{{ $host }}:27017/?replicaSet={{ $given.replicaSet }}&authSource=admin
{{- end -}}
{{- end -}}
