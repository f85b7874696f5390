/**
 * The official TypeScript SDK, version 1 (@modelcontextprotocol/sdk), which speaks 2025-11-25. Besides the input of
 * conversation.mjs it takes {"command": [..], "env": {..}}: a program that serves MCP on its standard input and
 * output, such as mcp-remote, instead of a URL. "said" in the report is what that wrote to its standard error.
 */

import { hold, talk } from './conversation.mjs';
import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js';

await hold(async request => {
    const client = new Client({ name: 'locum-tests', version: '0' });
    const transport = request.command ? program(request) : http(request);
    const said = [];
    transport.stderr?.on('data', chunk => said.push(chunk));
    try {
        await client.connect(transport);
        const report = await talk(client, request);
        return { negotiated: transport.protocolVersion ?? null, ...report, said: String(Buffer.concat(said)) };
    } catch (error) {
        // A host shows a program's standard error in its log: there a user finds the reason.
        if (said.length > 0) error.message += `; the program said: ${Buffer.concat(said)}`;
        throw error;
    } finally {
        await client.close();
    }
});

function http({ url, headers }) {
    return new StreamableHTTPClientTransport(new URL(url), { requestInit: { headers } });
}

function program({ command: [command, ...args], env }) {
    return new StdioClientTransport({ command, args, env: { ...process.env, ...env }, stderr: 'pipe' });
}
