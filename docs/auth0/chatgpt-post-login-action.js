// Auth0 Action, trigger "Login / Post Login", for clients such as ChatGPT and Claude that register themselves.
// In: a login and this Action's secrets. Out: the tool scopes in the access token, a role, or a login denied with its reason.
// Guide, and what each secret means: docs/auth0/chatgpt-post-login-action.md
//
// The gateway is what protects the API: it checks audience, scopes and signature of every request. So this Action fails soft
// (the login goes on, the gateway refuses what is missing) wherever failing hard would lock users out. It fails closed in what
// it gives: scopes and the role go to no client but those that it knows by name *and* by redirect URI, since anybody may
// register a client under the name "ChatGPT".

'use strict';

const DEFAULT_SCOPES = 'tool:read tool:write';
// The gateway's own defaults (DCR_CLIENT_NAME_ALLOW, DCR_REDIRECT_ALLOW).
const DEFAULT_NAMES = 'ChatGPT*,Claude*,MCP*';
const DEFAULT_REDIRECTS = [
  'https://chatgpt.com/connector_platform_oauth_redirect',
  'https://chatgpt.com/connector/oauth/*',
  'https://claude.ai/api/mcp/auth_callback',
].join(',');

// Kept in the user's app_metadata: which clients were given scopes here, newest first, and which role was assigned.
const CONNECTORS = 'gatewaystack_connectors';
const ROLE = 'gatewaystack_role';
const MAX_CONNECTORS = 20;

const TOKEN_KEY = 'gatewaystack-management-token';
const REQUEST_TIMEOUT_MS = 4000;

const WRONG_AUDIENCE =
  "This connector did not ask for the gateway's API, so its token would be of no use there. Administrator: make the API " +
  "the tenant's Default Audience, or turn on the Resource Parameter Compatibility Profile.";

exports.onExecutePostLogin = async (event, api) => {
  const settings = read(event.secrets ?? {});
  if (settings.audiences.length === 0) {
    log('the secret API_AUDIENCE is missing, so nothing was done');
    return;
  }
  const isOurs = settings.audiences.includes(event.resource_server?.identifier);
  if (event.transaction?.protocol === 'oauth2-refresh-token') {
    // The audience was settled at sign-in, and so was what this client may be given.
    if (isOurs && connectors(event).includes(event.client.client_id)) addScopes(api, settings);
    return;
  }
  if (!isServed(event, settings)) return;
  if (!isOurs) {
    api.access.deny(WRONG_AUDIENCE);
    return;
  }
  grantScopes(event, api, settings);
  await assignRole(event, api, settings);
};

function read(secrets) {
  const list = (text) => (text ?? '').split(',').map((item) => item.trim()).filter(Boolean);
  return {
    audiences: list(secrets.API_AUDIENCE),
    scopes: (secrets.TOOL_SCOPES ?? DEFAULT_SCOPES).split(/[\s,]+/).filter(Boolean),
    names: list(secrets.DCR_CLIENT_NAME_ALLOW ?? DEFAULT_NAMES),
    redirects: list(secrets.DCR_REDIRECT_ALLOW ?? DEFAULT_REDIRECTS),
    clientIds: list(secrets.CONNECTOR_CLIENT_IDS),
    role: secrets.CONNECTOR_ROLE_ID?.trim(),
    domain: secrets.MGMT_DOMAIN?.trim(),
    clientId: secrets.MGMT_CLIENT_ID?.trim(),
    clientSecret: secrets.MGMT_CLIENT_SECRET,
  };
}

// Every other login of the tenant is none of our business.
function isServed(event, settings) {
  const { client_id: id, name = '' } = event.client;
  if (settings.clientIds.includes(id)) return true;
  const redirect = event.transaction?.redirect_uri;
  if (!redirect) return false;
  const named = settings.names.some((allowed) => isName(allowed, name));
  return named && settings.redirects.some((allowed) => isRedirect(allowed, redirect));
}

// A `*` at the end stands for any rest; case doesn't count.
function isName(allowed, name) {
  const [want, got] = [allowed.toLowerCase(), name.toLowerCase()];
  return want.endsWith('*') ? got.startsWith(want.slice(0, -1)) : got === want;
}

// A `*` at the end stands for one path segment; all else counts to the letter.
function isRedirect(allowed, redirect) {
  if (!allowed.endsWith('*')) return redirect === allowed;
  const base = allowed.slice(0, -1);
  const segment = redirect.slice(base.length);
  return redirect.startsWith(base) && /^[A-Za-z0-9_.~-]+$/.test(segment) && !/^\.+$/.test(segment);
}

function connectors(event) {
  const known = event.user.app_metadata?.[CONNECTORS];
  return Array.isArray(known) ? known : [];
}

// A client that names tool scopes itself gets what it asked for and no more: that is how a client asks for little first.
function grantScopes(event, api, settings) {
  const id = event.client.client_id;
  const others = connectors(event).filter((known) => known !== id);
  const names = (event.transaction?.requested_scopes ?? []).some((scope) => settings.scopes.includes(scope));
  const before = connectors(event);
  const after = names ? others : [id, ...others].slice(0, MAX_CONNECTORS);
  if (!names) addScopes(api, settings);
  if (before.join(' ') !== after.join(' ')) api.user.setAppMetadata(CONNECTORS, after);
}

// Target scopes pass through client grants, RBAC and consent. Where a tenant doesn't have them yet, addScope puts the scope
// into the token past all three: whoever may sign in to a connector gets it.
function addScopes(api, settings) {
  const filtered = typeof api.transaction?.addTargetScope === 'function';
  for (const scope of settings.scopes) {
    if (filtered) api.transaction.addTargetScope(scope);
    else api.accessToken.addScope(scope);
  }
}

// Once a user: whoever takes the role away again doesn't find it back at the next login.
async function assignRole(event, api, settings) {
  const { role, domain, clientId, clientSecret } = settings;
  if (!role || event.user.app_metadata?.[ROLE] === role) return;
  if (!domain || !clientId || !clientSecret) {
    log('CONNECTOR_ROLE_ID needs MGMT_DOMAIN, MGMT_CLIENT_ID and MGMT_CLIENT_SECRET; no role was assigned');
    return;
  }
  try {
    await postRole(api, settings, event.user.user_id);
    api.user.setAppMetadata(ROLE, role);
  } catch (error) {
    // The next login tries again.
    log(`the role was not assigned: ${error.message}`);
  }
}

async function postRole(api, settings, user) {
  const url = `https://${settings.domain}/api/v2/users/${encodeURIComponent(user)}/roles`;
  const send = (token) => post(url, { roles: [settings.role] }, { authorization: `Bearer ${token}` });
  const cached = (await api.cache.get(TOKEN_KEY))?.value;
  let response = await send(cached ?? (await managementToken(api, settings)));
  if (response.status === 401 && cached) response = await send(await managementToken(api, settings));
  if (!response.ok) throw new Error(`the Management API answered ${response.status}`);
}

async function managementToken(api, settings) {
  const response = await post(`https://${settings.domain}/oauth/token`, {
    grant_type: 'client_credentials',
    client_id: settings.clientId,
    client_secret: settings.clientSecret,
    audience: `https://${settings.domain}/api/v2/`,
  });
  if (!response.ok) throw new Error(`the token endpoint answered ${response.status}`);
  const { access_token: token, expires_in: seconds } = await response.json();
  if (typeof token !== 'string') throw new Error('the token endpoint answered without a token');
  // The cache keeps nothing for more than 24 hours, and may forget earlier; a token that it can't keep is asked for again.
  const ttl = Math.min(Number(seconds) - 60, 23 * 3600) * 1000;
  if (ttl > 0) await api.cache.set(TOKEN_KEY, token, { ttl });
  return token;
}

async function post(url, body, headers = {}) {
  try {
    return await fetch(url, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify(body),
      redirect: 'error',
      signal: AbortSignal.timeout(REQUEST_TIMEOUT_MS),
    });
  } catch {
    // What fetch says may name more than belongs into a log.
    throw new Error('the tenant could not be reached in time');
  }
}

function log(text) {
  console.log(`gatewaystack: ${text}`);
}
