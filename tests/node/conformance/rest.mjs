// Resources, prompts, completion and logging.

import { acceptedContent, inputRequired, ResourceTemplate } from '@modelcontextprotocol/server';
import * as z from 'zod/v4';
import { form } from './rounds.mjs';
import { PNG } from './tools.mjs';

export const capabilities = {
    tools: { listChanged: true },
    resources: { subscribe: true, listChanged: true },
    prompts: { listChanged: true },
    logging: {},
    completions: {}
};

const says = text => ({ role: 'user', content: { type: 'text', text } });

function resources(server) {
    const fixed = (name, uri, mimeType, content) =>
        server.registerResource(name, uri, { description: `Fixed: ${name}`, mimeType }, () => ({
            contents: [{ uri, mimeType, ...content }]
        }));
    fixed('static-text', 'test://static-text', 'text/plain', { text: 'This is the content of the static text resource.' });
    fixed('static-binary', 'test://static-binary', 'image/png', { blob: PNG });
    fixed('watched-resource', 'test://watched-resource', 'text/plain', { text: 'Watched' });
    const template = new ResourceTemplate('test://template/{id}/data', { list: undefined });
    const mimeType = 'application/json';
    server.registerResource('template', template, { description: 'By id', mimeType }, (uri, { id }) => ({
        contents: [{ uri: String(uri), mimeType, text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }]
    }));
}

// Without arguments a prompt has the context alone.
function inRounds(context) {
    const said = acceptedContent(context.mcpReq.inputResponses, 'user_context')?.context;
    if (typeof said === 'string') return { messages: [says(`The context: ${said}`)] };
    return inputRequired({ inputRequests: { user_context: form('What context should the prompt use?', 'context') } });
}

function prompts(server) {
    const prompt = (name, argsSchema, run) => {
        server.registerPrompt(name, { description: `A prompt: ${name}`, ...(argsSchema && { argsSchema }) }, run);
    };
    prompt('test_simple_prompt', undefined, () => ({ messages: [says('This is a simple prompt for testing.')] }));
    prompt('test_prompt_with_arguments', z.object({ arg1: z.string(), arg2: z.string() }), ({ arg1, arg2 }) => ({
        messages: [says(`Prompt with arguments: arg1='${arg1}', arg2='${arg2}'`)]
    }));
    prompt('test_prompt_with_embedded_resource', z.object({ resourceUri: z.string() }), ({ resourceUri }) => {
        const resource = { uri: resourceUri, mimeType: 'text/plain', text: 'Embedded resource content for testing.' };
        const content = { type: 'resource', resource };
        return { messages: [{ role: 'user', content }, says('Please process the embedded resource above.')] };
    });
    prompt('test_prompt_with_image', undefined, () => {
        const content = { type: 'image', data: PNG, mimeType: 'image/png' };
        return { messages: [{ role: 'user', content }, says('Please analyze the image above.')] };
    });
    prompt('test_input_required_result_prompt', undefined, inRounds);
}

export function registerRest(server) {
    resources(server);
    prompts(server);
    const { server: low } = server;
    low.setRequestHandler('resources/subscribe', () => ({}));
    low.setRequestHandler('resources/unsubscribe', () => ({}));
    low.setRequestHandler('logging/setLevel', () => ({}));
    low.setRequestHandler('completion/complete', () => ({ completion: { values: ['paris', 'park'], total: 2, hasMore: false } }));
}
