{{/*
What the policy's ledger needs of the chart. In SQLite an own gateway has one in each pod, beside the Envoy whose records it reads; a mesh has one pod for all
of its proxies. In PostgreSQL all pods share one.
*/}}

{{/* The policy that a sidecar serves, as JSON. */}}
{{- define "gatewaystack.sidecarPolicy" -}}
{{- if eq .Values.mode "gateway" -}}
{{- include "gatewaystack.placed" (include "gatewaystack.policy" . | fromJson) -}}
{{- else -}}
{{- include "gatewaystack.placed" (include "gatewaystack.spelled" .Values.policy | fromJson) -}}
{{- end -}}
{{- end -}}

{{/* A policy as JSON, with where the chart puts what a ledger in PostgreSQL needs. In: the policy. */}}
{{- define "gatewaystack.placed" -}}
{{- $policy := deepCopy . -}}
{{- if eq (dig "ledger" "store" "sqlite" $policy) "postgres" -}}
{{- $files := dict "ledger" (list "url_file" "/ledger/url" "ledger.postgres.secret") -}}
{{- if dig "audit" "log" false $policy -}}
{{- $_ := set $files "audit" (list "key_file" "/ledger/audit.key" "ledger.auditKey") -}}
{{- end -}}
{{- range $section, $file := $files -}}
{{- $said := dig (index $file 0) "" (get $policy $section) -}}
{{- if and $said (ne $said (index $file 1)) -}}
{{- fail (printf "policy.%s.%s: %s isn't in the pod: the chart puts the Secret of %s at %s: expected that, or nothing" $section (index $file 0) $said (index $file 2) (index $file 1)) -}}
{{- end -}}
{{- $_ := set (get $policy $section) (index $file 0) (index $file 1) -}}
{{- end -}}
{{- end -}}
{{- $policy | toJson -}}
{{- end -}}

{{/* Whether there is one; not empty: there is. */}}
{{- define "gatewaystack.hasLedger" -}}
{{- if dig "ledger" "on" false (include "gatewaystack.sidecarPolicy" . | fromJson) -}}yes{{- end -}}
{{- end -}}

{{/* Whether all pods share it; likewise. */}}
{{- define "gatewaystack.isShared" -}}
{{- if eq (dig "ledger" "store" "sqlite" (include "gatewaystack.sidecarPolicy" . | fromJson)) "postgres" -}}{{ include "gatewaystack.hasLedger" . }}{{- end -}}
{{- end -}}

{{/* Whether there is an audit log; likewise. */}}
{{- define "gatewaystack.hasAuditLog" -}}
{{- if dig "audit" "log" false (include "gatewaystack.sidecarPolicy" . | fromJson) -}}yes{{- end -}}
{{- end -}}

{{/*
The policy of an own gateway's pods, as JSON. A ledger reads the file of records, and the cluster collects standard output: where nobody says otherwise, Envoy
writes both.
*/}}
{{- define "gatewaystack.served" -}}
{{- $policy := include "gatewaystack.sidecarPolicy" . | fromJson -}}
{{- if and (include "gatewaystack.hasLedger" .) (not (dig "audit" "to" nil $policy)) -}}
{{- $_ := set $policy "audit" (merge (dict "to" (list "file" "stdout")) ($policy.audit | default dict)) -}}
{{- end -}}
{{- $policy | toJson -}}
{{- end -}}

{{/*
The policy of a proxy in a mesh, as JSON: it posts its records to the sidecar and asks it who is blocked, unless the policy names another cluster. In:
(list . policy cluster).
*/}}
{{- define "gatewaystack.fed" -}}
{{- $root := index . 0 -}}
{{- $policy := include "gatewaystack.placed" (index . 1) | fromJson -}}
{{- if and (include "gatewaystack.hasLedger" $root) (dig "ledger" "on" false $policy) -}}
{{- $_ := set $policy "sidecar" (merge (deepCopy ($policy.sidecar | default dict)) (dict "cluster" (index . 2))) -}}
{{- end -}}
{{- $policy | toJson -}}
{{- end -}}

{{/* The variable with what a proxy shows the sidecar: its name, and the proxy's own environment has the value. */}}
{{- define "gatewaystack.secretVariable" -}}GATEWAYSTACK_SIDECAR_SECRET{{- end -}}

{{/* A size in MiB: `4Gi` of Kubernetes, `4GiB` or bytes of a policy. */}}
{{- define "gatewaystack.mebibytes" -}}
{{- $text := toString . -}}
{{- if not (kindIs "string" .) -}}{{- $text = int64 . | toString -}}{{- end -}}
{{- $number := regexFind "^[0-9]+" $text | int64 -}}
{{- if contains "T" $text -}}{{- mul $number 1048576 -}}
{{- else if contains "G" $text -}}{{- mul $number 1024 -}}
{{- else if contains "M" $text -}}{{- $number -}}
{{- else if contains "K" $text -}}{{- div $number 1024 -}}
{{- else -}}{{- div $number 1048576 -}}
{{- end -}}
{{- end -}}

{{/*
Where it is kept, as JSON: `claim` (one that is there), `emptyDir`, or neither: each pod gets a claim of its own. What can't be is told here.
*/}}
{{- define "gatewaystack.storage" -}}
{{- $storage := .Values.ledger.storage -}}
{{- $isOwn := eq .Values.mode "gateway" -}}
{{- $isShared := not (empty (include "gatewaystack.isShared" .)) -}}
{{- include "gatewaystack.sharing" . -}}
{{- $of := "ledger.storage.existingClaim" -}}
{{- $claim := $storage.existingClaim -}}
{{- with ternary .Values.gateway.data.claimName "" $isOwn -}}
{{- if and $claim (ne $claim .) -}}
{{- fail (printf "ledger.storage.existingClaim: gateway.data.claimName is another claim (%s), and a sidecar has one folder for all that it keeps: name one of them" .) -}}
{{- end -}}
{{- $claim = . -}}
{{- $of = "gateway.data.claimName" -}}
{{- end -}}
{{- if and $claim $storage.emptyDir -}}
{{- fail (printf "ledger.storage.emptyDir: %s names a claim: expected one of them" $of) -}}
{{- end -}}
{{- if and $isOwn $claim (gt (int .Values.gateway.replicas) 1) -}}
{{- fail (printf "gateway.replicas: %s is one volume, and each pod keeps a %s of its own: expected 1, or no claim, so that each pod gets one" $of (ternary "file of records" "ledger" $isShared)) -}}
{{- end -}}
{{- if gt (int .Values.ledger.replicas) 1 -}}
{{- if $isOwn -}}
{{- fail "ledger.replicas: an own gateway has a sidecar in each pod: gateway.replicas says how many" -}}
{{- end -}}
{{- if not $isShared -}}
{{- fail "ledger.replicas: a ledger in SQLite has one process that writes it: expected 1, or policy.ledger.store: postgres" -}}
{{- end -}}
{{- end -}}
{{- if and (not $isOwn) (not .Values.ledger.secret.name) -}}
{{- fail "ledger.secret: expected the name of a Secret and its key, with what the proxies show the sidecar: without it anybody could say who is blocked" -}}
{{- end -}}
{{- $policy := include "gatewaystack.sidecarPolicy" . | fromJson -}}
{{- with dig "audit" "to" nil $policy -}}
{{- if not (has "file" .) -}}
{{- fail "policy.audit.to: the ledger reads the file of records: expected `file` among it (`[file, stdout]` writes both, and is what the chart writes where nothing is said)" -}}
{{- end -}}
{{- end -}}
{{- if and $isOwn (not $isShared) (gt (int .Values.gateway.replicas) 1) -}}
{{- if dig "audit" "witness" list $policy -}}
{{- fail "policy.audit.witness: each pod has an audit log of its own under one name, and a witness knows one history for a name: expected gateway.replicas: 1, or policy.ledger.store: postgres" -}}
{{- end -}}
{{- if dig "builtin" "signals" false $policy -}}
{{- fail "policy.builtin.signals: a signal comes to one pod, and the others would let in whom it revokes: expected gateway.replicas: 1, or policy.ledger.store: postgres" -}}
{{- end -}}
{{- end -}}
{{- if and $isShared (not $isOwn) -}}
{{- if $claim -}}
{{- fail "ledger.storage.existingClaim: records are posted, and PostgreSQL has them: nothing is kept in a pod: expected none" -}}
{{- end -}}
{{- else if not (or $claim $isShared) -}}
{{- $most := dig "ledger" "max_bytes" "4GiB" $policy -}}
{{- if le (include "gatewaystack.mebibytes" $storage.size | int64) (include "gatewaystack.mebibytes" $most | int64) -}}
{{- fail (printf "ledger.storage.size: %s has no room for policy.ledger.max_bytes (%v) and what lies beside it (the file of records, an audit log): expected more" $storage.size $most) -}}
{{- end -}}
{{- end -}}
{{- $keeps := or $isOwn (not $isShared) -}}
{{- dict "claim" $claim "emptyDir" (and (not $claim) (or $storage.emptyDir (not $keeps))) "keeps" $keeps | toJson -}}
{{- end -}}

{{/* What a ledger in PostgreSQL needs, and what is for it alone: nothing comes out, and what is wrong is told here. */}}
{{- define "gatewaystack.sharing" -}}
{{- $ledger := .Values.ledger -}}
{{- if and (eq .Values.mode "gateway") $ledger.ca.configMapName -}}
{{- fail "ledger.ca: in an own gateway gateway.ca has the certificates by which the sidecar knows servers, PostgreSQL's, too: expected none" -}}
{{- end -}}
{{- if include "gatewaystack.isShared" . -}}
{{- if not $ledger.postgres.secret.name -}}
{{- fail "ledger.postgres.secret: expected the name of a Secret and its key, with the URL of PostgreSQL (postgres://USER:PASSWORD@HOST:5432/DATABASE)" -}}
{{- end -}}
{{- if and (include "gatewaystack.hasAuditLog" .) (not $ledger.auditKey.name) -}}
{{- fail "ledger.auditKey: all pods sign one audit log with one key: expected the name of a Secret and its key, with what `gatewaystack audit new-key` prints" -}}
{{- end -}}
{{- else -}}
{{- if $ledger.postgres.secret.name -}}
{{- fail "ledger.postgres.secret: the policy has its ledger in SQLite: expected policy.ledger.store: postgres, or no Secret" -}}
{{- end -}}
{{- if $ledger.auditKey.name -}}
{{- fail "ledger.auditKey: each ledger in SQLite has an audit log of its own, whose key is made beside it, and one key may sign one history alone: expected policy.ledger.store: postgres, or no Secret" -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{/* The volume with what a ledger in PostgreSQL needs, and where it is. */}}
{{- define "gatewaystack.sharedVolume" -}}
{{- $ledger := .Values.ledger -}}
{{- if include "gatewaystack.isShared" . -}}
- name: ledger
  projected:
    defaultMode: 288 # 0440
    sources:
      - secret: { name: {{ $ledger.postgres.secret.name }}, items: [{ key: {{ $ledger.postgres.secret.key | quote }}, path: url }] }
      {{- if include "gatewaystack.hasAuditLog" . }}
      - secret: { name: {{ $ledger.auditKey.name }}, items: [{ key: {{ $ledger.auditKey.key | quote }}, path: audit.key }] }
      {{- end }}
{{- end -}}
{{- end -}}
{{- define "gatewaystack.sharedMount" -}}
{{- if include "gatewaystack.isShared" . -}}
- { name: ledger, mountPath: /ledger, readOnly: true }
{{- end -}}
{{- end -}}

{{/* The volume of a pod, where it isn't a claim of its own. In: the storage. */}}
{{- define "gatewaystack.ledgerVolume" -}}
{{- $storage := include "gatewaystack.storage" . | fromJson -}}
{{- if $storage.claim -}}
- name: data
  persistentVolumeClaim: { claimName: {{ $storage.claim }} }
{{- else if $storage.emptyDir -}}
- name: data
  emptyDir: { sizeLimit: {{ ternary .Values.ledger.storage.size "16Mi" $storage.keeps }} }
{{- end -}}
{{- end -}}

{{/* What a StatefulSet says of the claims of its pods. Nothing of it may ever change, so that it has no label with a version. */}}
{{- define "gatewaystack.ledgerClaims" -}}
{{- $storage := include "gatewaystack.storage" . | fromJson -}}
{{- if not (or $storage.claim $storage.emptyDir) -}}
# What was remembered outlives pods, `helm uninstall` and fewer replicas.
persistentVolumeClaimRetentionPolicy: { whenDeleted: Retain, whenScaled: Retain }
volumeClaimTemplates:
  - metadata:
      name: data
      labels:
        {{- include "gatewaystack.selectorLabels" . | nindent 8 }}
    spec:
      # One node at a time: a network file system has neither the locks nor the shared memory that SQLite needs.
      accessModes: [ReadWriteOnce]
      {{- with .Values.ledger.storage.className }}
      storageClassName: {{ . }}
      {{- end }}
      resources: { requests: { storage: {{ .Values.ledger.storage.size }} } }
{{- end -}}
{{- end -}}

{{/* The names of the claims that hold ledgers, as JSON. */}}
{{- define "gatewaystack.ledgerClaimNames" -}}
{{- $storage := include "gatewaystack.storage" . | fromJson -}}
{{- $names := list -}}
{{- if $storage.claim -}}
{{- $names = list $storage.claim -}}
{{- else if not $storage.emptyDir -}}
{{- range $at := until (int (ternary .Values.gateway.replicas 1 (eq .Values.mode "gateway"))) -}}
{{- $names = append $names (printf "data-%s-%d" (include "gatewaystack.sidecarName" $) $at) -}}
{{- end -}}
{{- end -}}
{{- $names | toJson -}}
{{- end -}}

{{/* The name of what runs the sidecars. */}}
{{- define "gatewaystack.sidecarName" -}}
{{- include "gatewaystack.fullname" . }}{{ if ne .Values.mode "gateway" }}-ledger{{ end -}}
{{- end -}}
