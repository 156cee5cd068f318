{{/* One run of the canary, for the schedule and for `helm test`. */}}

{{/* authority: the certificate is the chart's own; verify: one that the system trusts; insecure: any. */}}
{{- define "mailyard.canaryTls" -}}
{{- ternary "authority" .Values.canary.tls (and .Values.tls.selfSigned.enabled (eq .Values.canary.tls "verify")) -}}
{{- end -}}

{{/* The specification of its pod. */}}
{{- define "mailyard.canaryPod" -}}
{{- $tls := include "mailyard.canaryTls" . -}}
{{- $account := include "mailyard.canaryAccount" . -}}
{{- $implicit := eq .Values.canary.encryption "implicit" -}}
{{ include "mailyard.podSpec" (list . "canary") }}
restartPolicy: Never
containers:
  - name: canary
    {{- include "mailyard.container" (list . "toolbox") | nindent 4 }}
    args:
      - canary
      - --submission
      - {{ .Values.canary.submission | default (printf "%s:%s" (include "mailyard.host" (list . "smtp-in")) (ternary "465" "587" $implicit)) | quote }}
      - --imap
      - {{ .Values.canary.imap | default (printf "%s:%s" (include "mailyard.host" (list . "imap")) (ternary "993" "143" $implicit)) | quote }}
      - --account
      - {{ $account | quote }}
      - --password-file
      - /etc/mailyard/accounts/{{ include "mailyard.accountKey" $account }}
      - --tls
      - {{ .Values.canary.encryption }}
      {{- if eq $tls "insecure" }}
      - --insecure-tls
      {{- else }}
      - --tls-name
      - {{ .Values.hostname | quote }}
      {{- end }}
      {{- if eq $tls "authority" }}
      - --ca-file
      - /etc/mailyard/authority/ca.crt
      {{- end }}
      {{- if .Values.canary.echo }}
      - --echo
      - echo@{{ include "mailyard.echoDomain" . }}
      {{- end }}
      - --timeout
      - {{ int .Values.canary.timeoutSeconds | quote }}
      - --record
    env:
      {{- include "mailyard.connectionsEnv" . | nindent 6 }}
    resources:
      {{- toYaml .Values.canary.resources | nindent 6 }}
    volumeMounts:
      {{- include "mailyard.connectionsMounts" . | nindent 6 }}
      - name: accounts
        mountPath: /etc/mailyard/accounts
        readOnly: true
      {{- if eq $tls "authority" }}
      {{- include "mailyard.authorityMount" . | nindent 6 }}
      {{- end }}
volumes:
  {{- include "mailyard.connectionsVolumes" (list . "canary") | nindent 2 }}
  - name: accounts
    secret:
      secretName: {{ include "mailyard.accountsSecret" . }}
      defaultMode: 0440
      items:
        - key: {{ include "mailyard.accountKey" $account }}
          path: {{ include "mailyard.accountKey" $account }}
  {{- if eq $tls "authority" }}
  {{- include "mailyard.authorityVolume" . | nindent 2 }}
  {{- end }}
{{- end -}}
