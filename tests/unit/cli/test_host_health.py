"""The check of a host's hardware that comes with the product: what it says of memory, disks and silence.

The script that it runs on a host runs here, with counters and a smartctl of the test's own.
"""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / "packaging/host-health"
# What a real one prints for a disk by SATA and one by NVMe.
SCAN = """\
/dev/sda -d sat # /dev/sda [SAT], ATA device
/dev/nvme0 -d nvme # /dev/nvme0, NVMe device
"""
SMARTCTL = """\
#!/bin/sh
case "$*" in
--scan) cat <<'END'
{scan}END
;;
'-q silent -H -d sat /dev/sda') exit {sda} ;;
'-q silent -H -d nvme /dev/nvme0') exit {nvme0} ;;
*) exit 1 ;;
esac
"""
SSH = """\
#!/bin/sh
[ "$*" = '-o BatchMode=yes -o ConnectTimeout=10 -F x -- root@kvm1 sh -s' ] || exit 99
{then}
"""


@dataclass(frozen=True, slots=True)
class Place:
    path: Path

    def program(self, name: str, text: str) -> None:
        (self.path / name).write_text(text, encoding="utf-8")
        (self.path / name).chmod(0o755)

    def memory(self, controller: str, errors: int) -> None:
        (self.path / "edac" / controller).mkdir(parents=True)
        (self.path / "edac" / controller / "ue_count").write_text(f"{errors}\n", encoding="ascii")

    def disks(self, sda: int = 0, nvme0: int = 0) -> None:
        self.program("smartctl", SMARTCTL.format(scan=SCAN, sda=sda, nvme0=nvme0))

    def asked(self) -> tuple[int, str]:
        done = subprocess.run(
            [SCRIPT, "root@kvm1", "-F", "x"],
            env={"PATH": f"{self.path}:{os.environ['PATH']}", "EDAC": str(self.path / "edac")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=20,
            check=False,
        )
        assert not done.stderr
        return done.returncode, done.stdout


@pytest.fixture
def place(tmp_path: Path) -> Place:
    made = Place(tmp_path)
    made.program("ssh", SSH.format(then="exec sh -s"))
    return made


def test_a_host_without_counters_and_without_disks_of_its_own_is_well(place: Place) -> None:
    place.program("smartctl", "#!/bin/sh\n")
    assert place.asked() == (0, "")


def test_no_errors_and_disks_that_pass_are_well(place: Place) -> None:
    place.memory("mc0", 0)
    place.disks()
    assert place.asked() == (0, "")


def test_an_uncorrectable_memory_error_is_said_with_its_controller(place: Place) -> None:
    place.memory("mc0", 0)
    place.memory("mc1", 3)
    assert place.asked() == (1, "3 uncorrectable memory errors on mc1\n")


@pytest.mark.parametrize("others", [0, 64, 128])
def test_a_disk_that_calls_itself_failing_is_named_whatever_else_is_in_its_log(
    place: Place, others: int
) -> None:
    place.disks(nvme0=8 | others)
    assert place.asked() == (1, "SMART: /dev/nvme0 is failing\n")


@pytest.mark.parametrize("code", [1, 2, 4, 64, 128])
def test_a_disk_that_can_not_be_asked_or_once_had_errors_is_no_failing_disk(place: Place, code: int) -> None:
    place.disks(sda=code)
    assert place.asked() == (0, "")


def test_a_host_that_does_not_answer_is_not_called_failing(place: Place) -> None:
    place.program("ssh", SSH.format(then="exit 255"))
    assert place.asked() == (75, "")
