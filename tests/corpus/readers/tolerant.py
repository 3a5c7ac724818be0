"""A JSON parser that gives way wherever some parser in the field gives way.

It takes byte order marks, UTF-16 and UTF-32, broken UTF-8, comments, missing and trailing
commas, single and no quotes, raw control characters, unknown escapes, odd numbers, any white
space, and goes on behind the end of a value: all values of a text are returned. Objects are
lists of pairs, so that no duplicate is lost. It must never raise for anything but nesting
without end.
"""

import re


class Pairs(list):
    """The members of one object, in order, duplicates included."""


# Python's own white space, and what others skip.
SPACE = " \t\r\n\v\f\x00\x1e\x85\xa0\u2028\u2029\ufeff"
ESCAPES = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t", "a": "\a", "v": "\v", "0": "\0"}
ORDINARY = {quote: re.compile(f"[^\\\\{quote}]+") for quote in "\"'`”"}
SPACES = re.compile(f"[{SPACE}]+")
ENDS = SPACE + ",:=;[]{}\"'`/#“”"


def decode(body):
    """The text of a body, the way parsers guess encodings."""
    for mark, name in ((b"\xff\xfe\0\0", "utf-32"), (b"\0\0\xfe\xff", "utf-32"),
                       (b"\xff\xfe", "utf-16"), (b"\xfe\xff", "utf-16")):
        if body.startswith(mark):
            return body.decode(name, "replace")
    head = body[:4]
    if len(head) == 4:
        zeros = tuple(byte == 0 for byte in head)
        guess = {(0, 1, 1, 1): "utf-32-le", (1, 1, 1, 0): "utf-32-be",
                 (0, 1, 0, 1): "utf-16-le", (1, 0, 1, 0): "utf-16-be"}.get(zeros)
        if guess:
            return body.decode(guess, "replace")
    return body.decode("utf-8", "overlong")


class Parser:
    """One text."""

    def __init__(self, text):
        self.text, self.at = text, 0

    def values(self):
        """All values of the text, whatever stands between them."""
        found = []
        while True:
            self.skip()
            if self.at >= len(self.text):
                return found
            before = self.at
            if self.text[self.at] in "{[\"'`“":
                found.append(self.value())
            if self.at == before:
                self.at += 1

    def skip(self):
        text = self.text
        while self.at < len(text):
            if text[self.at] in SPACE:
                self.at = SPACES.match(text, self.at).end()
            elif text.startswith("/*", self.at):
                end = text.find("*/", self.at + 2)
                self.at = len(text) if end < 0 else end + 2
            elif text.startswith("//", self.at) or text[self.at] == "#":
                end = text.find("\n", self.at)
                self.at = len(text) if end < 0 else end + 1
            else:
                return

    def peek(self):
        self.skip()
        return self.text[self.at] if self.at < len(self.text) else ""

    def value(self):
        first = self.peek()
        if first == "{":
            return self.object()
        if first == "[":
            return self.array()
        if first and first in "\"'`“":
            return self.string()
        return self.word()

    def object(self):
        self.at += 1
        pairs = Pairs()
        while True:
            first = self.peek()
            if first in ("", "}"):
                self.at += 1
                return pairs
            if first in ",;]":
                self.at += 1
                continue
            name = self.string() if first in "\"'`“" else self.word()
            if self.peek() and self.peek() in ":=":
                self.at += 1
                pairs.append((str(name), self.value()))
            elif not isinstance(name, str) or name == "":
                self.at += 1

    def array(self):
        self.at += 1
        items = []
        while True:
            first = self.peek()
            if first in ("", "]"):
                self.at += 1
                return items
            if first in ",;}:=":
                self.at += 1
                continue
            before = self.at
            items.append(self.value())
            if self.at == before:
                self.at += 1

    def string(self):
        text = self.text
        quote = "”" if text[self.at] == "“" else text[self.at]
        self.at += 1
        out = []
        while self.at < len(text) and text[self.at] != quote:
            run = ORDINARY[quote].match(text, self.at)
            if run:
                out.append(run.group())
                self.at = run.end()
                continue
            rest = text[self.at + 1:self.at + 11]
            code = re.match(r"u([0-9a-fA-F]{1,4})|u\{([0-9a-fA-F]{1,5})\}|x([0-9a-fA-F]{2})|([0-7]{3})", rest)
            if code:
                digits = code.group(1) or code.group(2) or code.group(3)
                out.append(chr(int(digits, 16) if digits else int(code.group(4), 8)))
                self.at += 1 + code.end()
            else:
                letter = rest[:1]
                out.append("" if letter == "\n" else ESCAPES.get(letter, letter))
                self.at += 2
        self.at += 1
        return "".join(out)

    def word(self):
        """A number, a literal, or a name without quotes; as text, except the three literals."""
        start = self.at
        while self.at < len(self.text) and self.text[self.at] not in ENDS:
            self.at += 1
        word = self.text[start:self.at]
        return {"null": None, "true": True, "false": False}.get(word, word)


def overlong(error):
    """Broken UTF-8 as C programs read it: overlong forms and surrogates have their value."""
    data, at = error.object, error.start
    first = data[at]
    length = 2 if first >> 5 == 6 else 3 if first >> 4 == 14 else 0
    rest = data[at + 1:at + length]
    if length and len(rest) == length - 1 and all(byte >> 6 == 2 for byte in rest):
        code = first & (0x7F >> length)
        for byte in rest:
            code = code << 6 | byte & 0x3F
        return chr(code), at + length
    return "\ufffd", at + 1
