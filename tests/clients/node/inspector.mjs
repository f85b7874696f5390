/** The command line of the MCP Inspector: a process of its own for the list and for every call. */

import { execFile } from 'node:child_process';
import { promisify } from 'node:util';

import { described, hold, seen } from './conversation.mjs';

const run = promisify(execFile);

// 'modern' does not fall back: an answer means that 2026-07-28 was spoken.
const ERAS = { '2025-11-25': 'legacy', '2026-07-28': 'modern' };

await hold(async request => {
    const { tools } = await ask(request, '--method', 'tools/list');
    const results = await Promise.all(request.calls.map(wanted => call(request, wanted)));
    return { negotiated: null, server: null, tools: described(tools), results };
});

async function call(request, { tool, arguments: args }) {
    const words = ['--method', 'tools/call', '--tool-name', tool, '--tool-args-json', JSON.stringify(args)];
    try {
        return seen(await ask(request, ...words));
    } catch (error) {
        return { error: { code: error.code, message: error.message, data: null } };
    }
}

async function ask(request, ...words) {
    const target = ['--cli', request.url, '--transport', 'http', '--protocol-era', ERAS[request.revision]];
    const headers = Object.entries(request.headers).flatMap(([name, value]) => ['--header', `${name}: ${value}`]);
    // A result that is an error is printed as a result, and told by the exit code as well.
    const { stdout, stderr } = await run('inspector', [...target, ...headers, '--format', 'json', '--quiet', ...words])
        .catch(failed => failed);
    if (stdout) return JSON.parse(stdout).result;
    const { error } = JSON.parse(stderr);
    throw Object.assign(new Error(error.message), { code: error.code });
}
