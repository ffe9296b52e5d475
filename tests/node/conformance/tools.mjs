// The tools that the scenarios call in one step.

import { fromJsonSchema, inputRequired } from '@modelcontextprotocol/server';
import * as z from 'zod/v4';

// A PNG of one red pixel, and a WAV file of one sample.
export const PNG = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mP8z8DwHwAFBQIAX8jx0gAAAABJRU5ErkJggg==';
const WAV = 'UklGRiYAAABXQVZFZm10IBAAAAABAAEAQB8AAIA+AAACABAAZGF0YQIAAAAAAA==';

export const text = said => ({ content: [{ type: 'text', text: said }] });
const image = { type: 'image', data: PNG, mimeType: 'image/png' };
const resource = (uri, mimeType, text) => ({ type: 'resource', resource: { uri, mimeType, text } });
const pause = () => new Promise(resolve => setTimeout(resolve, 50));

const FIXED = {
    test_simple_text: text('This is a simple text response for testing.'),
    test_image_content: { content: [image] },
    test_audio_content: { content: [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }] },
    test_embedded_resource: {
        content: [resource('test://embedded-resource', 'text/plain', 'This is an embedded resource content.')]
    },
    test_multiple_content_types: {
        content: [
            { type: 'text', text: 'Multiple content types test:' },
            image,
            resource('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}')
        ]
    },
    test_streaming_elicitation: text('A stream with a result, and with no request in it.')
};

const string = description => ({ type: 'string', description });
const USER = {
    type: 'object',
    properties: { username: string("User's response"), email: string("User's email address") },
    required: ['username', 'email']
};

const DEFAULTS = {
    type: 'object',
    properties: {
        name: { ...string('A name'), default: 'John Doe' },
        age: { type: 'integer', description: 'An age', default: 30 },
        score: { type: 'number', description: 'A score', default: 95.5 },
        status: { ...string('A status'), enum: ['active', 'inactive', 'pending'], default: 'active' },
        verified: { type: 'boolean', description: 'Verified or not', default: true }
    }
};

const options = ['option1', 'option2', 'option3'];
const titled = titles => titles.map((title, index) => ({ const: `value${index + 1}`, title }));
const ENUMS = {
    type: 'object',
    properties: {
        untitledSingle: { ...string('One of three'), enum: options },
        titledSingle: { ...string('One of three, with titles'), oneOf: titled(['First Option', 'Second Option', 'Third Option']) },
        legacyEnum: {
            ...string('One of three, the old way'),
            enum: ['opt1', 'opt2', 'opt3'],
            enumNames: ['Option One', 'Option Two', 'Option Three']
        },
        untitledMulti: { type: 'array', description: 'Some of three', items: { type: 'string', enum: options } },
        titledMulti: {
            type: 'array',
            description: 'Some of three, with titles',
            items: { anyOf: titled(['First Choice', 'Second Choice', 'Third Choice']) }
        }
    }
};

// The keywords of JSON Schema 2020-12 that a list must carry unchanged.
const RICH = {
    $schema: 'https://json-schema.org/draft/2020-12/schema',
    type: 'object',
    $defs: {
        address: {
            $anchor: 'addressDef',
            type: 'object',
            properties: { street: { type: 'string' }, city: { type: 'string' } }
        }
    },
    properties: {
        name: { type: 'string' },
        address: { $ref: '#/$defs/address' },
        contactMethod: { type: 'string', enum: ['phone', 'email'] },
        phone: { type: 'string' },
        email: { type: 'string' }
    },
    allOf: [{ anyOf: [{ required: ['phone'] }, { required: ['email'] }] }],
    if: { properties: { contactMethod: { const: 'phone' } }, required: ['contactMethod'] },
    then: { required: ['phone'] },
    else: { required: ['email'] },
    additionalProperties: false
};

const MIRRORED = {
    type: 'object',
    properties: {
        region: { ...string('Mirrored into Mcp-Param-Region'), 'x-mcp-header': 'Region' },
        level: { type: 'integer', description: 'Not mirrored' }
    }
};

// What a tool asks the client while it runs, in the eras with sessions.
async function elicited(context, message, requestedSchema) {
    const { action, content } = await context.mcpReq.send({ method: 'elicitation/create', params: { message, requestedSchema } });
    return `action=${action}, content=${JSON.stringify(content ?? {})}`;
}

async function sampled(context, prompt) {
    const messages = [{ role: 'user', content: { type: 'text', text: prompt } }];
    const { content } = await context.mcpReq.send({ method: 'sampling/createMessage', params: { messages, maxTokens: 100 } });
    return content.text;
}

const SAID = ['Tool execution started', 'Tool processing data', 'Tool execution completed'];

async function logged(context) {
    for (const data of SAID) {
        await context.mcpReq.notify({ method: 'notifications/message', params: { level: 'info', data } });
        await pause();
    }
    return text('Tool with logging done');
}

async function progressed(context) {
    const progressToken = context.mcpReq._meta?.progressToken;
    for (const progress of [0, 50, 100]) {
        // Without a token there is nobody to tell.
        if (progressToken !== undefined) {
            await context.mcpReq.notify({ method: 'notifications/progress', params: { progressToken, progress, total: 100 } });
        }
        await pause();
    }
    return text(String(progressToken ?? 'no progress token'));
}

function asksWithoutLooking(context) {
    if (context.mcpReq.inputResponses?.answer !== undefined) return text('Answered');
    const messages = [{ role: 'user', content: { type: 'text', text: 'Say pong' } }];
    return inputRequired({ inputRequests: { answer: inputRequired.createMessage({ messages, maxTokens: 16 }) } });
}

export function registerTools(server, { notify, hangUp }) {
    const tool = (name, description, inputSchema, run) => server.registerTool(name, { description, inputSchema }, run);
    const plain = (name, description, run) => tool(name, description, z.object({}), (_, context) => run(context));
    for (const [name, result] of Object.entries(FIXED)) plain(name, `Always answers the same: ${name}`, () => result);
    plain('test_error_handling', 'Always fails', () => {
        throw new Error('This tool intentionally returns an error for testing');
    });
    plain('test_tool_with_logging', 'Logs while it runs', logged);
    plain('test_tool_with_progress', 'Tells its progress', progressed);
    plain('test_logging_tool', 'Logs, where the request asked for it', async context => {
        await context.mcpReq.log('info', 'test_logging_tool ran');
        return text('Logged');
    });
    plain('test_reconnection', 'Ends its stream, and answers whoever comes back', async context => {
        hangUp(context);
        await pause();
        return text('Still here');
    });
    plain('test_missing_capability', 'Asks for sampling, whatever the client can do', asksWithoutLooking);
    plain('test_elicitation_sep1034_defaults', 'Asks with default values', async context =>
        text(`Elicitation completed: ${await elicited(context, 'Review the defaults', DEFAULTS)}`)
    );
    plain('test_elicitation_sep1330_enums', 'Asks with all forms of enumerations', async context =>
        text(`Elicitation completed: ${await elicited(context, 'Choose', ENUMS)}`)
    );
    tool('test_elicitation', 'Asks the user', z.object({ message: z.string() }), async ({ message }, context) =>
        text(`User response: ${await elicited(context, message, USER)}`)
    );
    tool('test_sampling', 'Asks the model', z.object({ prompt: z.string() }), async ({ prompt }, context) =>
        text(`LLM response: ${await sampled(context, prompt)}`)
    );
    tool('json_schema_2020_12_tool', 'Has a schema with many keywords', fromJsonSchema(RICH), values =>
        text(JSON.stringify(values))
    );
    tool('test_x_mcp_header', 'Has an argument that is mirrored in a header', fromJsonSchema(MIRRORED), ({ region }) =>
        text(`region=${region ?? 'none'}`)
    );
    plain('test_trigger_tool_change', 'Tells the listeners that the tools changed', () => {
        notify.toolsChanged();
        return text('Told');
    });
    plain('test_trigger_prompt_change', 'Tells the listeners that the prompts changed', () => {
        notify.promptsChanged();
        return text('Told');
    });
}
