"""A lab finds its own processes, and only those."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from standfast.lab import processes


def test_a_pid_file_of_a_dead_process_names_nobody_even_if_the_pid_lives(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    mine = {"pid": os.getpid(), "start_time": processes.start_time(os.getpid())}
    file.write_text(json.dumps(mine))
    assert processes.recorded_process(file) == os.getpid()
    file.write_text(json.dumps({**mine, "start_time": 1}))
    assert processes.recorded_process(file) is None
    assert processes.recorded_process(tmp_path / "absent") is None


def test_a_helper_is_known_by_its_module_and_directory_and_a_bystander_is_left_alone(tmp_path: Path) -> None:
    lab = tmp_path / "lab"
    sleep = "import time; time.sleep(60)"
    helper = [sys.executable, "-c", sleep, "standfast.lab.supervisor", "--host-dir", f"{lab}/hosts/kvm1"]
    other_lab = [*helper[:-1], f"{lab}-2/hosts/kvm1"]
    bystander = [sys.executable, "-c", sleep, f"{lab}/notes.txt"]
    started = [subprocess.Popen(argv) for argv in (helper, other_lab, bystander)]
    try:
        assert processes.helper_processes(lab) == [started[0].pid]
        processes.kill_until_gone(lambda: processes.helper_processes(lab), what="test")
        assert started[0].wait(5) == -9
        assert [each.poll() for each in started[1:]] == [None, None]
    finally:
        for each in started:
            each.kill()
            each.wait()
