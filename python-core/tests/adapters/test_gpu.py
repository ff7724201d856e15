"""With a program that is made up: there is no GPU where these tests run."""

import os
import time
from pathlib import Path

import pytest
from espalier.adapters import machine
from espalier.adapters.machine import GpuProbe


def test_where_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine, "_GPU_DEVICE", "/nonexistent")
    probe = GpuProbe()
    assert not probe.is_there and probe.held_by({1}, 0.0) is None and not probe.owns(1)


def test_the_answer_is_there_for_the_next_sample(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = tmp_path / "nvidia-smi"
    program.write_text("#!/bin/sh\necho '11, 100'\necho '11, 20'\necho '12, 5'\necho 'x, [N/A]'\n")
    program.chmod(0o755)
    monkeypatch.setattr(machine, "_GPU_DEVICE", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path), prepend=os.pathsep)
    probe = GpuProbe()
    assert probe.is_there and probe.held_by({11}, 100.0) is None
    (child,) = probe.running()
    os.waitpid(child, 0)
    assert probe.owns(child) and not probe.running() and not probe.owns(child)
    assert probe.held_by({11}, 101.0) == 120 << 20 and probe.held_by({12, 13}, 102.0) == 5 << 20
    assert not probe.running(), "asked once a minute"
    probe.held_by({11}, 161.0)
    (child,) = probe.running()
    os.waitpid(child, 0)
    time.sleep(0)
    assert probe.owns(child)
