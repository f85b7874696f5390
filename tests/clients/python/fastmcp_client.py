"""FastMCP's client (fastmcp)."""

import sys
from typing import Any

from fastmcp import Client
from fastmcp.client.transports import StreamableHttpTransport

from conversation import MODES, TIMEOUT_SECONDS, described, hold, seen


async def converse(request: dict[str, Any]) -> dict[str, Any]:
    transport = StreamableHttpTransport(request["url"], headers=request["headers"])
    async with Client(transport, mode=MODES[request["revision"]], timeout=TIMEOUT_SECONDS) as client:
        return {
            "negotiated": client.protocol_version,
            **described(client.server_info, await client.list_tools()),
            "results": [await seen(client.call_tool_mcp(call["tool"], call["arguments"])) for call in request["calls"]],
        }


if __name__ == "__main__":
    sys.exit(hold(converse))
