// The tools that need something of the client before they answer, in rounds (2026-07-28: `input_required`).

import { randomBytes, randomUUID } from 'node:crypto';
import {
    acceptedContent,
    CLIENT_CAPABILITIES_META_KEY,
    createRequestStateCodec,
    inputRequired
} from '@modelcontextprotocol/server';
import * as z from 'zod/v4';
import { text } from './tools.mjs';

// The state travels through the client, so it is sealed.
export const states = createRequestStateCodec({ key: randomBytes(32) });
const sealed = values => states.mint({ ...values, nonce: randomUUID() });

/** Asks for one value of a form. */
export const form = (message, name, type = 'string') =>
    inputRequired.elicit({
        message,
        requestedSchema: { type: 'object', properties: { [name]: { type } }, required: [name] }
    });

const sample = (said, maxTokens) =>
    inputRequired.createMessage({ messages: [{ role: 'user', content: { type: 'text', text: said } }], maxTokens });

const askName = () => form('What is your name?', 'name');
const askConfirmation = () => form('Please confirm', 'ok', 'boolean');

const given = (request, key) => acceptedContent(request.inputResponses, key);
const answers = request => request.inputResponses ?? {};

function elicitation(request) {
    const name = given(request, 'user_name')?.name;
    if (typeof name === 'string') return text(`Hello, ${name}!`);
    return inputRequired({ inputRequests: { user_name: askName() } });
}

function sampling(request) {
    const answer = answers(request).capital_question;
    if (answer !== undefined) return text(`The model said: ${answer.content?.text}`);
    return inputRequired({ inputRequests: { capital_question: sample('What is the capital of France?', 100) } });
}

function listRoots(request) {
    const roots = answers(request).client_roots?.roots;
    if (Array.isArray(roots)) return text(`Roots: ${roots.map(root => root.uri).join(' ')}`);
    return inputRequired({ inputRequests: { client_roots: inputRequired.listRoots() } });
}

async function requestState(request) {
    if (given(request, 'confirm') !== undefined && request.requestState() !== undefined) return text('state-ok');
    return inputRequired({ inputRequests: { confirm: askConfirmation() }, requestState: await sealed({}) });
}

async function multipleInputs(request) {
    const name = given(request, 'user_name')?.name;
    const { greeting, client_roots: roots } = answers(request);
    if (typeof name === 'string' && greeting !== undefined && roots !== undefined) {
        return text(`${greeting.content?.text} ${name}, with ${roots.roots?.length} roots`);
    }
    const inputRequests = {
        user_name: askName(),
        greeting: sample('Generate a greeting', 50),
        client_roots: inputRequired.listRoots()
    };
    return inputRequired({ inputRequests, requestState: await sealed({}) });
}

async function multiRound(request) {
    const { round = 0, name } = request.requestState() ?? {};
    if (round === 0) {
        const step1 = form('Step 1: What is your name?', 'name');
        return inputRequired({ inputRequests: { step1 }, requestState: await sealed({ round: 1 }) });
    }
    if (round === 1) {
        const step2 = form('Step 2: What is your favorite color?', 'color');
        const next = { round: 2, name: given(request, 'step1')?.name };
        return inputRequired({ inputRequests: { step2 }, requestState: await sealed(next) });
    }
    return text(`${name} likes ${given(request, 'step2')?.color}`);
}

// It asks for what the client has said that it can give, and for nothing else.
function capabilities(request) {
    if (request.inputResponses !== undefined) return text('Answered');
    const can = request.envelope?.[CLIENT_CAPABILITIES_META_KEY] ?? {};
    const inputRequests = {
        ...(can.elicitation && { user_name: askName() }),
        ...(can.sampling && { greeting: sample('Generate a greeting', 50) }),
        ...(can.roots && { client_roots: inputRequired.listRoots() })
    };
    return Object.keys(inputRequests).length === 0 ? text('Nothing to ask') : inputRequired({ inputRequests });
}

const ROUNDS = {
    elicitation,
    sampling,
    list_roots: listRoots,
    request_state: requestState,
    multiple_inputs: multipleInputs,
    multi_round: multiRound,
    // A state that was changed is refused before this runs.
    tampered_state: requestState,
    capabilities
};

export function registerRounds(server) {
    for (const [name, run] of Object.entries(ROUNDS)) {
        const about = { description: `Answers in rounds: ${name}`, inputSchema: z.object({}) };
        server.registerTool(`test_input_required_result_${name}`, about, (_, context) => run(context.mcpReq));
    }
}
