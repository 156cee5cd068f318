{{/*
Where pods of a component may run; takes (list root component values). What the values leave empty is taken from
`scheduling`. Pods are spread by revision, else those of the old one, which are about to go, would count.
*/}}
{{- define "mailyard.scheduling" -}}
{{- $root := index . 0 }}{{ $component := index . 1 }}{{ $values := index . 2 -}}
{{- range $key := list "nodeSelector" "tolerations" "affinity" "priorityClassName" }}
{{- with get $values $key | default (get $root.Values.scheduling $key) }}
{{ dict $key . | toYaml }}
{{- end }}
{{- end }}
{{- with $values.topologySpread }}
topologySpreadConstraints:
  {{- range . }}
  - topologyKey: {{ .topologyKey }}
    maxSkew: {{ .maxSkew | default 1 | int }}
    whenUnsatisfiable: {{ .whenUnsatisfiable | default "ScheduleAnyway" }}
    labelSelector:
      matchLabels:
        {{- include "mailyard.selector" (list $root $component) | nindent 8 }}
    matchLabelKeys: [{{ .revisionLabel | default "pod-template-hash" }}]
  {{- end }}
{{- end }}
{{- end -}}

{{/* What drains may take at once, but for how much; takes (list root component). */}}
{{- define "mailyard.disruptionHead" -}}
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  {{- include "mailyard.metadata" (list (index . 0) (index . 1)) | nindent 2 }}
spec:
  selector:
    matchLabels:
      {{- include "mailyard.selector" . | nindent 6 }}
{{- end -}}
