/**
 * What the clients here have in common. Each of them reads one JSON object from standard input:
 *     {"url", "headers": {..}, "revision": "2025-11-25" | "2026-07-28", "calls": [{"tool", "arguments"}]}
 * and prints one JSON object with what it saw: the negotiated revision, the server, its tools and one result per
 * call, or {"failure": "..."} with exit code 1 when there is no conversation to report. What the client does not
 * tell is null. Standard error is for diagnostics.
 *
 * Imported before any SDK: they report through console.debug, which Node prints on standard output.
 */

import { text } from 'node:stream/consumers';

console.log = console.info = console.debug = console.error;

export async function hold(converse) {
    try {
        const report = await converse(JSON.parse(await text(process.stdin)));
        process.stdout.write(`${JSON.stringify(report)}\n`);
    } catch (error) {
        process.stdout.write(`${JSON.stringify({ failure: describe(error) })}\n`);
        process.exitCode = 1;
    }
}

/** Lists and calls with a connected client; the SDKs of both generations have these methods. */
export async function talk(client, request) {
    const { tools } = await client.listTools();
    const results = [];
    for (const wanted of request.calls) results.push(await call(client, wanted));
    const server = client.getServerVersion();
    return { server: server ? { name: server.name, version: server.version } : null, tools: described(tools), results };
}

async function call(client, { tool, arguments: args }) {
    try {
        return seen(await client.callTool({ name: tool, arguments: args }));
    } catch (error) {
        // A string is the SDK's own code, such as for an HTTP status whose body it does not read.
        const message = error.code === undefined ? describe(error) : error.message;
        return { error: { code: error.code ?? null, message, data: error.data ?? null } };
    }
}

export function described(tools) {
    return tools.map(({ name, annotations, inputSchema }) => ({ name, annotations: annotations ?? null, inputSchema }));
}

export function seen(result) {
    return {
        isError: result.isError ?? false,
        structuredContent: result.structuredContent ?? null,
        text: result.content.filter(block => block.type === 'text').map(block => block.text)
    };
}

function describe(error) {
    if (!(error instanceof Error)) return String(error);
    const code = error.code === undefined ? '' : ` ${error.code}`;
    const { cause, ...data } = error.data ?? {};
    const details = Object.keys(data).length === 0 ? '' : ` ${JSON.stringify(data)}`;
    const because = error.cause === undefined ? '' : ` (${describe(error.cause)})`;
    return `${error.name}${code}: ${error.message}${details}${because}`;
}
