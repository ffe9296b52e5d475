// The official TypeScript SDK as a client, both packages: `node typescript.mjs sdk|client MCP_URL [legacy|auto]`. It signs in by
// itself; only the consent is given by us. Prints one JSON object: what each step gave, and every request that was made.

import { consent } from './browser.mjs';

const [packageName, url, mode] = process.argv.slice(2);
const library =
  packageName === 'sdk'
    ? {
        ...(await import('@modelcontextprotocol/sdk/client/index.js')),
        ...(await import('@modelcontextprotocol/sdk/client/streamableHttp.js')),
        ...(await import('@modelcontextprotocol/sdk/client/auth.js')),
      }
    : await import('@modelcontextprotocol/client');
const { Client, StreamableHTTPClientTransport, UnauthorizedError } = library;

const requests = [];
const steps = {};

/** Every request of the client goes through here, and is noted. */
async function noted(input, init) {
  const request = new Request(input, init);
  const body = typeof init?.body === 'string' && init.body.startsWith('{') ? JSON.parse(init.body) : undefined;
  const answer = await fetch(input, init);
  requests.push({
    request: `${request.method} ${new URL(request.url).pathname}`,
    rpc: body?.method && [body.method, body.params?.name].filter(Boolean).join(' '),
    version: request.headers.get('mcp-protocol-version') ?? undefined,
    status: answer.status,
  });
  return answer;
}

/** Keeps in memory what a client keeps; opens no browser. */
const provider = {
  opened: undefined,
  redirectUrl: 'http://127.0.0.1:1/callback',
  clientMetadata: {
    client_name: 'TypeScript SDK',
    redirect_uris: ['http://127.0.0.1:1/callback'],
    // With a refresh token, 1.x answers a 403 by refreshing, which can't widen the scope, and gives up.
    grant_types: packageName === 'sdk' ? ['authorization_code'] : ['authorization_code', 'refresh_token'],
    response_types: ['code'],
    token_endpoint_auth_method: 'none',
  },
  clientInformation: () => provider.client,
  saveClientInformation: (client) => void (provider.client = client),
  tokens: () => provider.kept,
  saveTokens: (tokens) => void (provider.kept = tokens),
  redirectToAuthorization: (to) => void (provider.opened = to),
  saveCodeVerifier: (verifier) => void (provider.verifier = verifier),
  codeVerifier: () => provider.verifier,
};

let client, transport;
/** Opens a connection. In the handshake's eras the SDK asks for a stream at once, in the background. */
async function connect() {
  transport = new StreamableHTTPClientTransport(new URL(url), { authProvider: provider, fetch: noted });
  client = new Client({ name: 'gatewaystack-tests', version: '1' }, mode ? { versionNegotiation: { mode } } : {});
  await client.connect(transport);
  if (transport.protocolVersion < '2026') await streamSettled();
}

/** Until the background's GET is answered; and, where that was 401, until the SDK has opened the sign-in for it. */
async function streamSettled() {
  const from = requests.length;
  const settled = () => {
    const stream = requests.slice(Math.max(0, from - 2)).find(({ request }) => request.startsWith('GET /mcp'));
    return stream && (stream.status !== 401 || provider.opened);
  };
  for (let n = 0; n < 500 && !settled(); n += 1) await new Promise((resolve) => setTimeout(resolve, 10));
  if (provider.opened) steps['opened at connect'] = provider.opened.searchParams.get('scope');
  provider.opened = undefined;
}

/** Runs a step; where it needs a sign-in, signs in as bob and runs it again. */
async function signedIn(name, step) {
  provider.opened = undefined;
  try {
    return await step();
  } catch (error) {
    if (!(error instanceof UnauthorizedError) && !provider.opened) throw error;
    steps[`${name}: asked for`] = provider.opened.searchParams.get('scope');
    steps[`${name}: resource`] = provider.opened.searchParams.get('resource');
    const callback = await consent(provider.opened, 'bob');
    await transport.finishAuth(packageName === 'sdk' ? callback.searchParams.get('code') : callback.searchParams);
    provider.opened = undefined;
    await connect();
    return await step();
  }
}

const names = async () => (await client.listTools()).tools.map((tool) => tool.name).sort().join(' ');
const call = async (name, args = {}) => (await client.callTool({ name, arguments: args })).content[0].text;

try {
  await signedIn('connect', connect);
  steps['list before'] = await names();
  steps.read = await signedIn('read', () => call('list_notes'));
  steps['list of a reader'] = await names();
  steps.write = await signedIn('write', () => call('add_note', { text: 'by TypeScript' }));
  steps['list of a writer'] = await names();
  steps['read again'] = await signedIn('read again', () => call('list_notes'));
  await client.close();
} catch (error) {
  steps.error = `${error?.stack ?? error}`;
}
console.log(JSON.stringify({ steps, requests }));
