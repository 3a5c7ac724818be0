"""Drives the official, unmodified Python MCP client through one scenario and
prints one line of JSON that says what a person using it would have seen.

    MCP_API_KEY=... python drive.py URL CA SCENARIO [--legacy]

CA is a PEM file, or "-" for a plain http:// address. SCENARIO is one of full,
forbidden, connect, cancel.

It must never print the key, never print a second line on standard output, and
never outlive its time limit: a client that hangs is a result, not a hung test.
"""

import json
import os
import ssl
import sys
import threading
import time

import anyio
import httpx2
from mcp import Client
from mcp.client.streamable_http import streamable_http_client
from mcp.shared.exceptions import MCPError
from mcp_types import PromptReference

LIMIT_S = 30
# A cancelled call that takes longer than this to return was not cancelled.
PROMPT_S = 2
# How long the server may take to notice, before it is reported not to have.
NOTICE_S = 8
KEY = os.environ.get("MCP_API_KEY", "")


class Report:
    """The one line, filled in on the way and printed once."""

    def __init__(self, scenario):
        self.line = {
            "client": "python",
            "scenario": scenario,
            "ok": False,
            "protocol": None,
            "steps": {},
        }
        self.printed = threading.Lock()

    def step(self, name, text):
        self.line["steps"][name] = str(text)

    def fail(self, error):
        self.line["error"] = describe(error)

    def emit(self):
        # The lock is never given back: whoever comes second prints nothing.
        if not self.printed.acquire(blocking=False):
            return
        text = json.dumps(self.line, ensure_ascii=False)
        # A server that echoes headers must not bring the key to the output.
        if KEY:
            text = text.replace(KEY, "[key]")
        sys.stdout.write(text + "\n")
        sys.stdout.flush()


def leaves(error):
    """The exceptions of a group, however deep; task groups wrap what went wrong."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def describe(error):
    found = list(leaves(error))
    protocol = next((one for one in found if isinstance(one, MCPError)), None)
    first = protocol or found[0]
    return {
        "code": protocol.code if protocol else None,
        "message": str(first),
        "text": "; ".join(f"{type(one).__name__}: {one}" for one in found),
    }


def text_of(content):
    return "\n".join(getattr(block, "text", f"[{block.type}]") for block in content)


async def call(client, tool, arguments=None, **options):
    """A tool's text; its own failure is marked, since it is not an exception."""
    result = await client.call_tool(tool, arguments or {}, **options)
    mark = "isError: " if result.is_error else ""
    return mark + text_of(result.content), result


async def full(client, report):
    await connect(client, report)
    text, _ = await call(client, "notes_search", {"query": "van"})
    report.step("notes_search", text)
    note = {"title": "driver-python", "text": "written by the Python client"}
    text, _ = await call(client, "notes_add", note)
    report.step("notes_add", text)
    _, result = await call(client, "notebook_status")
    report.step("notebook_status", json.dumps(result.structured_content))
    await prompts(client, report)
    await resources(client, report)
    await streaming(client, report)


async def prompts(client, report):
    listed = await client.list_prompts()
    report.step("list_prompts", ",".join(sorted(one.name for one in listed.prompts)))
    found = await client.get_prompt("summarise_note", {"title": "customs-form"})
    report.step("get_prompt", text_of(message.content for message in found.messages))
    completed = await client.complete(
        PromptReference(name="summarise_note"), {"name": "title", "value": "cust"}
    )
    report.step("complete", ",".join(completed.completion.values))


async def resources(client, report):
    listed = await client.list_resources()
    uris = sorted(str(one.uri) for one in listed.resources)
    report.step("list_resources", ",".join(uris))
    templates = await client.list_resource_templates()
    report.step("list_templates", ",".join(t.uri_template for t in templates.resource_templates))
    for name, uri in (("read_text", "notes://handbook"), ("read_json", "notes://zones"),
                      ("read_template", "notes://note/customs-form")):
        read = await client.read_resource(uri)
        report.step(name, "\n".join(part.text for part in read.contents))


async def streaming(client, report):
    """Notes when each progress notification arrived, to tell streaming from buffering."""
    start = time.monotonic()
    arrivals = []

    async def on_progress(_progress, _total, _message):
        arrivals.append(round((time.monotonic() - start) * 1000))

    text, _ = await call(client, "report_build", {"steps": 5}, progress_callback=on_progress)
    result_ms = round((time.monotonic() - start) * 1000)
    report.step("report_build", text)
    report.line["progress"] = {
        "before_result": len(arrivals),
        "arrivals_ms": list(arrivals),
        "result_ms": result_ms,
    }


async def forbidden(client, report):
    text, _ = await call(client, "notes_delete", {"title": "driver-python"})
    report.step("notes_delete", text)


async def connect(client, report):
    listed = await client.list_tools()
    report.step("list_tools", ",".join(sorted(tool.name for tool in listed.tools)))


async def cancel(client, report):
    before = await cancelled_waits(client)
    start = time.monotonic()
    # Leaving the scope is how this client is told to give a call up.
    with anyio.move_on_after(0.5) as scope:
        await call(client, "slow_wait", {"seconds": 20})
    took = time.monotonic() - start
    report.step("slow_wait", f"returned after {round(took * 1000)} ms")
    if not scope.cancelled_caught or took > PROMPT_S:
        raise RuntimeError("the cancelled call did not return promptly")
    report.step("on_server", await server_noticed(client, before))


async def cancelled_waits(client):
    try:
        _, result = await call(client, "notebook_status")
        return result.structured_content["waits_cancelled"]
    except MCPError:
        # A key without that tool can still cancel; it only cannot be told.
        return None


async def server_noticed(client, before):
    if before is None:
        return "unknown"
    start = time.monotonic()
    while time.monotonic() - start < NOTICE_S:
        if await cancelled_waits(client) not in (before, None):
            return f"cancelled within {round((time.monotonic() - start) * 1000)} ms"
        await anyio.sleep(0.25)
    return "not cancelled"


SCENARIOS = {"full": full, "forbidden": forbidden, "connect": connect, "cancel": cancel}


def http_client(ca):
    """The HTTP client the SDK documents for headers of one's own and a private CA."""
    verify = True if ca == "-" else ssl.create_default_context(cafile=ca)
    return httpx2.AsyncClient(
        headers={"Authorization": f"Bearer {KEY}"} if KEY else {},
        timeout=httpx2.Timeout(LIMIT_S, read=300),
        verify=verify,
        # A proxy of the environment must not come between client and gateway.
        trust_env=False,
    )


async def drive(url, ca, scenario, mode, report):
    async with http_client(ca) as http:
        transport = streamable_http_client(url, http_client=http)
        async with Client(transport, mode=mode) as client:
            report.line["protocol"] = client.protocol_version
            await SCENARIOS[scenario](client, report)
    report.line["ok"] = True


def time_out(report):
    report.line["ok"] = False
    report.line["error"] = {"code": None, "message": "timed out", "text": "timed out"}
    report.emit()
    # Nothing gentler ends a client that hangs while it closes.
    os._exit(1)


def main():
    arguments = [one for one in sys.argv[1:] if one != "--legacy"]
    if len(arguments) != 3 or arguments[2] not in SCENARIOS:
        sys.exit("usage: drive.py URL CA|- " + "|".join(SCENARIOS) + " [--legacy]")
    url, ca, scenario = arguments
    report = Report(scenario)
    limit = threading.Timer(LIMIT_S, time_out, [report])
    limit.daemon = True
    limit.start()
    mode = "legacy" if "--legacy" in sys.argv else "auto"
    try:
        anyio.run(drive, url, ca, scenario, mode, report)
    except Exception as error:
        report.fail(error)
    limit.cancel()
    report.emit()
    return 0 if report.line["ok"] else 1


if __name__ == "__main__":
    sys.exit(main())
