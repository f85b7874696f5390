"""Drives one conversation with an MCP server through the official Python SDK and prints what the SDK saw.

Reads one JSON object from standard input:
    {"url", "headers": {..}, "revision": "2025-11-25" | "2026-07-28", "calls": [{"tool", "arguments"}]}
Prints one JSON object: the negotiated revision, the server, its tools and one result per call, or
{"failure": "..."} with exit code 1 when there is no conversation to report. Standard error is for diagnostics.
"""

import asyncio
import json
import sys
from importlib.metadata import version
from typing import Any

import httpx2
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

TIMEOUT_SECONDS = 60.0

# "auto" is the SDK's own default: server/discover first, then initialize. Whether it had to fall back
# shows in "negotiated". The SDK refuses to pin a revision that begins with a handshake.
MODES = {"2025-11-25": "legacy", "2026-07-28": "auto"}


async def converse(request: dict[str, Any]) -> dict[str, Any]:
    # trust_env off: the server under test is on loopback, whatever proxy the machine uses.
    async with httpx2.AsyncClient(
        headers=request.get("headers", {}), timeout=TIMEOUT_SECONDS, trust_env=False
    ) as http:
        transport = streamable_http_client(request["url"], http_client=http)
        mode = MODES[request["revision"]]
        async with Client(transport, mode=mode, read_timeout_seconds=TIMEOUT_SECONDS) as client:
            server = client.server_info
            return {
                "sdk": "python",
                "version": version("mcp"),
                "negotiated": client.protocol_version,
                "server": server and {"name": server.name, "version": server.version},
                "tools": await list_tools(client),
                "results": [await call(client, wanted) for wanted in request.get("calls", [])],
            }


async def list_tools(client: Client) -> list[dict[str, Any]]:
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    while True:
        page = await client.list_tools(cursor=cursor)
        tools += [
            {
                "name": tool.name,
                "annotations": tool.annotations
                and tool.annotations.model_dump(by_alias=True, exclude_none=True, mode="json"),
                "inputSchema": tool.input_schema,
            }
            for tool in page.tools
        ]
        cursor = page.next_cursor
        if cursor is None:
            return tools


async def call(client: Client, wanted: dict[str, Any]) -> dict[str, Any]:
    try:
        result = await client.call_tool(wanted["tool"], wanted.get("arguments"))
    except MCPError as error:
        return {"error": {"code": error.code, "message": error.message, "data": error.data}}
    except Exception as error:  # the SDK refused the answer, such as one that breaks the output schema
        return {"error": {"code": None, "message": describe(error), "data": None}}
    return {
        "isError": result.is_error,
        "structuredContent": result.structured_content,
        "text": [block.text for block in result.content if block.type == "text"],
    }


def describe(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(describe(inner) for inner in error.exceptions)
    if isinstance(error, MCPError):
        return f"MCPError {error.code}: {error.message} {json.dumps(error.data)}"
    return f"{type(error).__name__}: {error}"


def main() -> int:
    try:
        report = asyncio.run(converse(json.load(sys.stdin)))
    except Exception as error:
        print(json.dumps({"failure": describe(error)}))
        return 1
    print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
