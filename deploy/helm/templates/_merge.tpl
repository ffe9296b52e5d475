{{/*
Overrides, by the rules of `gatewaystack merge`: objects are merged member by member, anything else replaces, `null` takes out; `routes` come before
the base's, `rate_limits` after them, and `{ replace: [ … ] }` takes the place of such a list; what is locked stays, except for `mode: enforce`. Tests hold
the two together.
*/}}

{{/* RFC 7396 §2. In: (list . .), what is there and what is said about it, both objects. Out: JSON. */}}
{{- define "gatewaystack.patched" -}}
{{- $into := deepCopy (index . 0) -}}
{{- range $name, $value := index . 1 -}}
{{- if kindIs "invalid" $value -}}
{{- $into = unset $into $name -}}
{{- else if kindIs "map" $value -}}
{{- $inner := get $into $name -}}
{{- if not (kindIs "map" $inner) -}}
{{- $inner = dict -}}
{{- end -}}
{{- $into = set $into $name (include "gatewaystack.patched" (list $inner $value) | fromJson) -}}
{{- else -}}
{{- $into = set $into $name $value -}}
{{- end -}}
{{- end -}}
{{- $into | toJson -}}
{{- end -}}

{{/* Whether a member is `mode: enforce`; not empty: it is. In: (list name value). */}}
{{- define "gatewaystack.isEnforce" -}}
{{- if and (eq (index . 0) "mode") (kindIs "string" (index . 1)) -}}
{{- if eq (index . 1) "enforce" -}}yes{{- end -}}
{{- end -}}
{{- end -}}

{{/* What an override says that it can't. In: (list override locked). Out: JSON, a list of texts. */}}
{{- define "gatewaystack.refused" -}}
{{- $locked := index . 1 -}}
{{- $faults := list -}}
{{- $routes := list -}}
{{- $path := "routes" -}}
{{- range $name, $value := index . 0 -}}
{{- if has $name (list "routes" "rate_limits") -}}
{{- $isReplaced := false -}}
{{- if kindIs "map" $value -}}
{{- $isReplaced = and (eq (len $value) 1) (kindIs "slice" (get $value "replace")) -}}
{{- end -}}
{{- if not (or (kindIs "slice" $value) (kindIs "invalid" $value) $isReplaced) -}}
{{- $faults = append $faults (printf "%s: expected a list, which is added to the base's, or { replace: [ … ] } to take its place" $name) -}}
{{- else if and (has $name $locked) (not (kindIs "slice" $value)) -}}
{{- $faults = append $faults (printf "%s: is locked: an override can only add to it" $name) -}}
{{- end -}}
{{- if and (eq $name "routes") $isReplaced -}}
{{- $routes = $value.replace -}}
{{- $path = "routes.replace" -}}
{{- else if and (eq $name "routes") (kindIs "slice" $value) -}}
{{- $routes = $value -}}
{{- end -}}
{{- else if and (has $name $locked) (not (include "gatewaystack.isEnforce" (list $name $value))) -}}
{{- $faults = append $faults (printf "%s: is locked: only the base says it" $name) -}}
{{- end -}}
{{- end -}}
{{- range $at, $route := $routes -}}
{{- if kindIs "map" $route -}}
{{- range $name, $value := $route -}}
{{- if and (has (printf "routes[].%s" $name) $locked) (not (include "gatewaystack.isEnforce" (list $name $value))) -}}
{{- $faults = append $faults (printf "%s[%d].%s: is locked: only the base says it" $path $at $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $faults | toJson -}}
{{- end -}}

{{/*
A policy, with the member `on` under its name, as JSON. Helm reads values as YAML 1.1, to which the word is a truth value: what is written `on: true` comes here
as `"true": true`. In: a policy as the values have it.
*/}}
{{- define "gatewaystack.spelled" -}}
{{- $policy := deepCopy . -}}
{{- $places := list $policy.ledger -}}
{{- if kindIs "slice" $policy.rate_limits -}}
{{- $places = concat $places $policy.rate_limits -}}
{{- else if kindIs "map" $policy.rate_limits -}}
{{- if kindIs "slice" $policy.rate_limits.replace -}}
{{- $places = concat $places $policy.rate_limits.replace -}}
{{- end -}}
{{- end -}}
{{- range $places -}}
{{- if kindIs "map" . -}}
{{- if and (hasKey . "true") (not (hasKey . "on")) -}}
{{- $_ := set . "on" (get . "true") -}}
{{- $_ := unset . "true" -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $policy | toJson -}}
{{- end -}}

{{/* One policy of a base and overrides. In: (list base overrides locked), overrides as the values have them. Out: JSON. */}}
{{- define "gatewaystack.merged" -}}
{{- $policy := include "gatewaystack.spelled" (index . 0) | fromJson -}}
{{- $locked := index . 2 | default list -}}
{{- $faults := list -}}
{{- range $name := list "routes" "rate_limits" -}}
{{- if and (hasKey $policy $name) (not (kindIs "slice" (get $policy $name))) -}}
{{- fail (printf "policy.%s: expected a list" $name) -}}
{{- end -}}
{{- end -}}
{{- range $override := index . 1 -}}
{{- $said := include "gatewaystack.spelled" ($override.policy | default dict) | fromJson -}}
{{- range include "gatewaystack.refused" (list $said $locked) | fromJsonArray -}}
{{- $faults = append $faults (printf "override %s: %s" $override.name .) -}}
{{- end -}}
{{- $lists := dict -}}
{{- range $name := list "routes" "rate_limits" -}}
{{- $before := get $policy $name | default list -}}
{{- if hasKey $said $name -}}
{{- $value := get $said $name -}}
{{- if and (eq $name "rate_limits") (has $name $locked) (kindIs "slice" $value) (not (hasKey $policy $name)) -}}
{{- $faults = append $faults (printf "override %s: rate_limits: is locked, and the base has none to add to: write the limits that hold without any into the base (60 a minute of each user, 300 failures a minute of each address)" $override.name) -}}
{{- end -}}
{{- if and (kindIs "slice" $value) (kindIs "slice" $before) -}}
{{- if and (eq $name "routes") (not (has $name $locked)) -}}
{{- $_ := set $lists $name (concat $value $before | default list) -}}
{{- else -}}
{{- $_ := set $lists $name (concat $before $value | default list) -}}
{{- end -}}
{{- else if kindIs "map" $value -}}
{{- $_ := set $lists $name (get $value "replace") -}}
{{- else -}}
{{- $_ := set $lists $name nil -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := $lists -}}
{{- $_ := set $said $name $value -}}
{{- end -}}
{{- $policy = include "gatewaystack.patched" (list $policy $said) | fromJson -}}
{{- end -}}
{{- if $faults -}}
{{- fail (join "\n" $faults) -}}
{{- end -}}
{{- $policy | toJson -}}
{{- end -}}

{{/* The policy of an own gateway: all overrides, one after the other. Out: JSON. */}}
{{- define "gatewaystack.policy" -}}
{{- include "gatewaystack.merged" (list .Values.policy .Values.overrides .Values.locked) -}}
{{- end -}}

{{/*
What the filter stands before in a mesh, each with its policy, as JSON: the base, where it has a target of its own, and each override. Two filters before
one workload would both judge its requests, the second without the token that the first has taken out: so no two targets may have one in common.
*/}}
{{- define "gatewaystack.targets" -}}
{{- $root := . -}}
{{- $name := include "gatewaystack.fullname" . -}}
{{- $istio := .Values.istio -}}
{{- $base := dict "what" "the base" "name" $name "namespace" .Release.Namespace "policy" (include "gatewaystack.spelled" .Values.policy | fromJson) -}}
{{- $targets := list -}}
{{- if eq .Values.mode "envoy-gateway" -}}
{{- $targets = append $targets (set $base "target" .Values.envoyGateway.target) -}}
{{- else if and (eq $istio.scope "waypoint") $istio.waypoint -}}
{{- $targets = append $targets (set $base "waypoint" $istio.waypoint) -}}
{{- else if and (ne $istio.scope "waypoint") $istio.selector -}}
{{- $targets = append $targets (set $base "selector" $istio.selector) -}}
{{- end -}}
{{- range $override := .Values.overrides -}}
{{- $target := dict "what" (printf "override %s" $override.name) "name" (printf "%s-%s" $name $override.name) -}}
{{- $_ := set $target "namespace" (default $root.Release.Namespace $override.namespace) -}}
{{- $_ := set $target "policy" (include "gatewaystack.merged" (list $root.Values.policy (list $override) $root.Values.locked) | fromJson) -}}
{{- range $member := list "selector" "waypoint" "target" -}}
{{- $_ := set $target $member (get $override $member | default nil) -}}
{{- end -}}
{{- $targets = append $targets $target -}}
{{- end -}}
{{- range $at, $one := $targets -}}
{{- range $other := slice $targets 0 $at -}}
{{- if eq $one.name $other.name -}}
{{- fail (printf "%s: another override has this name" $one.what) -}}
{{- end -}}
{{- if include "gatewaystack.meet" (list $root $one $other) -}}
{{- fail (printf "%s could stand before a workload of %s, too, and requests would go through both filters: give each a target of its own, in one namespace by a label that has another value in the other" $one.what $other.what) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $targets | toJson -}}
{{- end -}}

{{/* Whether two targets may have a workload in common; not empty: they may. In: (list . one other). */}}
{{- define "gatewaystack.meet" -}}
{{- $root := index . 0 -}}
{{- $one := index . 1 -}}
{{- $other := index . 2 -}}
{{- $isNear := eq $one.namespace $other.namespace -}}
{{- if $one.target -}}
{{- if and $isNear (eq $one.target.kind $other.target.kind) (eq $one.target.name $other.target.name) -}}yes{{- end -}}
{{- else if $one.waypoint -}}
{{- if and $isNear (eq $one.waypoint $other.waypoint) -}}yes{{- end -}}
{{- else if or $isNear (has $root.Values.istio.rootNamespace (list $one.namespace $other.namespace)) -}}
{{- /* What the mesh's root namespace has counts in every namespace. */ -}}
{{- $differs := false -}}
{{- range $label, $value := $one.selector | default dict -}}
{{- if and (hasKey ($other.selector | default dict) $label) (ne $value (get $other.selector $label)) -}}
{{- $differs = true -}}
{{- end -}}
{{- end -}}
{{- if not $differs -}}yes{{- end -}}
{{- end -}}
{{- end -}}
