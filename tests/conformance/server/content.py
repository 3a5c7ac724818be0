"""Resources, prompts and completion of the test server.

Fixed content under the names that the conformance suite asks for. It must hold no state:
every answer follows from the request alone, so that two runs can be compared.
"""

import base64
import json
import struct
import zlib

from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    BlobResourceContents,
    CompleteResult,
    Completion,
    EmbeddedResource,
    EmptyResult,
    GetPromptResult,
    ImageContent,
    ListPromptsResult,
    ListResourcesResult,
    ListResourceTemplatesResult,
    Prompt,
    PromptArgument,
    PromptMessage,
    ReadResourceResult,
    Resource,
    ResourceTemplate,
    TextContent,
    TextResourceContents,
)

import rounds


def _chunk(kind, data):
    body = kind + data
    return struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))


def _png():
    """One opaque pixel."""
    header = struct.pack(">IIBBBBB", 1, 1, 8, 2, 0, 0, 0)
    pixels = zlib.compress(b"\x00\x33\x66\x99")
    chunks = _chunk(b"IHDR", header) + _chunk(b"IDAT", pixels) + _chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


def _wav():
    """Eight silent samples: mono, 8 kHz, 8 bit."""
    samples = b"\x80" * 8
    shape = struct.pack("<IHHIIHH", 16, 1, 1, 8000, 8000, 1, 8)
    body = b"WAVEfmt " + shape + b"data" + struct.pack("<I", len(samples)) + samples
    return b"RIFF" + struct.pack("<I", len(body)) + body


PNG = base64.b64encode(_png()).decode()
WAV = base64.b64encode(_wav()).decode()

RESOURCES = [
    Resource(uri="test://static-text", name="static-text", description="Plain text", mime_type="text/plain"),
    Resource(uri="test://static-binary", name="static-binary", description="A picture", mime_type="image/png"),
    Resource(uri="test://watched-resource", name="watched-resource", description="Can be subscribed to",
             mime_type="text/plain"),
]

TEMPLATES = [
    ResourceTemplate(uri_template="test://template/{id}/data", name="template", description="Data of one id",
                     mime_type="application/json"),
]


def text_of(text):
    return TextContent(type="text", text=text)


def image():
    return ImageContent(type="image", data=PNG, mime_type="image/png")


def embedded(uri, text, mime_type="text/plain"):
    contents = TextResourceContents(uri=uri, mime_type=mime_type, text=text)
    return EmbeddedResource(type="resource", resource=contents)


async def list_resources(_ctx, _params):
    return ListResourcesResult(resources=RESOURCES)


async def list_templates(_ctx, _params):
    return ListResourceTemplatesResult(resource_templates=TEMPLATES)


async def read_resource(_ctx, params):
    uri = str(params.uri)
    before, _, rest = uri.partition("test://template/")
    if uri == "test://static-binary":
        found = BlobResourceContents(uri=uri, mime_type="image/png", blob=PNG)
    elif uri in {str(one.uri) for one in RESOURCES}:
        found = TextResourceContents(uri=uri, mime_type="text/plain", text=f"The text of {uri}.")
    elif not before and rest.endswith("/data") and rest.count("/") == 1:
        own = rest.removesuffix("/data")
        data = {"id": own, "templateTest": True, "data": f"Data for ID: {own}"}
        found = TextResourceContents(uri=uri, mime_type="application/json", text=json.dumps(data))
    else:
        raise MCPError(INVALID_PARAMS, "Resource not found", {"uri": uri})
    return ReadResourceResult(contents=[found])


async def subscribe(_ctx, _params):
    return EmptyResult()


def _argument(name, description):
    return PromptArgument(name=name, description=description, required=True)


PROMPTS = [
    Prompt(name="test_simple_prompt", description="A prompt without arguments"),
    Prompt(name="test_prompt_with_arguments", description="A prompt that repeats its arguments",
           arguments=[_argument("arg1", "The first"), _argument("arg2", "The second")]),
    Prompt(name="test_prompt_with_embedded_resource", description="A prompt that embeds a resource",
           arguments=[_argument("resourceUri", "URI of the resource")]),
    Prompt(name="test_prompt_with_image", description="A prompt with a picture"),
    Prompt(name="test_input_required_result_prompt", description="A prompt that asks for its context first"),
]


async def list_prompts(_ctx, _params):
    return ListPromptsResult(prompts=PROMPTS)


async def get_prompt(_ctx, params):
    given = params.arguments or {}
    match params.name:
        case "test_simple_prompt":
            parts = [text_of("This is a simple prompt for testing.")]
        case "test_prompt_with_arguments":
            one, two = given.get("arg1", ""), given.get("arg2", "")
            parts = [text_of(f"Prompt with arguments: arg1='{one}', arg2='{two}'")]
        case "test_prompt_with_embedded_resource":
            resource = embedded(given.get("resourceUri", ""), "Embedded resource content for testing.")
            parts = [resource, text_of("Please process the embedded resource above.")]
        case "test_prompt_with_image":
            parts = [image(), text_of("Please analyze the image above.")]
        case "test_input_required_result_prompt":
            asked = rounds.prompt_context(params)
            if not isinstance(asked, str):
                return asked
            parts = [text_of(f"Use this context: {asked}")]
        case _:
            raise MCPError(INVALID_PARAMS, f"Unknown prompt: {params.name}")
    return GetPromptResult(messages=[PromptMessage(role="user", content=part) for part in parts])


async def complete(_ctx, params):
    """What begins with what was typed; the place does not matter."""
    words = ["paris", "park", "party", "test", "tester"]
    values = [word for word in words if word.startswith(params.argument.value)]
    return CompleteResult(completion=Completion(values=values, total=len(values), has_more=False))
