"""Tools of the test server that end within one call: content of every kind, notifications,
and questions to the client in the middle of a legacy call.

It must answer calls that bring no arguments at all, which the suite makes.
"""

import json

import anyio
from mcp.server.subscriptions import PromptsListChanged, ToolsListChanged
from mcp.shared.exceptions import MCPError
from mcp_types import AudioContent, CallToolResult, SamplingMessage, Tool

import rounds
from content import WAV, embedded, image, text_of

# Long enough that a stream which is held back and one that is not can be told apart.
PAUSE_S = 0.05
# How long a client has to come back.
RETURN_S = 2

ANY = {"type": "object", "properties": {}}

SCHEMA_2020_12 = {
    "$schema": "https://json-schema.org/draft/2020-12/schema",
    "type": "object",
    "$defs": {
        "address": {
            "$anchor": "addressDef",
            "type": "object",
            "properties": {"street": {"type": "string"}, "city": {"type": "string"}},
        }
    },
    "properties": {
        "name": {"type": "string"},
        "address": {"$ref": "#/$defs/address"},
        "contactMethod": {"type": "string", "enum": ["phone", "email"]},
        "phone": {"type": "string"},
        "email": {"type": "string"},
    },
    "allOf": [{"anyOf": [{"required": ["phone"]}, {"required": ["email"]}]}],
    "if": {"properties": {"contactMethod": {"const": "phone"}}, "required": ["contactMethod"]},
    "then": {"required": ["phone"]},
    "else": {"required": ["email"]},
    "additionalProperties": False,
}

HEADER_PARAMETERS = {
    "type": "object",
    "properties": {
        "region": {"type": "string", "x-mcp-header": "Region"},
        "priority": {"type": "integer", "x-mcp-header": "Priority"},
        "text": {"type": "string"},
    },
}


def one_string(name):
    return {"type": "object", "properties": {name: {"type": "string"}}, "required": [name]}


def result(*content, is_error=False):
    return CallToolResult(content=list(content), is_error=is_error)


async def simple_text(_ctx, _params):
    return result(text_of("This is a simple text response for testing."))


async def image_content(_ctx, _params):
    return result(image())


async def audio_content(_ctx, _params):
    return result(AudioContent(type="audio", data=WAV, mime_type="audio/wav"))


async def embedded_resource(_ctx, _params):
    return result(embedded("test://embedded-resource", "This is an embedded resource content."))


async def multiple_content(_ctx, _params):
    data = json.dumps({"test": "data", "value": 123})
    resource = embedded("test://mixed-content-resource", data, "application/json")
    return result(text_of("Multiple content types test:"), image(), resource)


async def with_logging(ctx, _params):
    for number, text in enumerate(("Tool execution started", "Tool processing data", "Tool execution completed")):
        if number:
            await anyio.sleep(PAUSE_S)
        await ctx.session.send_log_message("info", text, related_request_id=ctx.request_id)
    return result(text_of("Logged three times."))


async def with_progress(ctx, _params):
    for progress in (0, 50, 100):
        await ctx.session.report_progress(progress, 100)
        await anyio.sleep(PAUSE_S)
    return result(text_of("Progressed to the end."))


async def error_handling(_ctx, _params):
    return result(text_of("This tool intentionally returns an error for testing"), is_error=True)


def reconnection(resumed):
    async def act(ctx, _params):
        """Closes its own stream; the answer waits for the client that comes back."""
        if ctx.close_sse_stream is not None:
            awaited = resumed()
            await ctx.close_sse_stream()
            # How busy the machine is must not decide which comes first.
            with anyio.move_on_after(RETURN_S):
                await awaited.wait()
        await anyio.sleep(PAUSE_S)
        return result(text_of("Answered after the stream was closed."))

    return act


async def sampling(ctx, params):
    prompt = (params.arguments or {}).get("prompt", "")
    said = SamplingMessage(role="user", content=text_of(prompt))
    answer = await ctx.session.create_message([said], max_tokens=100, related_request_id=ctx.request_id)
    return result(text_of(f"LLM response: {getattr(answer.content, 'text', '')}"))


async def ask(ctx, message, properties, required=()):
    schema = {"type": "object", "properties": properties, "required": list(required)}
    answer = await ctx.session.elicit_form(message, schema, related_request_id=ctx.request_id)
    content = json.dumps(answer.content)
    return result(text_of(f"Elicitation completed: action={answer.action}, content={content}"))


async def elicitation(ctx, params):
    message = (params.arguments or {}).get("message", "")
    fields = {
        "username": {"type": "string", "description": "User's response"},
        "email": {"type": "string", "description": "User's email address"},
    }
    return await ask(ctx, message, fields, fields)


async def elicitation_defaults(ctx, _params):
    fields = {
        "name": {"type": "string", "default": "John Doe"},
        "age": {"type": "integer", "default": 30},
        "score": {"type": "number", "default": 95.5},
        "status": {"type": "string", "enum": ["active", "inactive", "pending"], "default": "active"},
        "verified": {"type": "boolean", "default": True},
    }
    return await ask(ctx, "Please review these values", fields)


def titled(word, kind):
    return [{"const": f"value{n}", "title": f"{which} {word}"} for n, which in enumerate(kind, 1)]


async def elicitation_enums(ctx, _params):
    options, kind = ["option1", "option2", "option3"], ["First", "Second", "Third"]
    fields = {
        "untitledSingle": {"type": "string", "enum": options},
        "titledSingle": {"type": "string", "oneOf": titled("Option", kind)},
        "legacyEnum": {
            "type": "string",
            "enum": ["opt1", "opt2", "opt3"],
            "enumNames": ["Option One", "Option Two", "Option Three"],
        },
        "untitledMulti": {"type": "array", "items": {"type": "string", "enum": options}},
        "titledMulti": {"type": "array", "items": {"anyOf": titled("Choice", kind)}},
    }
    return await ask(ctx, "Please choose", fields)


async def repeat(_ctx, params):
    return result(text_of(json.dumps(params.arguments or {}, sort_keys=True)))


async def missing_capability(ctx, _params):
    can = ctx.session.client_capabilities
    if can is None or can.sampling is None:
        lacking = {"requiredCapabilities": {"sampling": {}}}
        raise MCPError(-32021, "This tool needs the sampling capability", lacking)
    return result(text_of("The client can sample."))


async def logging_tool(ctx, _params):
    """Says something that only a client which asked for it may hear."""
    await ctx.session.send_log_message("info", "A word to the log", related_request_id=ctx.request_id)
    return result(text_of("Logged once."))


def tell(bus, event):
    async def trigger(_ctx, _params):
        await bus.publish(event())
        return result(text_of("Told."))

    return trigger


def table(bus, resumed):
    """Every tool in the order of its listing: its schema and what it does.

    `resumed` gives what is set when a client next comes back to a stream.
    """
    within_a_call = {
        "test_simple_text": (ANY, simple_text),
        "test_image_content": (ANY, image_content),
        "test_audio_content": (ANY, audio_content),
        "test_embedded_resource": (ANY, embedded_resource),
        "test_multiple_content_types": (ANY, multiple_content),
        "test_tool_with_logging": (ANY, with_logging),
        "test_tool_with_progress": (ANY, with_progress),
        "test_error_handling": (ANY, error_handling),
        "test_reconnection": (ANY, reconnection(resumed)),
        "test_sampling": (one_string("prompt"), sampling),
        "test_elicitation": (one_string("message"), elicitation),
        "test_elicitation_sep1034_defaults": (ANY, elicitation_defaults),
        "test_elicitation_sep1330_enums": (ANY, elicitation_enums),
        "json_schema_2020_12_tool": (SCHEMA_2020_12, repeat),
        "test_header_parameters": (HEADER_PARAMETERS, repeat),
        "test_missing_capability": (ANY, missing_capability),
        "test_logging_tool": (ANY, logging_tool),
        "test_trigger_tool_change": (ANY, tell(bus, ToolsListChanged)),
        "test_trigger_prompt_change": (ANY, tell(bus, PromptsListChanged)),
    }
    return within_a_call | {name: (ANY, act) for name, act in rounds.TOOLS.items()}


def listing(tools):
    return [
        Tool(name=name, description=(act.__doc__ or name.replace("_", " ")).strip(), input_schema=schema)
        for name, (schema, act) in tools.items()
    ]
