{{/* Names, labels and images: every object of the chart gets them here. */}}

{{/* The name by which mail clients reach imap. */}}
{{- define "mailyard.imapHostname" -}}
{{- .Values.frontDoors.imap.hostname | default .Values.hostname -}}
{{- end -}}

{{/* The release's name where it says "mailyard" already; 40 letters leave room for components and hashes. */}}
{{- define "mailyard.fullname" -}}
{{- $name := ternary .Release.Name (printf "%s-mailyard" .Release.Name) (contains "mailyard" .Release.Name) -}}
{{- $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}

{{/* Labels that never change, for selectors; takes (list root component). */}}
{{- define "mailyard.selector" -}}
app.kubernetes.io/name: mailyard
app.kubernetes.io/instance: {{ (index . 0).Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* All labels of an object; takes (list root component). */}}
{{- define "mailyard.labels" -}}
{{- $root := index . 0 -}}
{{ include "mailyard.selector" . }}
app.kubernetes.io/part-of: mailyard
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{/* Labels of a pod, none of which changes with the chart's version: that must restart no database; takes (list root component). */}}
{{- define "mailyard.podLabels" -}}
{{ include "mailyard.selector" . }}
app.kubernetes.io/part-of: mailyard
{{- end -}}

{{/* Name, namespace and labels; takes (list root component) or (list root component suffix). */}}
{{- define "mailyard.metadata" -}}
{{- $root := index . 0 -}}
{{- $suffix := "" -}}
{{- if gt (len .) 2 -}}{{- $suffix = printf "-%s" (index . 2) -}}{{- end -}}
name: {{ include "mailyard.fullname" $root }}-{{ index . 1 }}{{ $suffix }}
namespace: {{ $root.Release.Namespace }}
labels:
  {{- include "mailyard.labels" (list $root (index . 1)) | nindent 2 }}
{{- end -}}

{{/* An image of Mailyard; takes (list root component). */}}
{{- define "mailyard.image" -}}
{{- $image := (index . 0).Values.image -}}
{{- $registry := ternary "" (printf "%s/" $image.registry) (empty $image.registry) -}}
{{- printf "%s%s/%s:%s" $registry $image.repository (index . 1) ($image.tag | default (index . 0).Chart.AppVersion) -}}
{{- with get $image.digests (index . 1) }}@{{ . }}{{ end -}}
{{- end -}}

{{/* A name that resolves from every namespace; takes (list root suffix). */}}
{{- define "mailyard.host" -}}
{{ include "mailyard.fullname" (index . 0) }}-{{ index . 1 }}.{{ (index . 0).Release.Namespace }}.svc
{{- end -}}
