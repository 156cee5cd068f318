{{/*
Checks for conflicting values. Each group prints one line of a YAML list for each problem: what is wrong, and what to do.
values.schema.json checks single values.
*/}}

{{- define "mailyard.problems" -}}
{{- $groups := list "Name" "Databases" "Ports" "Trial" "Tls" "FrontDoors" "Scaling" "Services" "Accounts" "Canary" "Objects" -}}
{{- range $group := $groups }}
{{ include (printf "mailyard.problems%s" $group) $ }}
{{- end }}
{{- end -}}

{{/* One problem. */}}
{{- define "mailyard.problem" }}
- {{ . | quote }}
{{- end -}}

{{- define "mailyard.problemsName" -}}
{{- if not .Values.hostname }}
{{- include "mailyard.problem" "hostname is not set. Set it to the name that your MX records will have, such as mail.example.org." }}
{{- end }}
{{- if gt (len (include "mailyard.fullname" .)) 30 }}
{{- include "mailyard.problem" (printf "the release's name %s is too long for the names that come from it. Choose one of at most 21 letters, or 30 if it contains mailyard." .Release.Name) }}
{{- end }}
{{- end -}}

{{/* Exactly one of several values; takes (list what advice (dict name chosen ...)). */}}
{{- define "mailyard.oneOf" -}}
{{- $chosen := list -}}
{{- range $name, $value := index . 2 }}{{ if $value }}{{ $chosen = append $chosen $name }}{{ end }}{{ end -}}
{{- if empty $chosen }}
{{- include "mailyard.problem" (printf "%s is not known. %s" (index . 0) (index . 1)) }}
{{- else if gt (len $chosen) 1 }}
{{- include "mailyard.problem" (printf "%s is set more than once, by %s. Keep one of them." (index . 0) (join " and " $chosen)) }}
{{- end }}
{{- end -}}

{{- define "mailyard.problemsDatabases" -}}
{{- $given := .Values.connections -}}
{{- $secret := "connections.existingSecret" -}}
{{- include "mailyard.oneOf" (list "the address of RabbitMQ" "Set connections.existingSecret (keys amqp-url, mongo-url), connections.amqpUrl or connections.rabbitmqCluster.name; for a trial, trial.rabbitmq.enabled." (dict
  $secret $given.existingSecret
  "connections.amqpUrl" $given.amqpUrl
  "connections.rabbitmqCluster" $given.rabbitmqCluster.name
  "trial.rabbitmq" .Values.trial.rabbitmq.enabled)) }}
{{- include "mailyard.oneOf" (list "the address of MongoDB" "Set connections.existingSecret (keys amqp-url, mongo-url), connections.mongoUrl, connections.perconaServerMongoDB.name or connections.mongoDBCommunity.name; for a trial, trial.mongodb.enabled." (dict
  $secret $given.existingSecret
  "connections.mongoUrl" $given.mongoUrl
  "connections.perconaServerMongoDB" $given.perconaServerMongoDB.name
  "connections.mongoDBCommunity" $given.mongoDBCommunity.name
  "trial.mongodb" .Values.trial.mongodb.enabled)) }}
{{- range $service, $own := $given.perService }}
{{- if not (or $own.mongoSecret $own.amqpSecret) }}
{{- include "mailyard.problem" (printf "connections.perService.%s names no secret. Set mongoSecret or amqpSecret, or remove the entry." $service) }}
{{- end }}
{{- if and $own.mongoSecret $.Values.trial.mongodb.enabled }}
{{- include "mailyard.problem" (printf "connections.perService.%s.mongoSecret is set, but the trial's MongoDB gives each service a user of its own. Remove it, or set trial.mongodb.enabled to false." $service) }}
{{- end }}
{{- end }}
{{- if and $given.mongoDBCommunity.name (not $given.mongoDBCommunity.connectionStringSecret) }}
{{- include "mailyard.problem" "connections.mongoDBCommunity.connectionStringSecret is not set. Name the secret that the operator wrote for your user: <name>-<auth database>-<user>." }}
{{- end }}
{{- if and $given.perconaServerMongoDB.name (not (include "mailyard.perconaUrl" .)) }}
{{- include "mailyard.problem" (printf "the users of the PerconaServerMongoDB %s cannot be seen. Install with Helm on the cluster, after the operator has made its secret; or give the URL by connections.existingSecret." $given.perconaServerMongoDB.name) }}
{{- end }}
{{- end -}}

{{/* A NetworkPolicy that blocks a port looks like an unreachable database. The login in a URL is removed first and never shown. */}}
{{- define "mailyard.problemsPorts" -}}
{{- $policies := .Values.networkPolicies -}}
{{- $urls := list
  (list "connections.amqpUrl" .Values.connections.amqpUrl "rabbitmqPorts" $policies.rabbitmqPorts)
  (list "connections.mongoUrl" .Values.connections.mongoUrl "mongodbPorts" $policies.mongodbPorts) -}}
{{- range $database := ternary $urls list $policies.enabled }}
{{- $allowed := list }}{{ range index $database 3 }}{{ $allowed = append $allowed (int . | toString) }}{{ end }}
{{- $hosts := regexReplaceAll "^[a-z0-9+]+://([^/]*@)?" (index $database 1) "" | regexFind "^[^/?]+" }}
{{- range $host := splitList "," $hosts }}
{{- $port := regexFind ":[0-9]+$" $host | trimPrefix ":" }}
{{- if and $port (not (has $port $allowed)) }}
{{- include "mailyard.problem" (printf "networkPolicies.%s has no %s, the port in %s: nothing could reach it. Add the port." (index $database 2) $port (index $database 0)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{/* Changing the number of replicas does not move the data of a database. */}}
{{- define "mailyard.problemsTrial" -}}
{{- $name := include "mailyard.fullname" . -}}
{{- range $database, $count := dict "rabbitmq" .Values.trial.rabbitmq.nodes "mongodb" .Values.trial.mongodb.members }}
{{- $found := lookup "apps/v1" "StatefulSet" $.Release.Namespace (printf "%s-%s" $name $database) }}
{{- $running := dig "spec" "replicas" (int $count) ($found | default dict) | int }}
{{- if and (index $.Values.trial $database).enabled (ne $running (int $count)) }}
{{- include "mailyard.problem" (printf "the trial's %s runs with %d and cannot become %d: its data would not follow. Keep the number, or install another release and move there." $database $running (int $count)) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "mailyard.problemsTls" -}}
{{- $tls := .Values.tls -}}
{{- include "mailyard.oneOf" (list "the TLS certificate" "Without one nobody can log in. Set tls.certManager.enabled with an issuer, or tls.existingSecret; for a trial, tls.selfSigned.enabled." (dict
  "tls.existingSecret" $tls.existingSecret
  "tls.certManager" $tls.certManager.enabled
  "tls.selfSigned" $tls.selfSigned.enabled)) }}
{{- if and $tls.certManager.enabled (not $tls.certManager.issuerRef.name) }}
{{- include "mailyard.problem" "tls.certManager.issuerRef.name is not set. Name an Issuer or ClusterIssuer: kubectl get issuers,clusterissuers." }}
{{- end }}
{{- end -}}

{{- define "mailyard.problemsFrontDoors" -}}
{{- $doors := .Values.frontDoors -}}
{{- $proxy := $doors.proxyProtocol -}}
{{- if and $proxy.enabled (empty $proxy.networks) }}
{{- include "mailyard.problem" "frontDoors.proxyProtocol.networks is empty. Name the networks of your load balancers, such as 10.0.0.0/24: only headers from these networks are accepted." }}
{{- end }}
{{- if and (not $proxy.enabled) $proxy.networks }}
{{- include "mailyard.problem" "frontDoors.proxyProtocol.networks is set, but frontDoors.proxyProtocol.enabled is not. Enable it, or remove the networks." }}
{{- end }}
{{- range $proxy.networks }}
{{- if hasSuffix "/0" . }}
{{- include "mailyard.problem" (printf "frontDoors.proxyProtocol.networks: %s means every address, so any client could claim any address. Name the networks of the load balancers." .) }}
{{- end }}
{{- end }}
{{- range $key, $door := dict "smtpIn" $doors.smtpIn "imap" $doors.imap }}
{{- if and (eq $door.type "LoadBalancer") (eq $door.externalTrafficPolicy "Cluster") (not $proxy.enabled) }}
{{- include "mailyard.problem" (printf "frontDoors.%s: with externalTrafficPolicy Cluster the clients' addresses are lost, and with them limits, logs and reputation. Set it to Local, or enable frontDoors.proxyProtocol." $key) }}
{{- end }}
{{- end }}
{{- if and $doors.gateway.enabled (empty $doors.gateway.parentRefs) }}
{{- include "mailyard.problem" "frontDoors.gateway.parentRefs is empty. Name the Gateway, with listeners smtp, submission, submissions, imap and imaps." }}
{{- end }}
{{- end -}}

{{- define "mailyard.problemsScaling" -}}
{{- if and (eq .Values.autoscaling.mode "keda") (not (.Capabilities.APIVersions.Has "keda.sh/v1alpha1")) }}
{{- include "mailyard.problem" "autoscaling.mode is keda, but the cluster has no ScaledObjects. Install KEDA 2.20 or later, or set autoscaling.mode to auto or hpa; where you render without a cluster, add --api-versions keda.sh/v1alpha1." }}
{{- end }}
{{- range $service, $values := .Values.services }}
{{- $scaling := $values.autoscaling }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
{{- include "mailyard.problem" (printf "services.%s.autoscaling: minReplicas %d is above maxReplicas %d. Raise maxReplicas or lower minReplicas." $service (int $scaling.minReplicas) (int $scaling.maxReplicas)) }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "mailyard.problemsServices" -}}
{{- $here := include "mailyard.services" . | fromYaml -}}
{{- range $service, $about := $here }}
{{- if and $about.queues (not $here.router) (include "mailyard.scaled" (list $ (index $.Values.services $service))) (eq (include "mailyard.scaler" $) "keda") }}
{{- include "mailyard.problem" (printf "services.%s.autoscaling reads the depth of queues from the router, which services.router.enabled leaves out. Enable it beside %s, or set services.%s.autoscaling.enabled to false." $service $service $service) }}
{{- end }}
{{- end }}
{{- range $service := ternary (list "relay" "smtp-in") list .Values.sink.enabled }}
{{- if not (index $here $service) }}
{{- include "mailyard.problem" (printf "sink.enabled needs %s beside it, which services.%s.enabled leaves out. Enable both in one release, or set sink.enabled and canary.echo to false." $service $service) }}
{{- end }}
{{- end }}
{{- range $service, $about := include "mailyard.services" . | fromYaml }}
{{- $values := index $.Values.services $service }}
{{- $set := list }}
{{- range include "mailyard.serviceEnv" (list $ $service $about (omit $values "extraEnv")) | fromYamlArray }}
{{- $set = append $set .name }}
{{- end }}
{{- range $values.extraEnv }}
{{- if has .name $set }}
{{- include "mailyard.problem" (printf "services.%s.extraEnv: the chart sets %s itself. Use its value instead: README.md names it." $service .name) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "mailyard.problemsAccounts" -}}
{{- $keys := dict -}}
{{- $owners := dict -}}
{{- range $tenant := include "mailyard.tenants" . | fromYamlArray }}
{{- range .domains }}
{{- if hasKey $owners . }}
{{- include "mailyard.problem" (printf "setup.tenants: the domain %s would belong to the tenants %s and %s. Leave it to one of them; the canary's account may stand among a tenant's accounts, with canary.createAccount false." . (get $owners .) $tenant.id) }}
{{- end }}
{{- $_ := set $owners . $tenant.id }}
{{- end }}
{{- range .accounts }}
{{- $key := include "mailyard.accountKey" .address }}
{{- if hasKey $keys $key }}
{{- include "mailyard.problem" (printf "setup.tenants: the passwords of %s and %s would be kept under one key, %s. Make one of the two accounts with the mailyard command." (get $keys $key) .address $key) }}
{{- end }}
{{- $_ := set $keys $key .address }}
{{- if not (has (splitList "@" .address | last) $tenant.domains) }}
{{- include "mailyard.problem" (printf "setup.tenants: the tenant %s has an account %s, but not its domain. Add the domain to the tenant's domains." $tenant.id .address) }}
{{- end }}
{{- end }}
{{- end }}
{{- end -}}

{{- define "mailyard.problemsCanary" -}}
{{- $canary := .Values.canary -}}
{{- if and $canary.enabled $canary.echo (not .Values.sink.enabled) }}
{{- include "mailyard.problem" "canary.echo needs the sink, which sends its mail back. Set sink.enabled, or canary.echo to false." }}
{{- end }}
{{- range $service, $way := dict "smtp-in" "submission" "imap" "imap" }}
{{- if and $canary.enabled (not (index $.Values.services $service).enabled) (not (get $canary $way)) }}
{{- include "mailyard.problem" (printf "canary.enabled needs %s, which services.%s.enabled leaves out. Name the one of another release in canary.%s, or run the canary there." $service $service $way) }}
{{- end }}
{{- end }}
{{- $known := .Values.setup.existingPasswordSecret }}
{{- range include "mailyard.tenants" . | fromYamlArray }}{{ range .accounts }}
{{- if eq .address (include "mailyard.canaryAccount" $) }}{{ $known = .address }}{{ end }}
{{- end }}{{ end }}
{{- if and $canary.enabled (not $known) }}
{{- include "mailyard.problem" "canary.createAccount is false, so nobody makes the canary's password. Put its account among setup.tenants, or give the password in a secret by setup.existingPasswordSecret." }}
{{- end }}
{{- if and .Values.sink.catchAll (not .Values.sink.enabled) }}
{{- include "mailyard.problem" "sink.catchAll needs the sink. Set sink.enabled." }}
{{- end }}
{{- if and .Values.sink.catchAll .Values.services.relay.settings.nextHop }}
{{- include "mailyard.problem" "sink.catchAll and services.relay.settings.nextHop both say where all mail goes. Keep one of them." }}
{{- end }}
{{- end -}}

{{/* Third-party objects: without their definitions an install fails half-way. */}}
{{- define "mailyard.problemsObjects" -}}
{{- $monitoring := .Values.monitoring -}}
{{- $wanted := list
  (list "tls.certManager" "cert-manager.io/v1" "cert-manager" .Values.tls.certManager.enabled)
  (list "frontDoors.gateway" "gateway.networking.k8s.io/v1" "the Gateway API with TCPRoute" .Values.frontDoors.gateway.enabled)
  (list "monitoring.podMonitor" "monitoring.coreos.com/v1" "the Prometheus Operator" $monitoring.podMonitor.enabled)
  (list "monitoring.rules" "monitoring.coreos.com/v1" "the Prometheus Operator" $monitoring.rules.enabled)
  (list "monitoring.dashboards.grafanaOperator" "grafana.integreatly.org/v1beta1" "the Grafana Operator" $monitoring.dashboards.grafanaOperator.enabled)
  (list "connections.rabbitmqCluster" "rabbitmq.com/v1beta1" "the RabbitMQ Cluster Operator" .Values.connections.rabbitmqCluster.name)
  (list "connections.perconaServerMongoDB" "psmdb.percona.com/v1" "the Percona Operator for MongoDB" .Values.connections.perconaServerMongoDB.name)
  (list "connections.mongoDBCommunity" "mongodbcommunity.mongodb.com/v1" "the MongoDB Community Operator" .Values.connections.mongoDBCommunity.name) -}}
{{- range $wanted }}
{{- if and (index . 3) (not ($.Capabilities.APIVersions.Has (index . 1))) }}
{{- include "mailyard.problem" (printf "%s needs %s, which the cluster does not have (%s). Install it, or do without; where you render without a cluster, add --api-versions %s." (index . 0) (index . 2) (index . 1) (index . 1)) }}
{{- end }}
{{- end }}
{{- end -}}
