"""Tools that ask back in the middle of a call, in rounds of the 2026-07-28 revision.

Each returns either a result or what it still needs. State between rounds travels with the
client and is sealed by the SDK's own middleware; nothing may be remembered here.
"""

from mcp_types import (
    CallToolResult,
    CreateMessageRequest,
    CreateMessageRequestParams,
    ElicitRequest,
    ElicitRequestFormParams,
    InputRequiredResult,
    ListRootsRequest,
    RequestParams,
    SamplingMessage,
    TextContent,
)

NAME = "What is your name?"


def form(message, field, kind="string"):
    """A question for one field."""
    schema = {"type": "object", "properties": {field: {"type": kind}}, "required": [field]}
    return ElicitRequest(params=ElicitRequestFormParams(message=message, requested_schema=schema))


def sampling(prompt, max_tokens=100):
    said = SamplingMessage(role="user", content=TextContent(type="text", text=prompt))
    return CreateMessageRequest(params=CreateMessageRequestParams(messages=[said], max_tokens=max_tokens))


def roots():
    return ListRootsRequest(params=RequestParams())


def needed(state=None, **requests):
    return InputRequiredResult(input_requests=requests, request_state=state)


def done(text):
    return CallToolResult(content=[TextContent(type="text", text=text)])


def answers(params):
    return params.input_responses or {}


def field_of(params, key, field):
    """A field of an accepted form, or None when it has not been given."""
    content = getattr(answers(params).get(key), "content", None)
    return content.get(field) if isinstance(content, dict) else None


async def elicitation(_ctx, params):
    name = field_of(params, "user_name", "name")
    return needed(user_name=form(NAME, "name")) if name is None else done(f"Hello, {name}!")


async def sampled(_ctx, params):
    answer = answers(params).get("capital_question")
    if answer is None:
        return needed(capital_question=sampling("What is the capital of France?"))
    return done(f"The model said: {getattr(answer.content, 'text', '')}")


async def listed_roots(_ctx, params):
    answer = answers(params).get("client_roots")
    if answer is None:
        return needed(client_roots=roots())
    return done("Roots: " + ", ".join(str(root.uri) for root in answer.roots))


async def confirmed(_ctx, params):
    """For the state's own sake: it comes back as it was, or the SDK has refused it."""
    if params.request_state != "confirming" or field_of(params, "confirm", "ok") is None:
        return needed("confirming", confirm=form("Please confirm", "ok", "boolean"))
    return done("state-ok")


async def several(_ctx, params):
    asked = {
        "user_name": form(NAME, "name"),
        "greeting": sampling("Generate a greeting", 50),
        "client_roots": roots(),
    }
    if params.request_state != "several" or not asked.keys() <= answers(params).keys():
        return needed("several", **asked)
    return done(f"All answered, {field_of(params, 'user_name', 'name')}.")


async def two_steps(_ctx, params):
    if params.request_state == "second" and field_of(params, "step2", "color") is not None:
        return done(f"Your favorite color is {field_of(params, 'step2', 'color')}.")
    if params.request_state == "first" and field_of(params, "step1", "name") is not None:
        return needed("second", step2=form("Step 2: What is your favorite color?", "color"))
    return needed("first", step1=form("Step 1: What is your name?", "name"))


async def by_capability(ctx, params):
    """Asks only for what the client says it can do."""
    if answers(params):
        return done("Answered.")
    can = ctx.session.client_capabilities
    asked = {}
    if can and can.sampling is not None:
        asked["sampled"] = sampling("Say something")
    if can and can.elicitation is not None:
        asked["asked"] = form("Say something", "text")
    if can and can.roots is not None:
        asked["roots"] = roots()
    return needed(**asked) if asked else done("Nothing to ask with.")


def prompt_context(params):
    """The context of a prompt, or what is needed to know it."""
    context = field_of(params, "user_context", "context")
    if context is None:
        return needed(user_context=form("What context should the prompt use?", "context"))
    return str(context)


TOOLS = {
    "test_input_required_result_elicitation": elicitation,
    "test_input_required_result_sampling": sampled,
    "test_input_required_result_list_roots": listed_roots,
    "test_input_required_result_request_state": confirmed,
    "test_input_required_result_multiple_inputs": several,
    "test_input_required_result_multi_round": two_steps,
    "test_input_required_result_tampered_state": confirmed,
    "test_input_required_result_capabilities": by_capability,
    "test_streaming_elicitation": elicitation,
}
