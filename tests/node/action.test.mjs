// The post-login Action, run as Auth0 runs it: the documented `event` in, calls of the documented `api` out.
// `node --test action.test.mjs`; `ACTION` names another file to run instead.

import assert from 'node:assert/strict';
import { createRequire } from 'node:module';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';

const file = process.env.ACTION ?? fileURLToPath(new URL('../../docs/auth0/chatgpt-post-login-action.js', import.meta.url));
const { onExecutePostLogin } = createRequire(import.meta.url)(file);

const API = 'https://gateway.local/api';
const SECRET = 'management-secret-that-nobody-may-see';
const REDIRECT = 'https://chatgpt.com/connector_platform_oauth_redirect';
const MANAGEMENT = { CONNECTOR_ROLE_ID: 'rol_1', MGMT_DOMAIN: 't.auth0.com', MGMT_CLIENT_ID: 'm2m', MGMT_CLIENT_SECRET: SECRET };
const ROLES = 'https://t.auth0.com/api/v2/users/auth0%7Cann/roles';
const TOKEN = 'https://t.auth0.com/oauth/token';

/** A sign-in of ChatGPT for our API; `change` says what is different. */
function login(change = {}) {
  const { secrets, client, user, transaction, ...rest } = change;
  return {
    client: { client_id: 'tpc_1', name: 'ChatGPT', metadata: {}, ...client },
    resource_server: { identifier: API },
    secrets: { API_AUDIENCE: API, ...secrets },
    transaction: { protocol: 'oidc-basic-profile', redirect_uri: REDIRECT, requested_scopes: ['openid', 'profile'], ...transaction },
    user: { user_id: 'auth0|ann', app_metadata: {}, ...user },
    ...rest,
  };
}

const refresh = (change = {}) =>
  login({ ...change, transaction: { protocol: 'oauth2-refresh-token', redirect_uri: undefined, requested_scopes: undefined } });

/** Runs the Action against an `api` that writes down what it is asked for, and a tenant that answers as `answers` say. */
async function run(event, { answers = {}, cache = new Map(), target = false } = {}) {
  const did = { denied: null, scopes: [], target: [], metadata: {}, sent: [], logs: [], cache };
  const api = {
    access: { deny: (reason) => ((did.denied = reason), api) },
    accessToken: { addScope: (scope) => (did.scopes.push(scope), api) },
    user: { setAppMetadata: (key, value) => ((did.metadata[key] = value), api) },
    cache: {
      get: (key) => cache.get(key),
      set: (key, value, options) => {
        assert.ok(Buffer.byteLength(key) <= 64 && value.length <= 4096 && options.ttl <= 24 * 3600 * 1000, 'the limits of the cache');
        cache.set(key, { value, options });
        return { type: 'success' };
      },
    },
  };
  if (target) api.transaction = { addTargetScope: (scope) => did.target.push(scope) };
  const [realFetch, realLog] = [globalThis.fetch, console.log];
  globalThis.fetch = async (url, options) => {
    did.sent.push({ url, ...options, body: JSON.parse(options.body) });
    assert.ok(options.signal instanceof AbortSignal, 'no request without a time-out');
    const queue = answers[url] ?? [];
    const answer = queue.length > 1 ? queue.shift() : queue[0];
    if (answer === undefined) throw new Error(`connect ECONNREFUSED ${SECRET}`);
    const [status, body] = answer;
    return new Response(body === undefined ? null : JSON.stringify(body), { status });
  };
  console.log = (...parts) => did.logs.push(parts.join(' '));
  try {
    await onExecutePostLogin(event, api);
  } finally {
    [globalThis.fetch, console.log] = [realFetch, realLog];
  }
  const said = [did.denied ?? '', ...did.logs].join('\n');
  assert.ok(!said.includes(SECRET) && !said.includes('minted'), `no secret and no token in a message: ${said}`);
  assert.ok(did.logs.every((line) => line.length <= 256), 'Auth0 keeps 256 characters of a log');
  return did;
}

const GOOD = () => ({ [TOKEN]: [[200, { access_token: 'minted', expires_in: 86400 }]], [ROLES]: [[204]] });
const BOTH = ['tool:read', 'tool:write'];

// What happens to a login: the scopes that are added, and whether it is denied.
for (const [name, event, scopes, denied] of [
  ['ChatGPT gets the scopes that it did not ask for', login(), BOTH, false],
  ['a client without any requested scope gets them', login({ transaction: { requested_scopes: undefined } }), BOTH, false],
  ['Claude gets them at its own address', login({ client: { name: 'Claude' }, transaction: { redirect_uri: 'https://claude.ai/api/mcp/auth_callback' } }), BOTH, false],
  ['a name counts in any case', login({ client: { name: 'chatgpt connector' } }), BOTH, false],
  ['one path segment stands for the star', login({ transaction: { redirect_uri: 'https://chatgpt.com/connector/oauth/a1-b2' } }), BOTH, false],
  ['a client that asks for a tool scope gets no other', login({ transaction: { requested_scopes: ['tool:read'] } }), [], false],
  ['the scopes can be named', login({ secrets: { TOOL_SCOPES: 'notes:read, notes:write' } }), ['notes:read', 'notes:write'], false],
  ['no scope is added where none is named', login({ secrets: { TOOL_SCOPES: '' } }), [], false],
  ['several APIs can be named', login({ secrets: { API_AUDIENCE: `https://other.example, ${API}` } }), BOTH, false],
  ['a client can be named by its id', login({ secrets: { CONNECTOR_CLIENT_IDS: 'x, own' }, client: { client_id: 'own', name: 'Ours' }, transaction: { redirect_uri: 'https://ours.example/cb' } }), BOTH, false],
  ['the lists can be replaced', login({ secrets: { DCR_CLIENT_NAME_ALLOW: 'Cursor', DCR_REDIRECT_ALLOW: 'https://cursor.example/cb' }, client: { name: 'Cursor' }, transaction: { redirect_uri: 'https://cursor.example/cb' } }), BOTH, false],

  ['a connector without an audience is denied', login({ resource_server: undefined }), [], true],
  ['a connector for another API is denied', login({ resource_server: { identifier: 'https://other.example' } }), [], true],
  ['an audience that only begins alike is another', login({ resource_server: { identifier: `${API}/` } }), [], true],

  ['another application is left alone', login({ client: { name: 'Shop' }, resource_server: undefined }), [], false],
  ['a name is not enough', login({ transaction: { redirect_uri: 'https://evil.example/cb' } }), [], false],
  ['a redirect URI is not enough', login({ client: { name: 'Evil' } }), [], false],
  ['without a redirect URI nothing is known of a client', login({ transaction: { redirect_uri: undefined } }), [], false],
  ['a client without a name is not known', login({ client: { name: undefined } }), [], false],
  ['two segments are not one', login({ transaction: { redirect_uri: 'https://chatgpt.com/connector/oauth/a/b' } }), [], false],
  ['no segment is not one', login({ transaction: { redirect_uri: 'https://chatgpt.com/connector/oauth/' } }), [], false],
  ['dots are not a segment', login({ transaction: { redirect_uri: 'https://chatgpt.com/connector/oauth/..' } }), [], false],
  ['a query is not a segment', login({ transaction: { redirect_uri: 'https://chatgpt.com/connector/oauth/a?b' } }), [], false],
  ['without API_AUDIENCE nobody is locked out', login({ secrets: { API_AUDIENCE: undefined }, resource_server: undefined }), [], false],
  ['without any secret nobody is locked out', login({ secrets: { API_AUDIENCE: '' } }), [], false],

  ['a refresh adds again what the sign-in added', refresh({ user: { app_metadata: { gatewaystack_connectors: ['tpc_1'] } } }), BOTH, false],
  ['a refresh adds nothing that the sign-in did not', refresh({ user: { app_metadata: { gatewaystack_connectors: ['tpc_2'] } } }), [], false],
  ['a refresh trusts nothing but a list', refresh({ user: { app_metadata: { gatewaystack_connectors: 'tpc_1' } } }), [], false],
  ['a refresh for another API gets nothing', refresh({ user: { app_metadata: { gatewaystack_connectors: ['tpc_1'] } }, resource_server: { identifier: 'https://other.example' } }), [], false],
  ['a refresh is never denied', refresh({ resource_server: undefined }), [], false],
]) {
  test(name, async () => {
    const did = await run(event);
    assert.deepEqual([did.scopes, did.denied !== null, did.sent], [scopes, denied, []]);
    if (denied) assert.match(did.denied, /Default Audience/);
  });
}

test('where the tenant filters target scopes, nothing goes past its policies', async () => {
  const did = await run(login(), { target: true });
  assert.deepEqual([did.target, did.scopes], [BOTH, []]);
});

test('a login with scopes added is remembered for refreshes, newest first and at most twenty', async () => {
  const known = Array.from({ length: 20 }, (_, at) => `old_${at}`);
  const did = await run(login({ user: { app_metadata: { gatewaystack_connectors: known } } }));
  assert.deepEqual(did.metadata.gatewaystack_connectors, ['tpc_1', ...known.slice(0, 19)]);
  const again = await run(login({ user: { app_metadata: { gatewaystack_connectors: ['tpc_1', 'b'] } } }));
  assert.deepEqual(again.metadata, {}, 'nothing is written twice');
});

test('a client that begins to ask for little is forgotten, so that a refresh gives it no more', async () => {
  const event = login({ user: { app_metadata: { gatewaystack_connectors: ['tpc_1', 'b'] } }, transaction: { requested_scopes: ['tool:read'] } });
  assert.deepEqual((await run(event)).metadata, { gatewaystack_connectors: ['b'] });
});

test('the role is assigned once, with a token that is kept', async () => {
  const did = await run(login({ secrets: MANAGEMENT }), { answers: GOOD() });
  assert.deepEqual(did.sent.map(({ url, body, headers }) => [url, body, headers.authorization]), [
    [TOKEN, { grant_type: 'client_credentials', client_id: 'm2m', client_secret: SECRET, audience: 'https://t.auth0.com/api/v2/' }, undefined],
    [ROLES, { roles: ['rol_1'] }, 'Bearer minted'],
  ]);
  assert.equal(did.metadata.gatewaystack_role, 'rol_1');
  const second = await run(login({ secrets: MANAGEMENT }), { answers: GOOD(), cache: did.cache });
  assert.deepEqual(second.sent.map(({ url }) => url), [ROLES], 'the token comes from the cache');
  const known = await run(login({ secrets: MANAGEMENT, user: { app_metadata: { gatewaystack_role: 'rol_1' } } }), { answers: GOOD() });
  assert.deepEqual(known.sent, [], 'whoever has had the role is not asked about again');
});

test('a kept token that is no longer good is replaced, once', async () => {
  const cache = new Map([['gatewaystack-management-token', { value: 'stale' }]]);
  const did = await run(login({ secrets: MANAGEMENT }), { answers: { ...GOOD(), [ROLES]: [[401], [204]] }, cache });
  assert.deepEqual(did.sent.map(({ url }) => url), [ROLES, TOKEN, ROLES]);
  assert.equal(did.metadata.gatewaystack_role, 'rol_1');
  const never = await run(login({ secrets: MANAGEMENT }), { answers: { ...GOOD(), [ROLES]: [[401]] } });
  assert.deepEqual([never.sent.length, never.metadata.gatewaystack_role], [2, undefined]);
});

// A Management API that fails costs the role, never the login: the gateway refuses what the token lacks.
for (const [name, answers, status] of [
  ['refuses the secret', { [TOKEN]: [[401, { error: 'access_denied' }]] }, '401'],
  ['refuses the scope', { ...GOOD(), [ROLES]: [[403, { message: SECRET }]] }, '403'],
  ['is over its limit', { ...GOOD(), [ROLES]: [[429]] }, '429'],
  ['is broken', { ...GOOD(), [ROLES]: [[500]] }, '500'],
  ['answers no token', { [TOKEN]: [[200, {}]] }, 'without a token'],
  ['cannot be reached', {}, 'reached in time'],
]) {
  test(`a Management API that ${name} costs the role, not the login`, async () => {
    const did = await run(login({ secrets: MANAGEMENT }), { answers });
    assert.deepEqual([did.denied, did.scopes, did.metadata.gatewaystack_role], [null, BOTH, undefined]);
    assert.ok(did.logs.some((line) => line.includes(status)), did.logs.join('\n'));
  });
}

test('a role without its management client is said, and nothing is sent', async () => {
  const did = await run(login({ secrets: { CONNECTOR_ROLE_ID: 'rol_1', MGMT_DOMAIN: 't.auth0.com' } }));
  assert.deepEqual([did.sent, did.denied, did.scopes], [[], null, BOTH]);
  assert.match(did.logs.join(), /MGMT_CLIENT_SECRET/);
});

test('who is not served gets no role either', async () => {
  for (const event of [login({ secrets: MANAGEMENT, client: { name: 'Shop' } }), login({ secrets: MANAGEMENT, resource_server: undefined }), refresh({ secrets: MANAGEMENT })]) {
    assert.deepEqual((await run(event, { answers: GOOD() })).sent, []);
  }
});
