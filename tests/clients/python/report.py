"""The one line of JSON that a driver prints for a key, and how it words a failure.

It must never let a key into that line, and never print a second one.
"""

import json
import os
import sys
import threading


class Report:
    """The line, filled in on the way and printed once."""

    def __init__(self, client, scenarios, key):
        self.key = key
        self.line = {
            "client": client,
            "scenario": scenarios,
            "ok": False,
            "protocol": None,
            "steps": {},
        }
        self.printed = threading.Lock()

    def step(self, name, text):
        self.line["steps"][name] = str(text)

    def fail(self, error):
        self.line["ok"] = False
        self.line["error"] = describe(error)

    def emit(self):
        # The lock is never given back: whoever comes second prints nothing.
        if not self.printed.acquire(blocking=False):
            return
        text = json.dumps(self.line, ensure_ascii=False)
        # A server that echoes headers must not bring the key to the output.
        if self.key:
            text = text.replace(self.key, "[key]")
        sys.stdout.write(text + "\n")
        sys.stdout.flush()

    def time_out(self):
        self.line["ok"] = False
        self.line["error"] = {"code": None, "message": "timed out", "text": "timed out"}
        self.emit()
        # Nothing gentler ends a client that hangs while it closes.
        os._exit(1)


def leaves(error):
    """The exceptions of a group, however deep; task groups wrap what went wrong."""
    if isinstance(error, BaseExceptionGroup):
        for inner in error.exceptions:
            yield from leaves(inner)
    else:
        yield error


def describe(error):
    found = list(leaves(error))
    # Both lines of the SDK keep the JSON-RPC error in an attribute of that name.
    protocol = next((one for one in found if hasattr(one, "error")), None)
    texts = [f"{type(one).__name__}: {one}" for one in found]
    # The first line of the SDK drops the body of a refusal and keeps its headers.
    responses = [one.response for one in found if hasattr(one, "response")]
    texts += filter(None, (response.headers.get("www-authenticate") for response in responses))
    return {
        "code": protocol.error.code if protocol else None,
        "message": str(protocol or found[0]),
        "text": "; ".join(texts),
    }
