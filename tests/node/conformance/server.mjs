// The reference server of the conformance suite: what its scenarios call, made with the official TypeScript SDK, in every era.
// `node server.mjs [open]` prints its URL as its first line. Every scenario's own text names what its fixture must answer;
// tools.mjs, rounds.mjs and rest.mjs say the same in code. With `open` it looks at no Host and no Origin, as older servers don't.

import { randomUUID } from 'node:crypto';
import { createServer } from 'node:http';
import { text } from 'node:stream/consumers';
import { NodeStreamableHTTPServerTransport, toNodeHandler } from '@modelcontextprotocol/node';
import { classifyInboundRequest, createMcpHandler, isInitializeRequest, McpServer } from '@modelcontextprotocol/server';
import { capabilities, registerRest } from './rest.mjs';
import { registerRounds, states } from './rounds.mjs';
import { registerTools } from './tools.mjs';

const open = process.argv.includes('open');
const sessions = new Map();

function fixture() {
    const info = { name: 'gatewaystack-conformance-fixture', version: '1.0.0' };
    const server = new McpServer(info, { capabilities, requestState: { verify: states.verify } });
    registerTools(server, {
        notify: stateless.notify,
        hangUp: context => sessions.get(context.sessionId)?.closeSSEStream(context.mcpReq.id)
    });
    registerRounds(server);
    registerRest(server);
    return server;
}

// From 2026-07-28 on each request stands alone.
const stateless = createMcpHandler(() => fixture(), { onerror: error => console.error(error) });
const serveStateless = toNodeHandler(stateless);

// A client that comes back says which event was its last.
function eventStore() {
    const events = [];
    return {
        storeEvent: async (streamId, message) => `${streamId}:${events.push({ streamId, message })}`,
        replayEventsAfter: async (lastEventId, { send }) => {
            const cut = lastEventId.lastIndexOf(':');
            const [streamId, seen] = [lastEventId.slice(0, cut), Number(lastEventId.slice(cut + 1))];
            for (const [index, event] of events.entries()) {
                const missed = index >= seen && event.streamId === streamId && event.message.jsonrpc !== undefined;
                if (missed) await send(`${streamId}:${index + 1}`, event.message);
            }
            return streamId;
        }
    };
}

async function session() {
    const server = fixture();
    const transport = new NodeStreamableHTTPServerTransport({
        sessionIdGenerator: () => randomUUID(),
        eventStore: eventStore(),
        retryInterval: 500,
        onsessioninitialized: id => sessions.set(id, transport)
    });
    transport.onclose = () => sessions.delete(transport.sessionId) && server.close();
    await server.connect(transport);
    return transport;
}

function refuse(response, status, message) {
    const error = { jsonrpc: '2.0', id: null, error: { code: -32000, message } };
    response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(error));
}

async function body(request) {
    const all = await text(request);
    return all === '' ? undefined : JSON.parse(all);
}

// A page of another site that reached us by a name of its own (DNS rebinding) shows itself by Host or by Origin.
const local = value => value === undefined || /^(https?:\/\/)?(localhost|127\.0\.0\.1|\[::1\])(:\d+)?$/.test(value);

async function answer(request, response) {
    const { headers, method } = request;
    if (new URL(request.url, 'http://localhost').pathname !== '/mcp') return refuse(response, 404, 'Not found');
    if (!open && !(local(headers.host) && local(headers.origin))) return refuse(response, 403, 'Forbidden');
    const message = method === 'POST' ? await body(request) : undefined;
    const inbound = classifyInboundRequest({
        httpMethod: method,
        protocolVersionHeader: headers['mcp-protocol-version'],
        mcpMethodHeader: headers['mcp-method'],
        body: message
    });
    if (method === 'POST' && inbound.kind !== 'legacy') return serveStateless(request, response, message);
    const id = headers['mcp-session-id'];
    if (id !== undefined && !sessions.has(id)) return refuse(response, 404, 'Session not found');
    if (id === undefined && !isInitializeRequest(message)) return refuse(response, 400, 'Session ID required');
    const transport = id === undefined ? await session() : sessions.get(id);
    return transport.handleRequest(request, response, message);
}

const http = createServer((request, response) => {
    answer(request, response).catch(error => {
        console.error(error);
        if (!response.headersSent) refuse(response, 500, 'Internal error');
    });
});
http.listen(0, '127.0.0.1', () => console.log(`http://127.0.0.1:${http.address().port}/mcp`));
