"""Where results come from: the code they depend on, and the machine and software that made them."""

import ast
import hashlib
import os
import platform
import socket
import subprocess
from collections.abc import Iterable
from importlib import metadata
from pathlib import Path

import psutil

LIBRARY = Path(__file__).parents[1]
PACKAGES = ("scikit-learn", "numpy", "scipy", "ray", "mlflow", "psutil", "snakemake", "pandas")


def code_digest(script: Path) -> str:
    """Return a digest of the modules of this library that a script imports, directly or not.

    Comments, docstrings and layout do not count. Snakemake does not see changes in imported modules;
    as a rule's parameter the digest makes it rerun what depends on them, and nothing else.
    """
    modules: dict[Path, str] = {}
    _collect_modules(script, modules)
    lines = [f"{path.name} {modules[path]}" for path in sorted(modules)]
    return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]


def _collect_modules(file: Path, modules: dict[Path, str]) -> None:
    tree = ast.parse(file.read_text())
    for module in _imported_modules(tree):
        if module not in modules:
            modules[module] = _code_of(module)
            _collect_modules(module, modules)


def _imported_modules(tree: ast.AST) -> Iterable[Path]:
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.Constant) and node.value in _library_modules():
            names = [node.value]  # a module that runs in a process of its own, `python -m NAME`
        else:
            continue
        for name in names:
            if name.split(".")[0] == LIBRARY.name:
                path = LIBRARY.joinpath(*name.split(".")[1:])
                yield from (
                    p for p in (path.with_suffix(".py"), path / "__init__.py") if p.exists()
                )


def _library_modules() -> set[str]:
    return {f"{LIBRARY.name}.{path.stem}" for path in LIBRARY.glob("*.py")}


def _code_of(module: Path) -> str:
    tree = ast.parse(module.read_text())
    for node in ast.walk(tree):
        documented = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef
        if isinstance(node, documented) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


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
    """Describe this machine and its software, as far as it bears on measurements."""
    from threadpoolctl import threadpool_info

    governor = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
    blas = {f"{info['internal_api']} {info['version']}" for info in threadpool_info()}
    return {
        "host": socket.gethostname(),
        "cpu_model": _cpu_model(),
        "cores": psutil.cpu_count() or 0,
        "affinity": ",".join(map(str, sorted(os.sched_getaffinity(0)))),
        "governor": governor.read_text().strip() if governor.exists() else "not readable",
        "memory_gb": round(psutil.virtual_memory().total / 2**30, 1),
        "blas": ", ".join(sorted(blas)),
        "threads_per_worker": 1,
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package.replace("-", "_"): _version(package) for package in PACKAGES},
    }


def _version(package: str) -> str:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:  # a host that only runs trials need not have them all
        return "not installed"


def _cpu_model() -> str:
    for line in Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.partition(":")[2].strip()
    return platform.processor()
