"""The official Python SDK (mcp)."""

import sys
from typing import Any

import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client

from conversation import MODES, TIMEOUT_SECONDS, described, hold, seen


async def converse(request: dict[str, Any]) -> dict[str, Any]:
    async with httpx2.AsyncClient(headers=request["headers"], timeout=TIMEOUT_SECONDS) as http:
        transport = streamable_http_client(request["url"], http_client=http)
        mode = MODES[request["revision"]]
        async with Client(transport, mode=mode, read_timeout_seconds=TIMEOUT_SECONDS) as client:
            return {
                "negotiated": client.protocol_version,
                **described(client.server_info, await list_tools(client)),
                "results": [await seen(client.call_tool(call["tool"], call["arguments"])) for call in request["calls"]],
            }


async def list_tools(client: Client) -> list[Any]:
    tools: list[Any] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += page.tools
        cursor = page.next_cursor
        if cursor is None:
            return tools


if __name__ == "__main__":
    sys.exit(hold(converse))
