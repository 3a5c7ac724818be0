"""Drives the official, unmodified Python MCP client of the first line, `mcp` 1.30.0, through
scenarios and prints one line of JSON that says what a person using it would have seen. See
../python/scenarios.py. It speaks the legacy era and no other.
"""

import ssl
import sys
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import httpx
from mcp import ClientSession, types
from mcp.client.streamable_http import streamable_http_client
from pydantic import AnyUrl

# The scenarios are those of the second line.
sys.path.insert(1, str(Path(__file__).parent.parent / "python"))
from scenarios import ANSWER, LIMIT_S, main, text_of  # noqa: E402


class Session:
    def __init__(self):
        self.asked = []
        self.updates, self.updated = anyio.create_memory_object_stream(100)

    async def on_ask(self, _context, params):
        self.asked.append(params.message)
        return types.ElicitResult(action="accept", content=ANSWER)

    async def on_message(self, message):
        notification = getattr(message, "root", None)
        if isinstance(notification, types.ResourceUpdatedNotification):
            self.updates.send_nowait(str(notification.params.uri))

    async def begin(self, client):
        self.client = client
        self.protocol = (await client.initialize()).protocolVersion

    async def tools(self):
        return [tool.name for tool in (await self.client.list_tools()).tools]

    async def call(self, tool, arguments, progress=None):
        """A tool's text; its own failure is marked, since it is not an exception."""
        result = await self.client.call_tool(tool, arguments, progress_callback=progress)
        mark = "isError: " if result.isError else ""
        return mark + text_of(result.content), result.structuredContent

    async def give_up(self, tool, arguments, after):
        # This client tells the server nothing when a call is given up: the application has to,
        # and the number of its request is to be had nowhere else.
        number = self.client._request_id
        with anyio.move_on_after(after) as scope:
            await self.call(tool, arguments)
        if not scope.cancelled_caught:
            raise RuntimeError("the call came back before it was given up")
        params = types.CancelledNotificationParams(requestId=number, reason="given up")
        notification = types.CancelledNotification(params=params)
        await self.client.send_notification(types.ClientNotification(notification))

    async def prompts(self):
        return [one.name for one in (await self.client.list_prompts()).prompts]

    async def prompt(self, name, arguments):
        found = await self.client.get_prompt(name, arguments)
        return text_of(message.content for message in found.messages)

    async def complete(self, prompt, argument, value):
        reference = types.PromptReference(type="ref/prompt", name=prompt)
        found = await self.client.complete(reference, {"name": argument, "value": value})
        return found.completion.values

    async def resources(self):
        return [str(one.uri) for one in (await self.client.list_resources()).resources]

    async def templates(self):
        listed = await self.client.list_resource_templates()
        return [one.uriTemplate for one in listed.resourceTemplates]

    async def read(self, uri):
        read = await self.client.read_resource(AnyUrl(uri))
        return "\n".join(part.text for part in read.contents)

    @asynccontextmanager
    async def follow(self, uri):
        """Gives what waits for the next update."""
        await self.client.subscribe_resource(AnyUrl(uri))
        yield self.updated.receive
        await self.client.unsubscribe_resource(AnyUrl(uri))


@asynccontextmanager
async def open_session(url, ca, key, _legacy):
    session = Session()
    # The HTTP client the SDK documents for headers of one's own and a private CA.
    http = httpx.AsyncClient(
        headers={"Authorization": f"Bearer {key}"} if key else {},
        timeout=httpx.Timeout(LIMIT_S, read=300),
        verify=True if ca == "-" else ssl.create_default_context(cafile=ca),
        # A proxy of the environment must not come between client and gateway.
        trust_env=False,
    )
    async with (
        http,
        streamable_http_client(url, http_client=http) as (read, write, _),
        ClientSession(
            read,
            write,
            elicitation_callback=session.on_ask,
            message_handler=session.on_message,
        ) as client,
    ):
        await session.begin(client)
        yield session


if __name__ == "__main__":
    sys.exit(main("python1", open_session))
