// A client with the SDK's parts for signing in, a callback of its own on this machine, and no browser: who opens the
// authorization URL is the caller's to say.

import http from 'node:http';
import {
  discoverOAuthServerInfo,
  exchangeAuthorization,
  extractWWWAuthenticateParams,
  registerClient,
  startAuthorization,
} from '@modelcontextprotocol/client';

/** Where the browser is sent to: shows a page, and keeps the queries that arrive there. */
async function callbacks() {
  const arrived = [];
  const server = http.createServer((request, response) => {
    const { pathname, searchParams } = new URL(request.url, 'http://127.0.0.1');
    if (pathname !== '/callback') return void response.writeHead(404).end();
    arrived.push({ ...Object.fromEntries(searchParams), referrer: request.headers.referer ?? null });
    response.writeHead(200, { 'content-type': 'text/html; charset=utf-8', 'cache-control': 'no-store' });
    // Its icon is here, lest the browser look for one.
    response.end('<!doctype html><html lang="en"><link rel="icon" href="data:,"><title>Back at the client</title>');
  });
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  return { arrived, server, url: `http://127.0.0.1:${server.address().port}/callback` };
}

export class PlainClient {
  static async start(url, name) {
    const client = new PlainClient();
    Object.assign(client, { url, name, callbacks: await callbacks() });
    return client;
  }

  /** A tool's text, or the status and the challenge that its call was refused with. */
  async call(tool, args = {}) {
    const answer = await fetch(this.url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        accept: 'application/json, text/event-stream',
        'mcp-protocol-version': '2025-11-25',
        ...(this.token && { authorization: `Bearer ${this.token}` }),
      },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: tool, arguments: args } }),
    });
    const text = await answer.text();
    if (answer.status === 200) return JSON.parse(text.replace(/^(event:.*\n|data: )/gm, '')).result.content[0].text;
    const { scope, error, resourceMetadataUrl } = extractWWWAuthenticateParams(answer);
    this.metadataUrl = resourceMetadataUrl;
    return { status: answer.status, scope, error };
  }

  /** The authorization URL for `scope`, by the last challenge; registers where that hasn't been done. */
  async authorizationUrl(scope) {
    this.server ??= await discoverOAuthServerInfo(this.url, { resourceMetadataUrl: this.metadataUrl });
    const { authorizationServerUrl, authorizationServerMetadata: metadata, resourceMetadata } = this.server;
    this.registered ??= await registerClient(authorizationServerUrl, {
      metadata,
      clientMetadata: { client_name: this.name, redirect_uris: [this.callbacks.url], token_endpoint_auth_method: 'none' },
    });
    this.state = crypto.randomUUID();
    const started = await startAuthorization(authorizationServerUrl, {
      metadata,
      clientInformation: this.registered,
      redirectUrl: this.callbacks.url,
      scope,
      state: this.state,
      resource: resourceMetadata.resource,
    });
    this.verifier = started.codeVerifier;
    return started.authorizationUrl;
  }

  /** What the browser brought back; its values are replaced by what they are, where they differ from run to run. */
  answered() {
    const { arrived } = this.callbacks;
    const answer = { ...arrived.at(-1) };
    if (answer.code) answer.code = 'a code';
    if (answer.state === this.state) answer.state = 'ours';
    if (answer.iss === this.server.authorizationServerMetadata.issuer) answer.iss = "the issuer's";
    return answer;
  }

  /** Gives the code that came back for a token; the scopes that it has. */
  async redeem() {
    const { authorizationServerUrl, authorizationServerMetadata: metadata, resourceMetadata } = this.server;
    const { code, iss } = this.callbacks.arrived.at(-1);
    const tokens = await exchangeAuthorization(authorizationServerUrl, {
      metadata,
      clientInformation: this.registered,
      authorizationCode: code,
      iss,
      codeVerifier: this.verifier,
      redirectUri: this.callbacks.url,
      resource: resourceMetadata.resource,
    });
    this.token = tokens.access_token;
    return tokens.scope;
  }
}
