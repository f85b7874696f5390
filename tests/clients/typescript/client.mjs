/**
 * Drives one conversation with an MCP server through the official TypeScript SDK and prints what the SDK saw.
 *
 * Reads one JSON object from standard input:
 *     {"url", "headers": {..}, "revision": "2025-11-25" | "2026-07-28", "calls": [{"tool", "arguments"}]}
 * Prints one JSON object: the negotiated revision, the server, its tools and one result per call, or
 * {"failure": "..."} with exit code 1 when there is no conversation to report. Standard error is for diagnostics.
 */

import { readFile } from 'node:fs/promises';
import { text } from 'node:stream/consumers';

// The SDK reports through console.debug, which Node prints on standard output: that belongs to the report.
console.log = console.info = console.debug = console.error;

const { Client, StreamableHTTPClientTransport } = await import('@modelcontextprotocol/client');

// 'legacy' is the SDK's own default. 'auto' asks server/discover first, then initialize; whether it had to
// fall back shows in "negotiated".
const MODES = { '2025-11-25': 'legacy', '2026-07-28': 'auto' };

async function converse(request) {
    const mode = MODES[request.revision];
    if (mode === undefined) throw new Error(`unknown revision ${request.revision}`);
    const client = new Client({ name: 'locum-tests', version: '0' }, { versionNegotiation: { mode } });
    const headers = request.headers ?? {};
    await client.connect(new StreamableHTTPClientTransport(new URL(request.url), { requestInit: { headers } }));
    try {
        const { tools } = await client.listTools();
        const results = [];
        for (const wanted of request.calls ?? []) results.push(await call(client, wanted));
        const server = client.getServerVersion();
        return {
            sdk: 'typescript',
            version: await sdkVersion(),
            negotiated: client.getNegotiatedProtocolVersion(),
            server: server ? { name: server.name, version: server.version } : null,
            tools: tools.map(({ name, annotations, inputSchema }) => ({ name, annotations: annotations ?? null, inputSchema })),
            results
        };
    } finally {
        await client.close();
    }
}

async function call(client, { tool, arguments: args }) {
    let result;
    try {
        result = await client.callTool({ name: tool, arguments: args });
    } catch (error) {
        // A string is the SDK's own code, such as for an HTTP status whose body it does not read.
        const message = error.code === undefined ? describe(error) : error.message;
        return { error: { code: error.code ?? null, message, data: error.data ?? null } };
    }
    return {
        isError: result.isError ?? false,
        structuredContent: result.structuredContent ?? null,
        text: result.content.filter(block => block.type === 'text').map(block => block.text)
    };
}

/** The package does not export its package.json, so it is read beside this file. */
async function sdkVersion() {
    const file = new URL('node_modules/@modelcontextprotocol/client/package.json', import.meta.url);
    return JSON.parse(await readFile(file, 'utf8')).version;
}

function describe(error) {
    if (!(error instanceof Error)) return String(error);
    const code = error.code === undefined ? '' : ` ${error.code}`;
    const { cause, ...data } = error.data ?? {};
    const details = Object.keys(data).length === 0 ? '' : ` ${JSON.stringify(data)}`;
    const because = error.cause === undefined ? '' : ` (${describe(error.cause)})`;
    return `${error.name}${code}: ${error.message}${details}${because}`;
}

try {
    const report = await converse(JSON.parse(await text(process.stdin)));
    process.stdout.write(`${JSON.stringify(report)}\n`);
} catch (error) {
    process.stdout.write(`${JSON.stringify({ failure: describe(error) })}\n`);
    process.exitCode = 1;
}
