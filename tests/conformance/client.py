"""The client of the suite's client scenarios, on the official Python SDK.

    MCP_CONFORMANCE_SCENARIO=NAME client.py URL

The suite sets the scenario, and starts the server that is at the URL. With MCP_API_KEY the
client sends that key; it must not know what stands between it and the server, never print the
key, and never outlive its time.
"""

import json
import os
import sys
import threading

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import CreateMessageResult, ElicitResult, ListRootsResult, TextContent
from pydantic import ValidationError

LIMIT_S = 25
MODERN = "2026-07-28"


async def accept(_context, params):
    """Accepts a form with the defaults of its fields."""
    fields = params.requested_schema.get("properties", {})
    content = {name: field.get("default", True) for name, field in fields.items()}
    return ElicitResult(action="accept", content=content)


async def sample(_context, _params):
    said = TextContent(type="text", text="sampled")
    return CreateMessageResult(role="assistant", content=said, model="none")


async def roots(_context):
    return ListRootsResult(roots=[])


async def list_only(client):
    await client.list_tools()


async def add(client):
    await client.list_tools()
    await client.call_tool("add_numbers", {"a": 5, "b": 3})


async def call_all(client):
    """Calls whatever the client itself lists; what it must not call, it has dropped."""
    for tool in (await client.list_tools()).tools:
        required = tool.input_schema.get("required", [])
        await client.call_tool(tool.name, {name: "value" for name in required})


async def one_of_each(client):
    await call_all(client)
    for resource in (await client.list_resources()).resources:
        await client.read_resource(str(resource.uri))
    for prompt in (await client.list_prompts()).prompts:
        await client.get_prompt(prompt.name, {one.name: "value" for one in prompt.arguments or []})


async def as_told(client):
    await client.list_tools()
    for told in json.loads(os.environ["MCP_CONFORMANCE_CONTEXT"])["toolCalls"]:
        await client.call_tool(told["name"], told["arguments"])


async def echo_schema(client):
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    schema = tools["json_schema_2020_12_tool"].input_schema
    await client.call_tool("json_schema_echo", {"schema": schema})


async def rounds(client):
    await client.list_tools()
    for name in ("test_mrtr_echo_state", "test_mrtr_unrelated", "test_mrtr_no_state"):
        await client.call_tool(name, {})
    try:
        await client.call_tool("test_mrtr_no_result_type", {})
    except (MCPError, ValidationError, RuntimeError) as error:
        # This SDK refuses a modern result that does not say its type; it does not ask again,
        # which is what the scenario is about.
        print(f"refused: {error}", file=sys.stderr)


SCENARIOS = {
    "initialize": list_only,
    "tools_call": add,
    "elicitation-sep1034-client-defaults": call_all,
    "sse-retry": call_all,
    "request-metadata": list_only,
    "http-standard-headers": one_of_each,
    "http-custom-headers": as_told,
    "http-invalid-tool-headers": call_all,
    "json-schema-ref-no-deref": list_only,
    "json-schema-2020-12-preservation": echo_schema,
    "sep-2322-client-request-state": rounds,
}


def client_of(transport):
    modern = os.environ.get("MCP_CONFORMANCE_PROTOCOL_VERSION") == MODERN
    return Client(
        transport,
        mode="auto" if modern else "legacy",
        elicitation_callback=accept,
        sampling_callback=sample,
        list_roots_callback=roots,
        cache=None,
    )


async def drive(url, scenario):
    key = os.environ.get("MCP_API_KEY")
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    # A proxy of the environment must not come between client and server.
    async with httpx2.AsyncClient(headers=headers, timeout=LIMIT_S, trust_env=False) as http:
        async with client_of(streamable_http_client(url, http_client=http)) as client:
            await scenario(client)


def time_out():
    print("timed out", file=sys.stderr, flush=True)
    # Nothing gentler ends a client that hangs while it closes.
    os._exit(1)


def main():
    limit = threading.Timer(LIMIT_S, time_out)
    limit.daemon = True
    limit.start()
    anyio.run(drive, sys.argv[1], SCENARIOS[os.environ["MCP_CONFORMANCE_SCENARIO"]])


if __name__ == "__main__":
    main()
