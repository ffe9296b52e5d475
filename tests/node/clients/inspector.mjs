// MCP Inspector's command line as a client: `node inspector.mjs MCP_URL [ERA]`, with `INSPECTOR_NODE` a Node that it runs on. It
// signs in by itself: prints where to go, listens for the answer, keeps its tokens in its folder. We go there, and untick what the
// step isn't for, since it asks for every scope that the metadata names. Prints one JSON object: what each step gave.

import { spawn } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { consent } from './browser.mjs';

const [url, era = 'legacy'] = process.argv.slice(2);
const program = fileURLToPath(
  new URL('node_modules/@modelcontextprotocol/inspector/clients/launcher/build/index.js', import.meta.url),
);
const homes = [0, 1].map(() => mkdtempSync(join(tmpdir(), 'inspector-')));
const steps = {};

async function freePort() {
  const server = createServer();
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return port;
}

const env = {
  PATH: process.env.PATH,
  HOME: homes[0],
  MCP_INSPECTOR_SECRET_STORE: 'file',
  MCP_OAUTH_CALLBACK_URL: `http://127.0.0.1:${await freePort()}/oauth/callback`,
  // Else it wants a terminal. There is no browser here that it could open.
  MCP_AUTO_OPEN_ENABLED: 'true',
};

/** Runs it once. `scopes` are what the person at the browser lets stand, where a sign-in is asked for. */
function inspect(name, scopes, ...options) {
  const fixed = ['--cli', url, '--transport', 'http', '--format', 'json', '--protocol-era', era];
  const child = spawn(process.env.INSPECTOR_NODE, [program, ...fixed, ...options], { env });
  let [out, err, signedIn] = ['', '', undefined];
  child.stdout.on('data', (data) => (out += data));
  child.stderr.on('data', (data) => {
    err += data;
    const to = /navigate to: (http\S+)\n/.exec(err)?.[1];
    if (to && !signedIn) {
      steps[`${name}: asked for`] = new URL(to).searchParams.get('scope');
      steps[`${name}: resource`] = new URL(to).searchParams.get('resource');
      signedIn = consent(to, 'bob', (scope) => scopes.includes(scope)).then((back) => fetch(back));
      signedIn.catch((error) => child.kill() && (err += error.stack));
    }
  });
  return new Promise((resolve, reject) => {
    child.on('close', (code) => (code === 0 ? resolve(JSON.parse(out)) : reject(new Error(`${name}: ${code}\n${out}\n${err}`))));
  });
}

const refusal = (error) => /"code":"([a-z_]+)"/.exec(error.message)?.[1] ?? error.message;

const names = async (name) =>
  (await inspect(name, [], '--method', 'tools/list')).result.tools.map((tool) => tool.name).sort().join(' ');
const call = async (name, scopes, tool, ...options) => {
  const { result } = await inspect(name, scopes, '--method', 'tools/call', '--tool-name', tool, ...options);
  return result.content[0].text;
};

// In the older era, when the 401 of its event stream (GET) comes before it has asked for the list, Inspector 2.12.0 asks for nothing more, says that there is
// no such tool, and exits: the gateway's records have initialize, initialized and that GET, and no tools/list. Its user runs it again.
async function signsIn(name, ...rest) {
  for (let left = 5; ; left -= 1) {
    try {
      return await call(name, ...rest);
    } catch (error) {
      const again = refusal(error) === 'tool_not_found' && steps[`${name}: asked for`] === undefined;
      if (left === 0 || !again) throw error;
    }
  }
}

// The same race ends in a list without tools, where it has no token yet.
async function listedBefore() {
  for (let left = 5; ; left -= 1) {
    const listed = await names('list before');
    if (listed !== '' || left === 0) return listed;
  }
}

try {
  steps['list before'] = await listedBefore();
  steps.read = await signsIn('read', ['tool:read'], 'list_notes');
  steps['list of a reader'] = await names('list of a reader');
  // It reads the list before each call, and the list hides what a reader may not call: no 403 ever asks for more.
  const write = ['add_note', '--tool-arg', 'text=by Inspector'];
  steps['write as a reader'] = await call('write as a reader', [], ...write).catch((error) => refusal(error));
  // Signed in anew, from an empty store.
  env.HOME = homes[1];
  steps.write = await signsIn('write', ['tool:read', 'tool:write'], ...write);
  steps['list of a writer'] = await names('list of a writer');
  steps['read again'] = await call('read again', [], 'list_notes');
} catch (error) {
  steps.error = `${error?.stack ?? error}`;
}
for (const home of homes) rmSync(home, { recursive: true, force: true });
console.log(JSON.stringify({ steps, requests: [] }));
