"""Data for the trials on the nodes of a Ray cluster, without a file system that they share.

The driver puts a folder's files into Ray's object store, once for each search. Ray brings them to a
node where a trial needs them, and the first process there writes them to the node's own disk. All
trials on the node map that one copy, just as trials on the driver's host map the folder itself.
"""

import contextlib
import fcntl
import os
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import ray

from sysstop.run.lock import alone_in


@dataclass(frozen=True)
class StoredFolder:
    """A folder's files in Ray's object store."""

    digest: str
    """names the files' contents"""
    files: ray.ObjectRef
    """each file's bytes by its name"""


def put_folder(folder: Path, digest: str) -> StoredFolder:
    """Put a folder's files into Ray's object store; `digest` names their contents."""
    contents = {
        file.name: np.asarray(np.memmap(file, mode="r"))
        for file in folder.iterdir()
        if file.stat().st_size  # an empty file cannot be mapped, and Snakemake's timestamp is one
    }
    return StoredFolder(digest, ray.put(contents))


class NodeCopy:
    """A process's hold on its node's copy of a folder; the last process to let go removes the copy.

    A process that is killed lets go too. A copy that it leaves behind is removed by the next
    process that needs another folder on that node.
    """

    def __init__(self, stored: StoredFolder) -> None:
        copies = Path(tempfile.gettempdir()) / f"sysstop-data-{os.getuid()}"
        copies.mkdir(mode=0o700, exist_ok=True)
        self.folder = copies / stored.digest
        with alone_in(copies):
            for other in set(copies.glob("*/")) - {self.folder}:
                _remove_unless_held(other)
            if not self.folder.exists():
                _write(stored, self.folder)
            self._held = os.open(self.folder, os.O_RDONLY)
            fcntl.flock(self._held, fcntl.LOCK_SH)

    def release(self) -> None:
        """Let go of the copy."""
        with alone_in(self.folder.parent):
            os.close(self._held)
            _remove_unless_held(self.folder)


def _write(stored: StoredFolder, folder: Path) -> None:
    """Write the folder whole or not at all."""
    part = folder.with_suffix(".part")
    part.mkdir(exist_ok=True)
    for name, contents in ray.get(stored.files).items():
        contents.tofile(part / name)
    part.rename(folder)


def _remove_unless_held(folder: Path) -> None:
    handle = os.open(folder, os.O_RDONLY)
    with contextlib.suppress(BlockingIOError):
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        shutil.rmtree(folder)
    os.close(handle)
