"""A real MCP server for the conformance suite, on the official Python SDK, of both eras.

    main.py            prints "listening PORT" and serves http://127.0.0.1:PORT/mcp

It ends when its standard input is closed, so that it never outlives who started it. It must
listen on loopback alone, and must not know that there is a gateway.
"""

import os
import socket
import sys
import threading
import warnings

import anyio
import uvicorn
from mcp.server.lowlevel import Server
from mcp.server.request_state import RequestStateBoundary, RequestStateSecurity
from mcp.server.streamable_http import EventMessage, EventStore
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.shared.exceptions import MCPDeprecationWarning
from mcp_types import CallToolResult, EmptyResult, ListToolsResult

import content
import tools

# The suite tests what the newest revision deprecates as well.
warnings.simplefilter("ignore", MCPDeprecationWarning)

NAME = "conformance-server"
# Short, since the suite waits for it.
RETRY_MS = 50


class Events(EventStore):
    """What was sent on each stream, for clients that come back.

    Streams are named by request id, which sessions share; a replay therefore gives what was
    stored after the event on a stream of that name, enough for one client at a time.
    """

    def __init__(self):
        self.stored = []
        self.resumed = anyio.Event()

    async def store_event(self, stream_id, message):
        self.stored.append((stream_id, message))
        return str(len(self.stored))

    async def replay_events_after(self, last_event_id, send_callback):
        place = int(last_event_id) if last_event_id.isdecimal() else 0
        if not 0 < place <= len(self.stored):
            return None
        stream_id = self.stored[place - 1][0]
        for number, (of, message) in enumerate(self.stored[place:], place + 1):
            if of == stream_id and message is not None:
                await send_callback(EventMessage(message, str(number)))
        self.resumed.set()
        self.resumed = anyio.Event()
        return stream_id


def server(events):
    bus = InMemorySubscriptionBus()
    table = tools.table(bus, lambda: events.resumed)
    listed = tools.listing(table)

    async def list_tools(_ctx, _params):
        return ListToolsResult(tools=listed)

    async def call_tool(ctx, params):
        if params.name not in table:
            return CallToolResult(content=[content.text_of(f"Unknown tool: {params.name}")], is_error=True)
        return await table[params.name][1](ctx, params)

    async def set_level(_ctx, _params):
        return EmptyResult()

    made = Server(
        NAME,
        version="1.0.0",
        on_list_tools=list_tools,
        on_call_tool=call_tool,
        on_list_resources=content.list_resources,
        on_list_resource_templates=content.list_templates,
        on_read_resource=content.read_resource,
        on_subscribe_resource=content.subscribe,
        on_unsubscribe_resource=content.subscribe,
        on_subscriptions_listen=ListenHandler(bus),
        on_list_prompts=content.list_prompts,
        on_get_prompt=content.get_prompt,
        on_completion=content.complete,
        on_set_logging_level=set_level,
    )
    made.middleware.append(RequestStateBoundary(RequestStateSecurity.ephemeral(), default_audience=NAME))
    return made


def end_with_input():
    while sys.stdin.buffer.read(4096):
        pass
    # Open streams would hold up anything gentler.
    os._exit(0)


def main():
    listener = socket.create_server(("127.0.0.1", 0))
    events = Events()
    app = server(events).streamable_http_app(event_store=events, retry_interval=RETRY_MS)
    threading.Thread(target=end_with_input, daemon=True).start()
    print(f"listening {listener.getsockname()[1]}", flush=True)
    config = uvicorn.Config(app, log_level="warning", lifespan="on")
    uvicorn.Server(config).run(sockets=[listener])


if __name__ == "__main__":
    main()
