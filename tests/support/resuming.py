"""What the tests of resumed work share: counting what is done, stopping it, bending its files."""

import errno
import threading

import pandas as pd
import torch

from influence_core.disk import checkpoint as disk_checkpoint
from influence_core.disk.checkpoint import FOLDER
from influence_core.training.heads import checkpoint as head_checkpoint
from influence_core.training.heads.loop import HeadLoop


def counted(monkeypatch, owner, name):
    """A list with one entry for each call of `owner.name` from now on."""
    real, calls = getattr(owner, name), []

    def count(*args, **kwargs):
        calls.append(1)
        return real(*args, **kwargs)

    monkeypatch.setattr(owner, name, count)
    return calls


def cancelled_after_saves(monkeypatch, number):
    """A cancel that is set when so many epochs were kept, and a list with one entry an epoch."""
    monkeypatch.setattr(head_checkpoint, "SECONDS", 0.0)
    save, cancel, saved = head_checkpoint.HeadCheckpoint.save, threading.Event(), []

    def stop(self, state, so_far):
        save(self, state, so_far)
        saved.append(1)
        if len(saved) == number:
            cancel.set()

    monkeypatch.setattr(head_checkpoint.HeadCheckpoint, "save", stop)
    return cancel, counted(monkeypatch, HeadLoop, "epoch")


def full_disk(monkeypatch):
    """No part can be written from now on; a list with one entry for each that was tried."""
    tried = []

    def full(*args, **kwargs):
        tried.append(args)
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(disk_checkpoint, "save_file", full)
    return tried


def damaged(path):
    """Leave the file damaged in one way after another."""
    whole = path.read_bytes()
    turned = bytearray(whole)
    turned[-1] ^= 1  # in a number
    for content in (b"no checkpoint", whole[:-9], bytes(turned)):
        path.write_bytes(content)
        yield


def left(session):
    """Files of unfinished work."""
    return list((session.project.root / FOLDER).glob("*"))


def assert_same_run(one, other):
    """Equal to the bit, tables and curves too."""
    a, b = one.tensors(), other.tensors()
    assert a.keys() == b.keys()
    assert all(torch.equal(a[name], b[name]) for name in a)
    pd.testing.assert_frame_equal(one.table("rows"), other.table("rows"), check_exact=True)
    assert one.progress() == other.progress()
    assert one.record.metrics == other.record.metrics
