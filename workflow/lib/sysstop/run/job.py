"""What every job of the workflow shares: its log, its owner, and one clear message if it fails."""

import contextlib
import errno
import os
import re
import select
import signal
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, NoReturn

from sysstop.run.errors import UserError
from sysstop.run.folder import OWNER_VARIABLE

ERROR_MARK = "error: "
# Disk errors that the user can fix, and how.
REMEDIES = {
    errno.ENOSPC: "The disk is full; free some space",
    errno.EDQUOT: "The disk's quota is used up; free some space",
    errno.EROFS: "The disk is read-only; make it writable",
    errno.EACCES: "It may not be read or written; change its permissions",
}


@contextlib.contextmanager
def job(snakemake: Any) -> Iterator[Callable[[str], NoReturn]]:
    """Run a script's work; report what the user can fix in one message on stderr and in the log.

    That covers a `UserError`, a `MemoryError` and the `OSError`s in `REMEDIES`. Any other exception
    keeps its traceback, which is also written to the log. The job is killed when its owner ends, so
    that no job outlives its run.

    Yields a function that ends the job at once with a message, from any thread.
    """
    log = Path(snakemake.log[0])
    log.write_text("", encoding="utf-8")

    def give_up(message: str) -> NoReturn:
        report(log, message)
        os._exit(1)

    try:
        _die_with_owner()
        yield give_up
    except UserError as error:
        _end(log, str(error))
    except MemoryError as error:
        _end(
            log,
            "The memory ran out. Close other programs, use fewer rows or columns, or use a machine "
            f"that has more. ({error})",
        )
    except Exception as error:
        if isinstance(error, OSError) and error.errno in REMEDIES:
            _end(
                log,
                f"{error.filename or 'A file'}: {REMEDIES[error.errno]}, then run the same command "
                f"again; finished trials are kept. ({error.strerror})",
            )
        _log_uncaught(log, error)
        raise


def log_uncaught_errors(log: Path) -> None:
    """Have exceptions that end this process before it is a `job`, such as failed imports, logged."""

    def end(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        sys.__excepthook__(kind, error, trace)
        if isinstance(error, Exception):
            _log_uncaught(log, error)

    sys.excepthook = end


def _log_uncaught(log: Path, error: Exception) -> None:
    """Log an exception with its traceback and, as the last words, what it means for the user."""
    meaning = ""
    if isinstance(error, ImportError):
        meaning = (
            ". A library of the environment is missing or broken; remove the environment (.venv) and "
            "set it up again, see README.md"
        )
    text = "".join(traceback.format_exception(error))
    summary = f"{ERROR_MARK}{type(error).__name__}: {error}{meaning}"
    log.write_text(f"{text}\n{summary}\n", encoding="utf-8")


def _die_with_owner() -> None:
    """Kill this process as soon as the one that `OWNER_VARIABLE` names has ended.

    Raises `UserError` if it has ended already.
    """
    if OWNER_VARIABLE not in os.environ:
        return
    try:
        owner = os.pidfd_open(int(os.environ[OWNER_VARIABLE]))
    except ProcessLookupError:
        raise UserError(
            "The run that this job belongs to has ended, so the job ends too. Run the same command again."
        ) from None

    def wait() -> None:
        select.select([owner], [], [])
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=wait, daemon=True).start()


def _end(log: Path, message: str) -> NoReturn:
    report(log, message)
    raise SystemExit(1) from None


def report(log: Path, message: str) -> None:
    """Print a job's final message and log it, if there is room for a log."""
    message = f"{ERROR_MARK}{message}"
    print(message, file=sys.stderr, flush=True)
    with contextlib.suppress(OSError):
        log.write_text(message + "\n", encoding="utf-8")


def failure_messages(snakemake_log: Path) -> list[str]:
    """Return the error messages of failed jobs, from the logs that Snakemake's own log names."""
    written = snakemake_log.read_text(
        errors="replace"
    )  # Snakemake writes it in the locale's encoding
    named = re.findall(r"^\s+log: (.+?)(?: \(check log|$)", written, re.MULTILINE)
    messages = []
    for log in map(Path, dict.fromkeys(named)):
        text = log.read_text(encoding="utf-8") if log.exists() else ""
        *_, last = re.split(rf"^(?={ERROR_MARK})", text, flags=re.MULTILINE)
        if last.startswith(ERROR_MARK):
            messages.append(last.strip())
    return messages


def print_failures(snakemake_logs: Iterable[str]) -> None:
    """Repeat the error messages of failed jobs on stderr, at the very end of a run."""
    for snakemake_log in snakemake_logs:
        for message in failure_messages(Path(snakemake_log)):
            print(f"\n{message}", file=sys.stderr)
