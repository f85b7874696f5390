"""What the clients here have in common.

Each of them reads one JSON object from standard input:
    {"url", "headers": {..}, "revision": "2025-11-25" | "2026-07-28", "calls": [{"tool", "arguments"}]}
and prints one JSON object with what it saw: the negotiated revision, the server, its tools and one result per call, or
{"failure": "..."} with exit code 1 when there is no conversation to report. Standard error is for diagnostics.
"""

import asyncio
import json
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import mcp_types as types
from mcp import MCPError

TIMEOUT_SECONDS = 60.0

# "auto" is the clients' own default: server/discover first, then initialize. Whether it had to fall back
# shows in "negotiated". They refuse to pin a revision that begins with a handshake.
MODES = {"2025-11-25": "legacy", "2026-07-28": "auto"}


def hold(converse: Callable[[dict[str, Any]], Awaitable[dict[str, Any]]]) -> int:
    try:
        report = asyncio.run(converse(json.load(sys.stdin)))
    except Exception as error:
        print(json.dumps({"failure": describe(error)}))
        return 1
    print(json.dumps(report))
    return 0


def described(server: types.Implementation | None, tools: list[types.Tool]) -> dict[str, Any]:
    return {
        "server": server and {"name": server.name, "version": server.version},
        "tools": [
            {
                "name": tool.name,
                "annotations": tool.annotations
                and tool.annotations.model_dump(by_alias=True, exclude_none=True, mode="json"),
                "inputSchema": tool.input_schema,
            }
            for tool in tools
        ],
    }


async def seen(call: Awaitable[types.CallToolResult]) -> dict[str, Any]:
    try:
        result = await call
    except MCPError as error:
        return {"error": {"code": error.code, "message": error.message, "data": error.data}}
    except Exception as error:  # the client refused the answer, such as one that breaks the output schema
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
