{{/* Several nodes of a trial database survive the loss of one: they are kept on hosts of their own, and drained in turn. */}}

{{/* As values of a pod: its users, and where it runs beside its like; takes (list values count). */}}
{{- define "mailyard.trialPlaces" -}}
podSecurity:
  {{- toYaml (index . 0).podSecurity | nindent 2 }}
{{- if gt (int (index . 1)) 1 }}
topologySpread:
  - topologyKey: kubernetes.io/hostname
    revisionLabel: controller-revision-hash
{{- end }}
{{- end -}}

{{/* Takes (list root database count). */}}
{{- define "mailyard.trialDisruption" -}}
{{- if gt (int (index . 2)) 1 }}
---
{{ include "mailyard.disruptionHead" . }}
  maxUnavailable: 1
{{- end }}
{{- end -}}
