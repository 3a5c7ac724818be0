"""Drives the official, unmodified Python MCP client, `mcp` 2.3.0, through scenarios and prints
one line of JSON that says what a person using it would have seen. See scenarios.py.

It speaks the modern era where the server does; with --legacy the older one.
"""

import os
import ssl
import sys
from contextlib import asynccontextmanager

import anyio
import httpx2
import mcp_types as types
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from opentelemetry import context, propagate
from scenarios import ANSWER, LIMIT_S, main, text_of


class Session:
    def __init__(self):
        self.asked = []
        self.updates, self.updated = anyio.create_memory_object_stream(100)

    async def on_ask(self, _context, params):
        self.asked.append(params.message)
        return types.ElicitResult(action="accept", content=ANSWER)

    async def on_message(self, message):
        if isinstance(message, types.ResourceUpdatedNotification):
            self.updates.send_nowait(message.params.uri)

    def begin(self, client):
        self.client = client
        self.protocol = client.protocol_version

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments, progress=None):
        """A tool's text; its own failure is marked, since it is not an exception."""
        result = await self.client.call_tool(tool, arguments, progress_callback=progress)
        mark = "isError: " if result.is_error else ""
        return mark + text_of(result.content), result.structured_content

    async def give_up(self, tool, arguments, after):
        # Leaving the scope is how this client is told to give a call up.
        with anyio.move_on_after(after) as scope:
            await self.call(tool, arguments)
        if not scope.cancelled_caught:
            raise RuntimeError("the call came back before it was given up")

    async def prompts(self):
        return [one.name for one in (await self.client.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        found = await self.client.get_prompt(name, arguments)
        return text_of(message.content for message in found.messages)

    async def complete(self, prompt, argument, value):
        reference = types.PromptReference(name=prompt)
        found = await self.client.complete(reference, {"name": argument, "value": value})
        return found.completion.values

    async def resources(self):
        return [str(one.uri) for one in (await self.client.list_resources()).resources]

    async def templates(self):
        listed = await self.client.list_resource_templates()
        return [one.uri_template for one in listed.resource_templates]

    async def read(self, uri):
        return "\n".join(part.text for part in (await self.client.read_resource(uri)).contents)

    @asynccontextmanager
    async def follow(self, uri):
        """Gives what waits for the next update."""
        if "--legacy" in sys.argv:
            await self.client.subscribe_resource(uri)
            yield self.updated.receive
            await self.client.unsubscribe_resource(uri)
        else:
            async with self.client.listen(resource_subscriptions=[uri]) as subscription:
                if subscription.honored.resource_subscriptions != [uri]:
                    raise RuntimeError(f"acknowledged: {subscription.honored}")
                yield subscription.__anext__


@asynccontextmanager
async def open_session(url, ca, key, legacy):
    session = Session()
    # The HTTP client the SDK documents for headers of one's own and a private CA.
    http = httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx2.Timeout(LIMIT_S, read=300),
        verify=True if ca == "-" else ssl.create_default_context(cafile=ca),
        # A proxy of the environment must not come between client and gateway.
        trust_env=False,
    )
    async with http, Client(
        streamable_http_client(url, http_client=http),
        mode="legacy" if legacy else "auto",
        elicitation_callback=session.on_ask,
        message_handler=session.on_message,
    ) as client:
        session.begin(client)
        yield session


def continue_trace():
    """Whoever runs this may say in which trace; the SDK passes it on in _meta (SEP-414)."""
    told = os.environ.get("TRACEPARENT")
    if told:
        context.attach(propagate.extract({"traceparent": told}))


if __name__ == "__main__":
    continue_trace()
    sys.exit(main("python", open_session))
