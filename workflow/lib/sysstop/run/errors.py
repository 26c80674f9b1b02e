"""Mistakes that a user can fix, reported in one message instead of a traceback."""

import difflib
from collections.abc import Collection

MAX_LINES = 40
MAX_LINE_LENGTH = 2000


class UserError(Exception):
    """A mistake in the config, the data or the environment that the user can fix.

    The message names the key, file or data set, what was found, what is allowed and what to do.
    Whatever it quotes, the message stays short and contains no control characters.
    """

    def __init__(self, message: str) -> None:
        lines = [shortened(printable(line), MAX_LINE_LENGTH) for line in message.split("\n")]
        more = [f"... and {len(lines) - MAX_LINES} more lines"] if len(lines) > MAX_LINES else []
        super().__init__("\n".join(lines[:MAX_LINES] + more))


def printable(text: str) -> str:
    """Return the text with unprintable characters, such as terminal control codes, escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else ascii(sign)[1:-1] for sign in text)


def shortened(text: str, length: int) -> str:
    """Return the text, with its middle cut out if it is longer than `length`."""
    if len(text) <= length:
        return text
    return f"{text[: length // 2]} ... {text[-length // 2 :]}"


def unknown_name(what: str, name: str, allowed: Collection[str]) -> str:
    """Return a message about an unknown name, with the nearest known one and all known ones."""
    close = difflib.get_close_matches(name, list(allowed), n=1)
    hint = f"did you mean '{close[0]}'? " if close else ""
    return f"unknown {what}; {hint}known: {', '.join(sorted(allowed)) or 'none'}"
