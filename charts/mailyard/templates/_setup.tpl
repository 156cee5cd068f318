{{/* What setup makes in the directory, and how it runs. */}}

{{- define "mailyard.canaryAccount" -}}
{{- .Values.canary.account | default (printf "canary@canary.%s" .Values.hostname) -}}
{{- end -}}

{{- define "mailyard.echoDomain" -}}
{{- .Values.canary.echoDomain | default (printf "echo.%s" .Values.hostname) -}}
{{- end -}}

{{/* The tenants of the values, with one for the canary. */}}
{{- define "mailyard.tenants" -}}
{{- $tenants := .Values.setup.tenants -}}
{{- if and .Values.canary.enabled .Values.canary.createAccount -}}
{{- $address := include "mailyard.canaryAccount" . -}}
{{- $tenants = append $tenants (dict
  "id" "canary" "name" "Canary"
  "domains" (list (splitList "@" $address | last))
  "accounts" (list (dict "address" $address))) -}}
{{- end -}}
{{- toYaml $tenants -}}
{{- end -}}

{{/* The file for `mailyard setup`. */}}
{{- define "mailyard.setupFile" -}}
tenants:
{{- range include "mailyard.tenants" . | fromYamlArray }}
  - id: {{ .id | quote }}
    {{- with .name }}
    name: {{ . | quote }}
    {{- end }}
    {{- with .contact }}
    contact: {{ . | quote }}
    {{- end }}
    {{- with .status }}
    status: {{ . }}
    {{- end }}
    domains:
      {{- toYaml .domains | nindent 6 }}
    {{- with .accounts }}
    accounts:
      {{- range . }}
      - address: {{ .address | quote }}
        {{- with .name }}
        name: {{ . | quote }}
        {{- end }}
        {{- with .quota }}
        quota: {{ ternary (int64 .) . (kindIs "float64" .) }}
        {{- end }}
        {{- with .status }}
        status: {{ . }}
        {{- end }}
        passwordFile: /etc/mailyard/accounts/{{ include "mailyard.accountKey" .address }}
      {{- end }}
    {{- end }}
    {{- with .aliases }}
    aliases:
      {{- toYaml . | nindent 6 }}
    {{- end }}
{{- else }} []
{{- end }}
{{- end -}}

{{/*
Makes the users of the trial MongoDB, as its first user, before setup runs as the toolbox's. So pods of a new version
find their users, and pods of a version without them keep the first user.
*/}}
{{- define "mailyard.usersContainer" -}}
- name: database-users
  {{- include "mailyard.container" (list . "toolbox") | nindent 2 }}
  args:
    - database-user
    - apply
    - --passwords
    - /etc/mailyard/database-users
    - --wait
    - {{ int .Values.setup.waitSeconds | quote }}
  env:
    - name: MAILYARD_MONGO_URL_FILE
      value: /etc/mailyard/administration/mongo-url
    - name: MAILYARD_MONGO_DATABASE
      value: {{ .Values.connections.mongoDatabase | quote }}
  resources:
    {{- toYaml .Values.setup.resources | nindent 4 }}
  volumeMounts:
    - name: administration
      mountPath: /etc/mailyard/administration
      readOnly: true
    - name: database-users
      mountPath: /etc/mailyard/database-users
      readOnly: true
    - name: tmp
      mountPath: /tmp
{{- end -}}

{{/* Takes (list root usersSecret). */}}
{{- define "mailyard.usersVolumes" -}}
- name: administration
  projected:
    defaultMode: 0440
    sources:
      {{- include "mailyard.projected" (list (include "mailyard.connectionsSecret" (index . 0)) "mongo-url" "mongo-url") | nindent 6 }}
- name: database-users
  secret:
    secretName: {{ index . 1 }}
    defaultMode: 0440
    items:
      {{- range include "mailyard.databaseUsers" (index . 0) | fromYamlArray }}
      - key: {{ . }}
        path: {{ . }}
      {{- end }}
{{- end -}}

{{/* The specification of a setup job; takes (list root withFile), without a file for the job before an upgrade. */}}
{{- define "mailyard.setupSpec" -}}
{{- $root := index . 0 }}{{ $withFile := index . 1 -}}
{{- $users := printf "%s%s" (include "mailyard.usersSecret" $root) (ternary "" "-upgrade" $withFile) -}}
backoffLimit: 10
activeDeadlineSeconds: {{ int $root.Values.setup.timeoutSeconds }}
template:
  metadata:
    labels:
      {{- include "mailyard.podLabels" (list $root "setup") | nindent 6 }}
    annotations:
      {{- include "mailyard.connectionsChecksum" $root | nindent 6 }}
      checksum/setup: {{ include "mailyard.setupFile" $root | sha256sum }}
  spec:
    {{- include "mailyard.podSpec" (list $root "setup") | nindent 4 }}
    restartPolicy: OnFailure
    {{- if $root.Values.trial.mongodb.enabled }}
    initContainers:
      {{- include "mailyard.usersContainer" $root | nindent 6 }}
    {{- end }}
    containers:
      - name: setup
        {{- include "mailyard.container" (list $root "toolbox") | nindent 8 }}
        args:
          - setup
          - --wait
          - {{ int $root.Values.setup.waitSeconds | quote }}
          {{- if $withFile }}
          - --file
          - /etc/mailyard/setup/setup.yaml
          {{- end }}
        env:
          {{- include "mailyard.connectionsEnv" $root | nindent 10 }}
          {{- include "mailyard.sealingEnv" $root | indent 10 }}
        resources:
          {{- toYaml $root.Values.setup.resources | nindent 10 }}
        volumeMounts:
          {{- include "mailyard.connectionsMounts" $root | nindent 10 }}
          {{- if $withFile }}
          - name: setup
            mountPath: /etc/mailyard/setup
            readOnly: true
          - name: accounts
            mountPath: /etc/mailyard/accounts
            readOnly: true
          {{- end }}
    volumes:
      {{- include "mailyard.connectionsVolumes" (list $root "setup" $users) | nindent 6 }}
      {{- if $root.Values.trial.mongodb.enabled }}
      {{- include "mailyard.usersVolumes" (list $root $users) | nindent 6 }}
      {{- end }}
      {{- if $withFile }}
      - name: setup
        configMap:
          name: {{ include "mailyard.fullname" $root }}-setup
      - name: accounts
        secret:
          secretName: {{ include "mailyard.accountsSecret" $root }}
          defaultMode: 0440
      {{- end }}
{{- end -}}
