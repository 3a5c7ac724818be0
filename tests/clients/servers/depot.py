"""A real MCP server for the tests: the depot of a fictional parcel company, built with the
official Python SDK. It offers what the demo's notebook does not: it asks its callers
questions, tells them of changes, and lets broken streams be resumed.

    python depot.py

It listens on a free port of the loopback and prints it as the only line on standard
output; it ends when its standard input does. Both eras are served on /mcp. Callers are told
apart by X-Tollgate-Key-Id, as a server behind the gateway would tell them apart, and nothing
of one is shown to another.

It must never listen anywhere else, and never know that it is tested.
"""

import contextvars
import itertools
import json
import logging
import os
import socket
import sys
import threading
from collections import Counter, defaultdict

import anyio
import mcp_types as types
import uvicorn
from mcp.server.lowlevel.server import Server
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler, ResourceUpdated
from mcp_types.version import MODERN_PROTOCOL_VERSIONS

MAX_WAIT_S = 30
# Clients of the legacy era come back this soon after their stream was closed.
RETRY_MS = 50
# Opaque to the client, which must bring it back byte for byte.
STATE = 'return "parcel" → \\ask {0}'

caller = contextvars.ContextVar("caller", default="")


class Events(EventStore):
    """Every event that was sent, so that a stream can be resumed by whoever it was sent to."""

    def __init__(self):
        self.numbers = itertools.count(1)
        self.sent = []

    async def store_event(self, stream_id, message):
        number = str(next(self.numbers))
        self.sent.append((number, (caller.get(), stream_id), message))
        return number

    async def replay_events_after(self, last_event_id, send_callback):
        stream = next((one for number, one, _ in self.sent if number == last_event_id), None)
        if stream is None or stream[0] != caller.get():
            return None
        books[caller.get()]["replays"] += 1
        for number, one, message in list(self.sent):
            if one == stream and int(number) > int(last_event_id) and message is not None:
                await send_callback(EventMessage(message, number))
        return stream[1]


books = defaultdict(Counter)
followers = {}
bus = InMemorySubscriptionBus()


def tool(name, description, **properties):
    schema = {"type": "object", "properties": properties, "required": list(properties)}
    return types.Tool(name=name, description=description, input_schema=schema)


TOOLS = [
    tool("parcel_return", "Returns a parcel, if the caller confirms", parcel={"type": "string"}),
    tool("parcel_move", "Moves a parcel and tells who follows it", uri={"type": "string"}),
    tool("stream_drop", "Closes the caller's GET stream, then moves", uri={"type": "string"}),
    tool("manifest_build", "Closes its own stream half-way; the rest is there to resume"),
    tool("slow_wait", "Waits, and notices when it is cancelled", seconds={"type": "integer"}),
    tool("depot_status", "What became of the caller's waits and streams"),
]


def said(text, **structured):
    return types.CallToolResult(
        content=[types.TextContent(text=text)], structured_content=structured or None
    )


async def parcel_return(ctx, params):
    message = f"Return {params.arguments['parcel']} to its sender?"
    schema = {
        "type": "object",
        "properties": {"confirm": {"type": "boolean"}, "name": {"type": "string"}},
        "required": ["confirm", "name"],
    }
    if ctx.protocol_version not in MODERN_PROTOCOL_VERSIONS:
        answer = await ctx.session.elicit_form(message, schema, ctx.request_id)
    elif params.input_responses is None:
        ask = types.ElicitRequestFormParams(message=message, requested_schema=schema)
        return types.InputRequiredResult(
            input_requests={"confirm": types.ElicitRequest(params=ask)}, request_state=STATE
        )
    else:
        answer = params.input_responses["confirm"]
        if params.request_state != STATE:
            return said(f"the state came back changed: {params.request_state!r}")
    if answer.action != "accept" or answer.content["confirm"] is not True:
        return said(f"Not returned: {answer.action}.")
    return said(f"Returned, as {answer.content['name']} confirmed.")


async def parcel_move(_ctx, params):
    uri = params.arguments["uri"]
    follower = followers.get((caller.get(), uri))
    if follower is not None:
        await follower.send_resource_updated(uri)
    await bus.publish(ResourceUpdated(uri=uri))
    return said("Moved.")


async def stream_drop(ctx, params):
    await ctx.close_standalone_sse_stream()
    return await parcel_move(ctx, params)


async def manifest_build(ctx, _params):
    await ctx.session.report_progress(1, 3, "page 1")
    if ctx.close_sse_stream is not None:
        # The page must be on the wire before its stream ends.
        await anyio.sleep(0.1)
        await ctx.close_sse_stream()
    await ctx.session.report_progress(2, 3, "page 2")
    await ctx.session.report_progress(3, 3, "page 3")
    return said("Manifest of 3 pages.")


async def slow_wait(_ctx, params):
    own = books[caller.get()]
    own["waits_started"] += 1
    try:
        await anyio.sleep(min(params.arguments["seconds"], MAX_WAIT_S))
    except anyio.get_cancelled_exc_class():
        own["waits_cancelled"] += 1
        raise
    own["waits_finished"] += 1
    return said("Waited.")


async def depot_status(_ctx, _params):
    names = ("waits_started", "waits_finished", "waits_cancelled", "replays", "listening")
    status = {name: books[caller.get()][name] for name in names}
    return said(json.dumps(status), **status)


CALLS = {call.__name__: call for call in (
    parcel_return, parcel_move, stream_drop, manifest_build, slow_wait, depot_status
)}


async def list_tools(_ctx, _params):
    return types.ListToolsResult(tools=TOOLS)


async def call_tool(ctx, params):
    return await CALLS[params.name](ctx, params)


async def list_resources(_ctx, _params):
    return types.ListResourcesResult(resources=[
        types.Resource(uri="depot://parcels/7", name="parcel-7")
    ])


async def subscribe(ctx, params):
    followers[caller.get(), str(params.uri)] = ctx.session
    return types.EmptyResult()


async def unsubscribe(_ctx, params):
    followers.pop((caller.get(), str(params.uri)), None)
    return types.EmptyResult()


serve_listener = ListenHandler(bus)


async def listen(ctx, params):
    books[caller.get()]["listening"] += 1
    try:
        return await serve_listener(ctx, params)
    finally:
        books[caller.get()]["listening"] -= 1


def identified(app):
    """Remembers who calls, for everything that the request sets going."""

    async def serve(scope, receive, send):
        headers = dict(scope.get("headers", []))
        caller.set(headers.get(b"x-tollgate-key-id", b"").decode())
        await app(scope, receive, send)

    return serve


def end_with_parent():
    """Ends with whoever started this and holds its standard input, however that ends."""
    sys.stdin.buffer.read()
    os._exit(0)


def main():
    logging.disable(logging.WARNING)
    threading.Thread(target=end_with_parent, daemon=True).start()
    server = Server(
        "heron-depot",
        version="1",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=list_resources,
        on_subscribe_resource=subscribe,
        on_unsubscribe_resource=unsubscribe,
        on_subscriptions_listen=listen,
    )
    app = server.streamable_http_app(event_store=Events(), retry_interval=RETRY_MS)
    listener = socket.create_server(("127.0.0.1", 0))
    print(listener.getsockname()[1], flush=True)
    config = uvicorn.Config(identified(app), log_config=None, access_log=False, lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
