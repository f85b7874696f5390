/** The official TypeScript SDK, version 2 (@modelcontextprotocol/client). */

import { hold, talk } from './conversation.mjs';
import { Client, StreamableHTTPClientTransport } from '@modelcontextprotocol/client';

// 'legacy' is the SDK's own default. 'auto' asks server/discover first, then initialize; whether it had to
// fall back shows in "negotiated".
const MODES = { '2025-11-25': 'legacy', '2026-07-28': 'auto' };

await hold(async request => {
    const options = { versionNegotiation: { mode: MODES[request.revision] } };
    const client = new Client({ name: 'locum-tests', version: '0' }, options);
    const requestInit = { headers: request.headers };
    await client.connect(new StreamableHTTPClientTransport(new URL(request.url), { requestInit }));
    try {
        return { negotiated: client.getNegotiatedProtocolVersion(), ...(await talk(client, request)) };
    } finally {
        await client.close();
    }
});
