"""What the Python drivers do once they are connected, scenario by scenario, and their command
line. The two lines of the SDK differ in their interface; a driver gives a session that hides
the difference, and nothing else.

    MCP_API_KEY=... python drive.py URL CA SCENARIO[,SCENARIO...] [--legacy]

CA is a PEM file, or "-" for a plain http:// address. Several scenarios run one after the
other in one session, and all of it with each key of several, which commas divide. full, forbidden, connect and cancel are for the demo's notebook; ask,
follow, resume and again cancel for the depot of ../servers.

They must never outlive their time limit: a client that hangs is a result, not a hung test.
"""

import json
import os
import sys
import threading
import time

import anyio
from report import Report

LIMIT_S = 45
# A cancelled call that takes longer than this to return was not cancelled.
PROMPT_S = 2
# How long the server may take to notice, before it is reported not to have.
NOTICE_S = 8
# What the depot's callers follow.
PARCEL = "depot://parcels/7"
# What they answer when they are asked.
ANSWER = {"confirm": True, "name": "Zoë"}


def text_of(content):
    return "\n".join(getattr(block, "text", f"[{block.type}]") for block in content)


def ms_since(start):
    return round((time.monotonic() - start) * 1000)


async def full(session, report):
    await connect(session, report)
    report.step("notes_search", (await session.call("notes_search", {"query": "van"}))[0])
    note = {"title": "driver-python", "text": "written by the Python client"}
    report.step("notes_add", (await session.call("notes_add", note))[0])
    _, status = await session.call("notebook_status", {})
    report.step("notebook_status", json.dumps(status))
    report.step("list_prompts", ",".join(sorted(await session.prompts())))
    report.step("get_prompt", await session.prompt("summarise_note", {"title": "customs-form"}))
    completed = await session.complete("summarise_note", "title", "cust")
    report.step("complete", ",".join(completed))
    report.step("list_resources", ",".join(sorted(await session.resources())))
    report.step("list_templates", ",".join(await session.templates()))
    for name, uri in (("read_text", "notes://handbook"), ("read_json", "notes://zones"),
                      ("read_template", "notes://note/customs-form")):
        report.step(name, await session.read(uri))
    await streaming(session, report)


async def streaming(session, report):
    """Notes when each progress notification arrived, to tell streaming from buffering."""
    start = time.monotonic()
    arrivals = []

    async def on_progress(_progress, _total, _message):
        arrivals.append(ms_since(start))

    text, _ = await session.call("report_build", {"steps": 5}, on_progress)
    report.step("report_build", text)
    report.line["progress"] = {
        "before_result": len(arrivals),
        "arrivals_ms": list(arrivals),
        "result_ms": ms_since(start),
    }


async def forbidden(session, report):
    text, _ = await session.call("notes_delete", {"title": "driver-python"})
    report.step("notes_delete", text)


async def connect(session, report):
    report.step("list_tools", ",".join(sorted(await session.tools())))


async def cancel(session, report):
    status = next(name for name in await session.tools() if name.endswith("_status"))

    async def waits():
        return (await session.call(status, {}))[1]["waits_cancelled"]

    before = await waits()
    start = time.monotonic()
    await session.give_up("slow_wait", {"seconds": 20}, 0.5)
    took = time.monotonic() - start
    report.step("slow_wait", f"returned after {round(took * 1000)} ms")
    if took > 0.5 + PROMPT_S:
        raise RuntimeError("the cancelled call did not return promptly")
    report.step("on_server", await noticed(waits, before + 1))


async def noticed(read, wanted):
    """How long the server took until it told what was wanted."""
    start = time.monotonic()
    while time.monotonic() - start < NOTICE_S:
        if await read() == wanted:
            return f"within {ms_since(start)} ms"
        await anyio.sleep(0.05)
    return "never"


async def ask(session, report):
    text, _ = await session.call("parcel_return", {"parcel": "parcel-7"})
    report.step("asked", "\n".join(session.asked))
    report.step("parcel_return", text)


async def follow(session, report):
    async def listening():
        return (await session.call("depot_status", {}))[1]["listening"]

    async with session.follow(PARCEL) as heard:
        await moved(session, heard)
        # Streams of subscriptions/listen: one in the modern era, none before.
        report.step("listening", await listening())
    report.step("left", await noticed(listening, 0))


async def moved(session, heard):
    """Moves the parcel until it is heard of. A GET stream opens whenever it opens, and what
    was said before went nowhere."""
    for _ in range(20):
        await session.call("parcel_move", {"uri": PARCEL})
        with anyio.move_on_after(0.5):
            await heard()
            return
    raise RuntimeError("moved, and never heard of it")


async def resume(session, report):
    async with session.follow(PARCEL) as heard:
        await moved(session, heard)
        # Until nothing of that is on its way any more.
        while True:
            with anyio.move_on_after(0.3) as quiet:
                await heard()
            if quiet.cancelled_caught:
                break
        start = time.monotonic()
        await session.call("stream_drop", {"uri": PARCEL})
        with anyio.fail_after(10):
            await heard()
        report.step("get_resumed", f"after {ms_since(start)} ms")
    pages = []

    async def on_progress(progress, _total, _message):
        pages.append(round(progress))

    text, _ = await session.call("manifest_build", {}, on_progress)
    report.step("manifest_build", f"{text} {pages}")
    _, status = await session.call("depot_status", {})
    report.step("replays", status["replays"])


SCENARIOS = {one.__name__: one for one in (full, forbidden, connect, cancel, ask, follow, resume)}


def main(client, open_session):
    """Runs what the command line asks for. `open_session(url, ca, key, legacy)` connects."""
    arguments = [one for one in sys.argv[1:] if one != "--legacy"]
    scenarios = arguments[2].split(",") if len(arguments) == 3 else []
    if not scenarios or any(one not in SCENARIOS for one in scenarios):
        sys.exit("usage: drive.py URL CA|- " + "|".join(SCENARIOS) + "[,...] [--legacy]")

    async def drive(key, report):
        async with open_session(arguments[0], arguments[1], key, "--legacy" in sys.argv) as session:
            report.line["protocol"] = session.protocol
            for one in scenarios:
                await SCENARIOS[one](session, report)
        report.line["ok"] = True

    status = 0
    for key in os.environ.get("MCP_API_KEY", "").split(","):
        report = Report(client, arguments[2], key)
        limit = threading.Timer(LIMIT_S, report.time_out)
        limit.daemon = True
        limit.start()
        try:
            anyio.run(drive, key, report)
        except Exception as error:
            report.fail(error)
        limit.cancel()
        report.emit()
        status |= not report.line["ok"]
    return status
