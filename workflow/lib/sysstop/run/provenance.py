"""Where results come from: the code they depend on, and the machine and software that made them."""

import ast
import contextlib
import functools
import hashlib
import json
import os
import platform
import re
import socket
import subprocess
from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import TypeVar

import psutil

import sysstop
from sysstop.run.machine import this_machine

LIBRARY = Path(sysstop.__file__).parent
Part = TypeVar("Part")
PACKAGES = ("scikit-learn", "numpy", "scipy", "ray", "mlflow", "psutil", "snakemake", "pandas")


def for_readers(part: Part) -> Part:
    """Mark a function whose result only people see: words, colours, messages.

    `code_digest` leaves it out for scripts that have nothing to do with the report, together with
    the imports that only it needs. So a change of wording does not repeat any measurement.
    """
    return part


def code_digests(files: Iterable[Path], kept: Path) -> dict[str, str]:
    """Return the `code_digest` of scripts or modules by their path.

    To find them takes a second, so they are kept in a JSON file, which holds for as long as nothing has
    changed in these files and in the library.
    """
    files = sorted(files)
    state = hashlib.sha256(platform.python_version().encode())
    for file in (*files, *sorted(_library_files().values())):
        state.update(f"\n{file}\n".encode())
        state.update(file.read_bytes())
    with contextlib.suppress(OSError, ValueError):
        match json.loads(kept.read_text(encoding="utf-8")):
            case {"state": known, "digests": digests} if known == state.hexdigest():
                return digests
    digests = {str(file): code_digest(file) for file in files}
    # The next call can do without the file, on a full disk or in a folder that it may only read.
    with contextlib.suppress(OSError):
        kept.parent.mkdir(parents=True, exist_ok=True)
        part = kept.with_suffix(f".{os.getpid()}")
        part.write_text(json.dumps({"state": state.hexdigest(), "digests": digests}))
        part.replace(kept)
    return digests


def code_digest(script: Path) -> str:
    """Return a digest of a script and of the modules of this library that it imports, directly or not.

    Modules in nested packages count together with the `__init__.py` of every enclosing package, and
    so do modules named in strings, such as those that run in a separate process (`python -m NAME`).
    Comments, docstrings and formatting do not count, nor does what is `for_readers` if no module of
    the report is among them. Snakemake does not see changes in imported modules; used as a rule's
    parameter, the digest makes it rerun what depends on them and nothing else.
    """
    files = _library_files()
    codes = _code_behind(script, files, complete=False)
    if any(name.startswith(f"{LIBRARY.name}.report.") for name in codes):
        codes = _code_behind(script, files, complete=True)
    lines = [_code_of(script, complete=True).text] + [
        f"{files[name].relative_to(LIBRARY).as_posix()} {codes[name]}" for name in sorted(codes)
    ]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _code_behind(script: Path, files: Mapping[str, Path], *, complete: bool) -> dict[str, str]:
    """Return the code of each module that a script imports, by its dotted name.

    It is complete, or without what is `for_readers`.
    """
    codes: dict[str, str] = {}
    waiting = [*_code_of(script, complete).names]
    while waiting:
        name = waiting.pop()
        if name in files and name not in codes:
            code = _code_of(files[name], complete)
            codes[name] = code.text
            waiting += code.names
    return codes


def _library_files() -> dict[str, Path]:
    """Return the file of each module and package of this library by its dotted name."""
    files = {}
    # Each of the workflow's digests asks, and pathlib takes ten times as long to look.
    for folder, _, names in os.walk(LIBRARY):
        package = ".".join((LIBRARY.name, *Path(folder).relative_to(LIBRARY).parts))
        for name in names:
            if name == "__init__.py":
                files[package] = Path(folder, name)
            elif name.endswith(".py"):
                files[f"{package}.{name.removesuffix('.py')}"] = Path(folder, name)
    return files


@dataclass(frozen=True)
class _Code:
    """A module's code without docstrings, and the dotted names that it may import."""

    text: str
    names: Set[str]


def _code_of(file: Path, complete: bool) -> _Code:
    whole, without_readers = _codes(file.read_text(encoding="utf-8"))
    return whole if complete else without_readers


@functools.cache
def _codes(source: str) -> tuple[_Code, _Code]:
    """Return a module's code: all of it, and without what is `for_readers`."""
    tree = ast.parse(source)
    _remove(tree, _is_docstring)
    whole = _as_code(tree)
    if not _remove(tree, _is_for_readers):
        return whole, whole
    used = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    for statement in _statements(tree):
        if isinstance(statement, ast.Import | ast.ImportFrom):
            bound = {name: name.asname or name.name.split(".")[0] for name in statement.names}
            statement.names = [name for name in statement.names if bound[name] in used]
    _remove(tree, lambda part: isinstance(part, ast.Import | ast.ImportFrom) and not part.names)
    return whole, _as_code(tree)


def _statements(tree: ast.Module) -> list[ast.AST]:
    """Return a module and all its statements, at any depth.

    Most nodes of a tree are expressions, which hold no statements: to look at them all takes far longer.
    """
    found = [tree]
    for node in found:
        for part in ("body", "orelse", "finalbody", "handlers", "cases"):
            if isinstance(inner := getattr(node, part, None), list):
                found += inner
    return found


def _as_code(tree: ast.Module) -> _Code:
    text = ast.unparse(tree)
    named = set(re.findall(rf"\b{LIBRARY.name}(?:\.\w+)+", text))
    imported = {
        f"{statement.module}.{alias.name}"
        for statement in _statements(tree)
        if isinstance(statement, ast.ImportFrom)
        for alias in statement.names
    }
    return _Code(text, {outer for name in named | imported for outer in _with_packages(name)})


def _remove(tree: ast.Module, unwanted: Callable[[ast.AST], bool]) -> bool:
    """Remove the unwanted statements of all bodies; return whether there were any."""
    found = False
    for node in _statements(tree):
        if isinstance(body := getattr(node, "body", None), list):
            kept = [part for part in body if not unwanted(part)]
            found |= len(kept) < len(body)
            node.body = kept or [ast.Pass()]
    return found


def _is_for_readers(statement: ast.AST) -> bool:
    """Return whether a statement is a function with that decorator."""
    decorators = getattr(statement, "decorator_list", [])
    return any(isinstance(d, ast.Name) and d.id == for_readers.__name__ for d in decorators)


def _is_docstring(statement: ast.AST) -> bool:
    """Return whether a statement is just a string, such as the docstring of a function."""
    match statement:
        case ast.Expr(value=ast.Constant(value=str())):
            return True
    return False


def _with_packages(name: str) -> Iterator[str]:
    """Yield a dotted name of this library with those of its enclosing packages; nothing of others."""
    if name.startswith(f"{LIBRARY.name}."):
        parts = name.split(".")
        yield from (".".join(parts[:end]) for end in range(1, len(parts) + 1))


def folder_digest(folder: Path) -> str:
    """Return a digest of all files in a folder, names and contents."""
    digest = hashlib.sha256()
    for file in sorted(folder.iterdir()):
        digest.update(file.name.encode())
        with file.open("rb") as opened:
            digest.update(hashlib.file_digest(opened, "sha256").digest())
    return digest.hexdigest()[:16]


def git_state(repository: Path) -> dict[str, str | bool]:
    """Return the commit and whether tracked files differ from it; empty outside a git checkout."""

    def git(*arguments: str) -> str:
        command = ["git", "-C", str(repository), *arguments]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    return {
        "git_commit": git("rev-parse", "HEAD"),
        "dirty": bool(git("status", "--porcelain", "--untracked-files=no")),
    }


def environment() -> dict[str, str | int | float | bool]:
    """Describe this machine and its software, as far as they affect measurements."""
    from threadpoolctl import threadpool_info

    machine = this_machine()
    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    blas = {f"{info['internal_api']} {info['version']}" for info in threadpool_info()}
    return {
        "host": socket.gethostname(),
        "cpu_model": _cpu_model(),
        "cores": psutil.cpu_count() or 0,
        "affinity": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
        "usable_cores": machine.usable_cores,
        "governor": governor.read_text().strip() if governor.exists() else "not readable",
        "memory_gb": round(machine.memory_bytes / 2**30, 1),
        "blas": ", ".join(sorted(blas)),
        "threads_per_worker": 1,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package.replace("-", "_"): _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a host that only runs trials may lack some
        return "not installed"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
