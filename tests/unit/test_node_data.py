"""Data reach a node once, and are gone from it when nobody needs them any more."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import ray

from sysstop.data.split import load_split
from sysstop.search.node_data import NodeCopy, put_folder
from sysstop.search.ray_session import ray_session

pytestmark = pytest.mark.machine


@pytest.fixture(scope="module", autouse=True)
def session():
    with ray_session("local", workers=1):
        yield


@pytest.fixture(autouse=True)
def node(tmp_path, monkeypatch):
    """The temporary folder of the node."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    return tmp_path


def copies(node):
    return [path for path in node.glob("sysstop-data-*/*") if path.name != ".lock"]


def test_a_copy_holds_the_data_bit_for_bit(split_folder, classification_split):
    copy = NodeCopy(put_folder(split_folder, "digest"))
    there = load_split(copy.folder)
    assert np.array_equal(there.train_features, classification_split.train_features)
    assert there.class_labels == classification_split.class_labels
    copy.release()


def test_all_processes_of_a_node_share_a_copy_which_goes_with_the_last(split_folder, node):
    stored = put_folder(split_folder, "digest")
    first, second = NodeCopy(stored), NodeCopy(stored)
    assert first.folder == second.folder
    assert copies(node) == [first.folder]
    first.release()
    assert copies(node) == [second.folder]
    second.release()
    assert copies(node) == []


def test_a_copy_is_read_from_the_object_store_once(split_folder, monkeypatch):
    stored, reads = put_folder(split_folder, "digest"), []
    get = ray.get
    monkeypatch.setattr(ray, "get", lambda ref: reads.append(ref) or get(ref))
    held = [NodeCopy(stored) for _ in range(3)]
    assert len(reads) == 1
    for copy in held:
        copy.release()


def test_the_copy_of_another_search_stays_while_it_is_held(split_folder, node):
    held = NodeCopy(put_folder(split_folder, "one"))
    other = NodeCopy(put_folder(split_folder, "other"))
    assert set(copies(node)) == {held.folder, other.folder}
    held.release()
    assert copies(node) == [other.folder]
    other.release()


def test_what_a_killed_process_left_behind_is_removed(split_folder, node):
    held = NodeCopy(put_folder(split_folder, "one"))
    left = held.folder.with_name("left")
    left.mkdir()
    code = "import fcntl, os, sys; fcntl.flock(os.open(sys.argv[1], os.O_RDONLY), fcntl.LOCK_SH)"
    code += "; print(flush=True); sys.stdin.read()"
    command = [sys.executable, "-c", code, str(left)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as holder:
        holder.stdout.readline()
        other = NodeCopy(put_folder(split_folder, "other"))
        assert left.exists()
        other.release()
        holder.kill()
    NodeCopy(put_folder(split_folder, "third")).release()
    assert not left.exists()
    held.release()


def test_nobody_else_may_read_the_copies(split_folder, node):
    copy = NodeCopy(put_folder(split_folder, "digest"))
    assert Path(copy.folder).parent.stat().st_mode & 0o077 == 0
    copy.release()
