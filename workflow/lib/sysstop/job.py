"""What every job of the workflow shares: its log, and an end in one clear message."""

import contextlib
import re
import sys
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sysstop.errors import UserError

ERROR_MARK = "error: "


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[None]:
    """Run a script's work; turn a `UserError` into one message on stderr and in the rule's log.

    Any other exception keeps its traceback, in the log as well.
    """
    log = Path(snakemake.log[0])
    log.write_text("")
    try:
        yield
    except UserError as error:
        message = f"{ERROR_MARK}{error}"
        log.write_text(message + "\n")
        print(message, file=sys.stderr, flush=True)
        raise SystemExit(1) from None
    except Exception as error:
        summary = f"{ERROR_MARK}{type(error).__name__}: {error}"
        log.write_text(f"{traceback.format_exc()}\n{summary}\n")
        raise


def failure_messages(snakemake_log: Path) -> list[str]:
    """Return what failed jobs said, from the logs of rules that Snakemake's own log names."""
    named = re.findall(r"^\s+log: (.+?)(?: \(check log|$)", snakemake_log.read_text(), re.MULTILINE)
    messages = []
    for log in map(Path, dict.fromkeys(named)):
        text = log.read_text() if log.exists() else ""
        if ERROR_MARK in text:
            messages.append(text[text.rindex(ERROR_MARK) :].strip())
    return messages
