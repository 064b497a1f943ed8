"""apt's, dpkg's and ip's words as facts."""

from __future__ import annotations

import pytest

from standfast.model.errors import OutsideError
from standfast.model.hostwork import PendingUpdate, RebootSign, WorkPhase
from standfast.updates.answers import read_answer
from standfast.updates.facts import health, host_facts
from standfast.updates.pending import is_security, kept_back, kernel_key, needed, parse_inst, update_state


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (
            "Inst openssl [3.5.1-1] (3.5.1-1+deb13u1 Debian-Security:13/stable-security [amd64])",
            PendingUpdate(
                "openssl", "3.5.1-1", "3.5.1-1+deb13u1", "Debian-Security:13/stable-security", True, "amd64"
            ),
        ),
        (
            "Inst libc6 [2.41-12] (2.41-13 Debian:13.2/stable [amd64]) []",
            PendingUpdate("libc6", "2.41-12", "2.41-13", "Debian:13.2/stable", False, "amd64"),
        ),
        (
            "Inst linux-image-6.12.50-amd64 (6.12.50-1 Debian:13.2/stable, Debian-Security:13/s [amd64])",
            PendingUpdate(
                "linux-image-6.12.50-amd64",
                "",
                "6.12.50-1",
                "Debian:13.2/stable, Debian-Security:13/s",
                True,
                "amd64",
            ),
        ),
        (
            "Inst tzdata [2025a-0u] (2025b-0u Ubuntu:22.04/jammy-updates [all])",
            PendingUpdate("tzdata", "2025a-0u", "2025b-0u", "Ubuntu:22.04/jammy-updates", False, "all"),
        ),
        ("Inst local [1] (2 [amd64])", PendingUpdate("local", "1", "2", "", False, "amd64")),
    ],
)  # fmt: skip
def test_inst_lines(line: str, expected: PendingUpdate) -> None:
    assert list(parse_inst([line])) == [expected]


@pytest.mark.parametrize("line", ["Conf libc6 (2.41-13 X [amd64])", "Remv old [1]", "Reading lists...", ""])
def test_other_lines_are_no_updates(line: str) -> None:
    assert list(parse_inst([line])) == []


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        ("Debian-Security:13/stable-security", True),
        ("Ubuntu:24.04/noble-security", True),
        ("UbuntuESM:22.04/jammy-infra-security", True),
        ("Debian:13/stable", False),
        ("Proxmox:/stable", False),
        ("", False),
    ],
)
def test_security_by_origin(origin: str, expected: bool) -> None:
    assert is_security(origin) is expected


MORE = "of additional disk space will be used."


def test_names_that_are_kept_back() -> None:
    lines = [
        "The following packages have been kept back:",
        "  qemu-system-x86 libvirt-daemon",
        "  seabios",
        "The following packages will be upgraded:",
        "  other",
    ]
    assert list(kept_back(lines)) == ["qemu-system-x86", "libvirt-daemon", "seabios"]


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        ([], None),
        (["Need to get 82.7 kB of archives.", f"After this operation, 0 B {MORE}"], 82_700),
        (["Need to get 0 B/12.3 MB of archives."], 0),
        (["After this operation, 1,024 kB disk space will be freed."], 0),
        (["Need to get 1,250 MB of archives.", f"After this operation, 2 GB {MORE}"], 3_250_000_000),
        (["Need to get 5,000 B/9,000 B of archives."], 5_000),
    ],
)  # fmt: skip
def test_sizes(lines: list[str], expected: int | None) -> None:
    assert needed(lines) == expected


@pytest.mark.parametrize(
    ("running", "newer"),
    [
        ("6.12.48-amd64", True),
        ("6.12.50-amd64", False),
        ("6.12.50-cloud-amd64", False),
        ("6.13.1-amd64", False),
        ("6.9.9-amd64", True),
    ],
)
def test_a_newer_kernel_is_a_sign(running: str, newer: bool) -> None:
    answer = read_answer(
        "h",
        f"kernel={running}\nkernel|ii  linux-image-6.12.48-amd64\nkernel|ii  linux-image-6.12.50-amd64\n"
        "kernel|rc  linux-image-7.0.0-amd64\nboot_kernel=6.12.48-amd64\nboot_kernel=6.12.50-amd64\n"
        "boot_kernel=7.0.0-amd64\nboot_kernel=9.9-home-made\nend=yes\n",
    )
    assert (RebootSign.NEWER_KERNEL in update_state(answer, 0.0).reboot_signs) is newer


def test_no_kernel_of_its_own_no_sign() -> None:
    answer = read_answer("h", "kernel=6.1.0-1-amd64\nboot_kernel=6.12.50-amd64\nend=yes\n")
    assert update_state(answer, 0.0).reboot_signs == ()


@pytest.mark.parametrize(
    ("release", "key"),
    [("6.1.0-18-amd64", (6, 1, 0, 18)), ("6.8.12-5-pve", (6, 8, 12, 5)), ("", ())],
)  # fmt: skip
def test_kernel_versions_compare_by_number(release: str, key: tuple[int, ...]) -> None:
    assert kernel_key(release) == key


@pytest.mark.parametrize(("status", "sign"), [("0", False), ("1", False), ("2", True), ("3", True)])
def test_needrestart(status: str, sign: bool) -> None:
    answer = read_answer("h", f"needrestart|NEEDRESTART-KSTA: {status}\nend=yes\n")
    assert (RebootSign.NEEDRESTART in update_state(answer, 0.0).reboot_signs) is sign


@pytest.mark.parametrize("text", ["", "boot_id=x\n", "boot_id=x\nend=ye", "sh: not found"])
def test_half_an_answer_proves_nothing(text: str) -> None:
    with pytest.raises(OutsideError):
        read_answer("h", text)


def test_values_may_hold_marks_and_marked_lines_equals() -> None:
    answer = read_answer("h", "a=b|c=d\nsim|x=y|z\nend=yes\n")
    assert answer.get("a") == "b|c=d"
    assert answer.lines("sim") == ("x=y|z",)


def test_a_unit_in_a_state_of_a_newer_release_counts_as_failed() -> None:
    text = "boot_id=b\nwork=u\nwork.phase=dreaming\nwork.detail=a\x1fb\nwork.exit_code=x\nend=yes\n"
    [work] = host_facts(read_answer("h", text)).works
    assert (work.phase, work.detail, work.exit_code) == (WorkPhase.FAILED, "a\nb", None)


def test_uptime_counts_from_the_first_process() -> None:
    answer = read_answer("h", "boot_id=b\nuptime=100.50\nfirst_tick=9000\nend=yes\n")
    assert host_facts(answer).uptime_seconds == 10.5


def test_links_are_those_of_the_host() -> None:
    answer = read_answer(
        "h",
        "boot_id=b\nclock=100.0\nclock_end=102.0\n"
        "link|1: lo: <LOOPBACK,UP,LOWER_UP> mtu\nlink|2: eth0@if7: <BROADCAST,UP,LOWER_UP> mtu\n"
        "link|3: eth1: <NO-CARRIER,BROADCAST,UP> mtu\nlink|4: br0: <BROADCAST,UP,LOWER_UP> mtu\n"
        "link|5: vnet7: <BROADCAST,UP,LOWER_UP> mtu\nbridge|4: br0: <BROADCAST,UP,LOWER_UP> mtu\n"
        "mount|/\nmount|/mnt/a\\x20b\nnetwork=default\nhypervisor=up\nend=yes\n",
    )
    found = health(answer, 90.0, 92.0)
    assert found.links_up == {"eth0"}
    assert found.mounts == {"/", "/mnt/a b"}
    assert found.networks == {"default", "bridge:br0"}
    assert found.clock_skew_seconds == 10.0
