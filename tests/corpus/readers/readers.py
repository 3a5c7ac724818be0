"""Reads every body of the corpus the ways that real parsers in Python do, and the ways that
parsers in other languages are known to; says for each which calls it sees.

One line of base64 on standard input is one body, with its media type behind a space. The
answer is one line of JSON: for each reader a list of calls, and a call is a list of the method
and whom it concerns: ["tools/call", "name"], ["resources/read", "uri"]. Calls within arrays
count, at any depth, and so do messages that the reader would take for notifications.

It must never look at what the gateway says of a body.
"""

import base64
import codecs
import functools
import json
import sys
import unicodedata

import tolerant
from tolerant import Pairs

from mcp.types import JSONRPCMessage
from pydantic import TypeAdapter

codecs.register_error("overlong", tolerant.overlong)
SDK = TypeAdapter(JSONRPCMessage)


def last(pairs):
    """The last of several members counts."""
    return dict(pairs)


def first(pairs):
    """The first of several members counts."""
    found = {}
    for name, value in pairs:
        found.setdefault(name, value)
    return found


MATTERS = ["jsonrpc", "id", "method", "params", "name", "uri", "ref", "type", "notifications",
           "resourceSubscriptions", "taskIds", "taskId", "_meta", "arguments"]


def folding(fold):
    """Members are found by what `fold` makes of their names; the last one counts."""
    known = {fold(name): name for name in MATTERS}

    def collect(pairs):
        return {known.get(fold(name), name): value for name, value in pairs}
    return collect


def go(name):
    """Go's encoding/json: case, U+017F and U+212A."""
    return "".join({"\u017f": "s", "\u212a": "k"}.get(c, c.lower() if c.isascii() else c) for c in name)


def java(name):
    """Comparisons that ignore case letter by letter, both ways, as Java's do."""
    return "".join((c.upper() if len(c.upper()) == 1 else c).lower()[:1] for c in name)


def c_string(name):
    """What stands before the first NUL, in lower case, as cJSON finds members."""
    return name.split("\0")[0].lower()


def trimmed(name):
    """Without white space, controls and what nobody sees, wherever it stands."""
    return "".join(c for c in name if not c.isspace() and unicodedata.category(c) not in ("Cc", "Cf", "Mn"))


def unicode(name):
    """Compatibility forms and full case folding."""
    return unicodedata.normalize("NFKC", trimmed(name).casefold()).casefold()


def plain(value, collect):
    """A parsed value with its objects collected."""
    if isinstance(value, Pairs):
        return collect([(name, plain(inner, collect)) for name, inner in value])
    if isinstance(value, list):
        return [plain(inner, collect) for inner in value]
    return value


def text(value):
    """A text, or what a loose comparison takes for one."""
    while isinstance(value, list) and len(value) == 1:
        value = value[0]
    return value if isinstance(value, str) else None


def concerns(method, params):
    """Whom a message concerns: one call for each."""
    if not isinstance(params, dict):
        params = {}
    if method in ("tools/call", "prompts/get"):
        return [[method, text(params.get("name")) or ""]]
    if method.startswith("resources/") and method.split("/")[1] in ("read", "subscribe", "unsubscribe"):
        return [[method, text(params.get("uri")) or ""]]
    if method == "completion/complete":
        ref = params.get("ref") if isinstance(params.get("ref"), dict) else {}
        # By the type, and for those that go by what is there.
        found = [["prompts/get", text(ref["name"]) or ""]] if "name" in ref else []
        found += [["resources/read", text(ref["uri"]) or ""]] if "uri" in ref else []
        return [[method, ""]] + found
    if method == "subscriptions/listen":
        wanted = params.get("notifications")
        wanted = wanted if isinstance(wanted, dict) else {}
        uris = wanted.get("resourceSubscriptions")
        uris = uris if isinstance(uris, list) else []
        tasks = [["tasks/get", ""]] if "taskIds" in wanted else []
        return [[method, ""]] + [["resources/read", text(uri) or ""] for uri in uris] + tasks
    return [[method, ""]]


def calls(value):
    """All calls of a value: a message, or arrays of them."""
    if isinstance(value, list):
        return [call for inner in value for call in calls(inner)]
    method = text(value.get("method")) if isinstance(value, dict) else None
    return [] if method is None else concerns(method, value.get("params"))


def strict(body, collect):
    """Python's own parser, which detects UTF-16 and takes NaN."""
    return calls(plain(json.loads(body, object_pairs_hook=Pairs), collect))


@functools.lru_cache(maxsize=2)
def values(text):
    """All values of a text; a value that is text is read once more."""
    found = tolerant.Parser(text).values()
    return found + [inner for value in found if isinstance(value, str) for inner in values(value)]


def loose(body, collect, decode=tolerant.decode):
    """Whatever the tolerant parser finds."""
    return [call for value in values(decode(body)) for call in calls(plain(value, collect))]


def shortened(body):
    """Loose, and every text ends at its first NUL."""
    found = loose(body, folding(c_string))
    return [[part.split("\0")[0] for part in call] for call in found]


def stripped(body):
    """Loose, and nothing that cannot be seen counts in any text."""
    found = loose(body, folding(lambda name: trimmed(name)))
    return [[trimmed(part) for part in call] for call in found]


def sdk(body):
    """The official SDK: pydantic's own parser and the SDK's models."""
    message = SDK.validate_json(body)
    method = getattr(message, "method", None)
    return [] if method is None else concerns(method, getattr(message, "params", None) or {})


def charset(body, media):
    """By the encoding that the media type names."""
    name = media.split("charset=")[-1].split(";")[0].strip('"') if "charset=" in media else "utf-8"
    return loose(body, last, lambda raw: raw.decode(name, "replace"))


READERS = {
    "python": lambda body, media: strict(body, last),
    "python-sdk": lambda body, media: sdk(body),
    "first": lambda body, media: strict(body, first),
    "go": lambda body, media: loose(body, folding(go)),
    "java": lambda body, media: loose(body, folding(java)),
    "unicode": lambda body, media: loose(body, folding(unicode)),
    "loose": lambda body, media: loose(body, last),
    "loose-first": lambda body, media: loose(body, first),
    "nul": lambda body, media: shortened(body),
    "trimming": lambda body, media: stripped(body),
    "charset": charset,
}


def main():
    sys.setrecursionlimit(4_000)
    for line in sys.stdin:
        encoded, media = line.rstrip("\n").split(" ", 1)
        body, seen = base64.b64decode(encoded), {}
        for name, read in READERS.items():
            try:
                seen[name] = read(body, media)
            except (ValueError, RecursionError, LookupError):
                # This reader refuses the body.
                seen[name] = []
        # Half a pair is nothing that can be told.
        told = json.dumps(seen, ensure_ascii=False).encode("utf-16", "surrogatepass").decode("utf-16", "replace")
        sys.stdout.buffer.write(told.encode() + b"\n")


main()
