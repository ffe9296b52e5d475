// Kubernetes objects, as JSON on standard input (a list), in; on standard output a list: for each object what is wrong with it, `[]` where nothing is.
//
// The validators are made from the projects' own types: see docs/kubernetes.md for their versions. They let unknown members pass, as an API server does
// that drops them without a word; here a member that no validator has looked at is an error. Free-form members (a plugin's configuration, a patch) are told
// apart by their paths.

import { text } from "node:stream/consumers";

/** Where an API group's validators are. */
const PACKAGES = {
  "extensions.istio.io": "@kubernetes-models/istio/extensions.istio.io",
  "networking.istio.io": "@kubernetes-models/istio/networking.istio.io",
  "telemetry.istio.io": "@kubernetes-models/istio/telemetry.istio.io",
  "gateway.envoyproxy.io": "@kubernetes-models/envoy-gateway/gateway.envoyproxy.io",
  "gateway.networking.k8s.io": "@kubernetes-models/gateway-api/gateway.networking.k8s.io",
  "monitoring.coreos.com": "@kubernetes-models/prometheus-operator/monitoring.coreos.com",
  "networking.k8s.io": "kubernetes-models/networking.k8s.io",
  "serving.knative.dev": "@kubernetes-models/knative/serving.knative.dev",
};

/** What may hold anything: the path's members without indices. */
const FREE = new Set([
  "WasmPlugin.spec.pluginConfig",
  "EnvoyFilter.spec.configPatches.patch.value",
  "EnvoyExtensionPolicy.spec.wasm.config",
  "EnvoyPatchPolicy.spec.jsonPatches.operation.value",
]);

async function model({ apiVersion, kind }) {
  const [group, version] = apiVersion.includes("/") ? apiVersion.split("/") : ["", apiVersion];
  const folder = PACKAGES[group] ?? `kubernetes-models/${group ? `${group}/` : ""}`.replace(/\/$/, "");
  const found = (await import(`${folder}/${version}`))[kind];
  if (!found) throw new Error(`no schema for ${apiVersion} ${kind}`);
  return found;
}

/** `value` as it is, with a note in `seen` of each member that is looked at. */
function watched(value, path, seen) {
  if (value === null || typeof value !== "object") return value;
  return new Proxy(value, {
    get(target, name) {
      const member = Reflect.get(target, name);
      if (typeof name !== "string" || !Object.hasOwn(target, name)) return member;
      const at = Array.isArray(target) ? `${path}[${name}]` : `${path}.${name}`;
      seen.add(at);
      return watched(member, at, seen);
    },
  });
}

/** The paths of all members, down to those that may hold anything. */
function* members(value, path, plain) {
  if (value === null || typeof value !== "object" || FREE.has(plain)) return;
  for (const [name, member] of Object.entries(value)) {
    const [at, on] = Array.isArray(value) ? [`${path}[${name}]`, plain] : [`${path}.${name}`, `${plain}.${name}`];
    yield at;
    yield* members(member, at, on);
  }
}

async function complaints(object) {
  const { apiVersion, kind } = object;
  if (!apiVersion || !kind) return ["apiVersion and kind are missing"];
  const Model = await model(object);
  const seen = new Set();
  const found = [];
  try {
    Model.prototype.validate.call(watched(object, kind, seen));
  } catch (error) {
    found.push(...(error.errors ?? []).map((e) => `${kind}${e.instancePath} ${e.message} ${JSON.stringify(e.params)}`));
    if (found.length === 0) found.push(String(error));
  }
  for (const at of members(object, kind, kind)) {
    // The parts of an unknown member are unknown, too: the first is enough.
    if (!seen.has(at) && !found.some((line) => at.startsWith(line.split(" ")[0]))) found.push(`${at} is unknown`);
  }
  return found;
}

const objects = JSON.parse(await text(process.stdin));
const all = [];
for (const object of objects) all.push(await complaints(object));
console.log(JSON.stringify(all));
