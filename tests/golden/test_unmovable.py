"""A VM that can't move, on the command line: said beforehand, told aloud, asked for, and on record."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from golden.conftest import CONFIG, Place
from standfast.platforms.simulated import FileWorld, SimSpec

SPEC = SimSpec(hosts=3, vms=4, local_disks=(1,), cluster="play", boot_seconds=20.0)


@pytest.fixture
def local(place: Place) -> Place:
    """vm2 on host2 has its disk there alone."""
    world = FileWorld.create(place.path / "world.json", SPEC)
    world.agree(world.vm_id("vm2"))
    return place


def test_without_a_word_the_plan_is_refused_and_says_how_to_give_one(local: Place) -> None:
    printed = local.run("plan")
    assert printed.code == 5
    assert "REFUSED: vm2 has its disk vda (/var/lib/images/vm2.qcow2) on its host alone." in printed.out
    assert "Or say beforehand what shall be done: --unmovable vm2=skip, hold or consent." in printed.out


def test_a_consent_is_told_aloud_asked_about_carried_out_and_reported(local: Place) -> None:
    printed = local.run("plan", "--unmovable", "vm2=consent")
    assert printed.code == 0
    [line] = [line for line in printed.out.splitlines() if "SHUT DOWN" in line]
    assert line.startswith("   SHUT DOWN vm2, then start it again on host2: off for about ")
    assert "; never forced. Consent: alice, --unmovable. vm2 has its disk vda (/var/lib" in line
    applied = local.run("apply", "standfast-plan.json", "--yes")
    assert applied.code == 0, applied.err
    for words in (
        "alice consented (--unmovable) to a clean shutdown and a cold start around the reboot of host2",
        "vm2: asked to shut down (consent of alice, --unmovable)",
        "vm2: shut down cleanly after ",
        "vm2: runs again on host2, off for ",
    ):
        assert words in applied.err, words
    assert "Shut down with consent\n  VM " in applied.out
    told = json.loads(local.run("run", "report", "--json").out)
    [stop] = told["off"]
    assert (stop["vm"], stop["host"], stop["consent_by"], stop["consent_where"]) == (
        "vm2",
        "host2",
        "alice",
        "--unmovable",
    )
    assert stop["ended_how"] == "shutdown"
    assert stop["asked_at"] < stop["off_at"] < stop["back_at"]
    world = FileWorld(local.path / "world.json")
    assert world.violations == ()
    assert world.not_given_back == ()


def test_the_config_says_it_by_name_and_the_plan_says_where(local: Place) -> None:
    local.write("standfast.yaml", CONFIG + "    rules: {unmovable: {vm2: skip}}\n")
    printed = local.run("plan")
    assert printed.code == 0
    assert "Left alone: host2: host2 is skipped, as alice said ({dir}/standfast.yaml:6): vm2" in printed.out


def test_an_option_outdoes_the_config(local: Place) -> None:
    local.write("standfast.yaml", CONFIG + "    rules: {unmovable: {vm2: skip}}\n")
    printed = local.run("plan", "--unmovable", "vm2=hold")
    assert "   HOLD before host2 is touched, because of vm2 (alice, --unmovable): vm2 has its" in printed.out


def test_who_applies_may_consent_where_the_plan_would_hold(local: Place) -> None:
    assert local.run("plan", "--unmovable", "vm2=hold").code == 0
    applied = local.run("apply", "standfast-plan.json", "--yes", "--consent", "vm2")
    assert applied.code == 0, applied.err
    assert "alice consented (apply --consent) to a clean shutdown" in applied.err


def test_a_consent_that_nobody_asked_for_changes_nothing(local: Place) -> None:
    assert local.run("plan", "--unmovable", "vm2=hold").code == 0
    applied = local.run("apply", "standfast-plan.json", "--yes", "--consent", "vm3")
    assert applied.code == 2
    assert "the plan does not hold for a VM 'vm3': it holds for vm2." in applied.err
    assert not list((local.path / "state").glob("*.lock"))


@pytest.mark.parametrize("word", ["vm2", "vm2=shutdown", "=consent", "vm2="])
def test_a_word_that_makes_no_sense_is_refused_with_those_that_do(place: Place, word: str) -> None:
    printed = place.run("plan", "--unmovable", word)
    assert printed.code == 2
    assert "Write it as VM=WORD with one of skip, hold, consent, force." in printed.err


def test_two_words_about_one_vm_are_refused(place: Place) -> None:
    printed = place.run("plan", "--unmovable", "vm2=skip", "--unmovable", "vm2=hold")
    assert printed.code == 2
    assert "--unmovable says two things of 'vm2'" in printed.err


def test_a_name_that_no_vm_bears_is_refused(place: Place) -> None:
    printed = place.run("plan", "--unmovable", "vm9=consent")
    assert printed.code == 2
    assert "names VM 'vm9'" in printed.err


def test_a_word_about_a_vm_that_can_move_is_said_to_be_of_no_use(place: Place) -> None:
    printed = place.run("plan", "--unmovable", "vm2=consent")
    assert printed.code == 0
    assert "--unmovable vm2=consent is not needed" in printed.err
    assert "SHUT DOWN" not in printed.out


def test_a_word_in_the_config_that_is_none_is_an_error_with_its_line(place: Place) -> None:
    place.write("standfast.yaml", CONFIG + "    rules:\n      unmovable:\n        vm2: stop\n")
    printed = place.run("plan")
    assert printed.code == 2
    assert "standfast.yaml:8" in printed.err


def test_a_copied_world_is_its_own(local: Place, tmp_path: Path) -> None:
    """The plan of one cluster can't shut anything down in another: its VMs have other ids."""
    assert local.run("plan", "--unmovable", "vm2=consent").code == 0
    shutil.copy(local.path / "standfast-plan.json", local.path / "plan.json")
    FileWorld.create(local.path / "world.json", SimSpec(hosts=3, vms=4, cluster="play", seed=7))
    applied = local.run("apply", "plan.json", "--yes")
    assert applied.code == 5
