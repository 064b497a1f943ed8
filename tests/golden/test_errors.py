"""Failures on the command line: one sentence or one JSON object, and the documented exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from .conftest import CONFIG, Place

COPIES = True


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("scann",), "Error: There is no command 'scann'. Did you mean 'scan'?"),
        (("run", "stop"), "Error: No such command 'stop'."),
        (("plan", "--fast"), "Error: No such option '--fast'."),
        (("apply",), "Error: Missing argument 'PLAN'."),
        (
            ("completion", "tcsh"),
            "Error: Invalid value for '{bash|zsh|fish}': 'tcsh' is not one of 'bash', 'zsh', 'fish'.",
        ),
    ],
)
def test_usage_errors_end_with_2(place: Place, words: tuple[str, ...], sentence: str) -> None:
    printed = place.run(*words)
    assert (printed.out, printed.code) == ("", 2)
    assert printed.err.splitlines()[-1].startswith(sentence.split("'{")[0])


def test_json_is_asked_for_before_a_verb_of_the_lab_or_behind_it(place: Place) -> None:
    for words in (("--json", "lab", "list"), ("lab", "list", "--json")):
        printed = place.run(*words)
        assert printed.code == 0
        assert isinstance(json.loads(printed.out)["labs"], list)


def test_errors_have_one_json_shape(place: Place) -> None:
    for words in (
        ("scan", "--json", "--cluster", "x"),
        ("--json", "plan", "--nonsense"),
        ("apply", "no.json", "--json"),
    ):
        printed = place.run(*words)
        assert printed.code == 2
        told = json.loads(printed.out)
        assert set(told) == {"error"}
        assert set(told["error"]) == {"code", "what", "where", "why", "do", "exit_code"}
        assert told["error"]["exit_code"] == 2


def test_config_errors_name_file_and_line(place: Place) -> None:
    place.write("standfast.yaml", "clusters:\n  play:\n    platfrom: simulated\n")
    printed = place.run("scan")
    assert (printed.out, printed.err, printed.code) == (
        "",
        "standfast: {dir}/standfast.yaml:3: unknown key 'platfrom'. Did you mean 'platform'?\n",
        2,
    )


def test_no_config(place: Place) -> None:
    printed = place.run("scan", env={"STANDFAST_CONFIG": "nowhere.yaml"})
    assert (printed.out, printed.code) == ("", 2)
    assert printed.err == (
        "standfast: nowhere.yaml: there is no such config. `standfast init URI…` writes one; "
        "`standfast config schema` says what may stand in it.\n"
    )


def test_config_check(place: Place) -> None:
    assert place.run("config", "check").out == (
        "{dir}/standfast.yaml: cluster play, simulated, 3 hosts: can be used.\n"
    )
    assert json.loads(place.run("config", "check", "--json").out)["clusters"] == {"play": 3}


def test_config_check_knows_the_hosts_of_a_world(place: Place) -> None:
    place.write("standfast.yaml", f"{CONFIG}    rules: {{pins: {{vm2: [host1, hots2]}}}}\n")
    sentence = (
        "standfast: {dir}/standfast.yaml:6: VM 'vm2' is pinned to an unknown host 'hots2'. "
        "Did you mean 'host2'?\n"
    )
    printed = place.run("config", "check")
    assert (printed.out, printed.err, printed.code) == ("", sentence, 2)
    assert not (place.path / "world.json").exists()
    place.write("standfast.yaml", CONFIG)
    place.run("scan")
    place.write("standfast.yaml", CONFIG.replace("hosts: 3", "hosts: 5"))
    printed = place.run("config", "check")
    assert printed.out == "{dir}/standfast.yaml: cluster play, simulated, 3 hosts: can be used.\n"
    assert printed.err == (
        "Cluster play: its world {dir}/world.json is there already, so 'hosts' and 'vms' count for nothing. "
        "Remove that file to have it made anew.\n"
    )


def test_rules_for_vms_that_there_are_not(place: Place) -> None:
    place.write("standfast.yaml", f"{CONFIG}    rules: {{anti_affinity: {{dag: [vm1, vm22]}}}}\n")
    sentence = (
        "{dir}/standfast.yaml:6: anti-affinity rule 'dag' names VM 'vm22', and cluster 'play' has none of "
        "that name. Did you mean 'vm2'?"
    )
    assert place.run("config", "check").code == 0
    scanned = place.run("scan")
    assert (scanned.err, scanned.code) == (f"Warning: {sentence}\n", 0)
    assert json.loads(place.run("scan", "--json").out)["warnings"][0].endswith("Did you mean 'vm2'?")
    assert place.run("scan", "--host", "host1").err == ""
    planned = place.run("plan")
    assert (planned.out, planned.code) == ("", 2)
    assert planned.err.endswith(f"standfast: {sentence}\n")
    saved = place.run("snapshot", "save", "cluster.json")
    assert (saved.err, saved.code) == (f"Warning: {sentence}\nWrote cluster.json: 3 hosts, 4 VMs.\n", 0)


def test_options_may_stand_before_and_behind_the_verb(place: Place) -> None:
    place.write("other.yaml", "clusters: {}\n")
    for words in (("-c", "other.yaml", "config", "check"), ("config", "check", "-c", "other.yaml")):
        assert place.run(*words).err == (
            "standfast: other.yaml:1: the config has no cluster in it. "
            "Write one under 'clusters', or let `standfast init URI…` do it.\n"
        )


def test_there_are_no_runs_yet(place: Place) -> None:
    printed = place.run("run", "list")
    assert (printed.out, printed.code) == ("", 0)
    assert printed.err == "There are no runs yet. `standfast plan`, then `standfast apply PLAN` begins one.\n"
    for verb in ("show", "watch", "report", "pause", "resume", "cancel", "abandon"):
        printed = place.run("run", verb)
        assert (printed.code, printed.err) == (
            5,
            "standfast: {dir}/state: there are no runs yet. `standfast plan`, then `standfast apply PLAN` "
            "begins one; --state-dir names another place.\n",
        )
    assert not (place.path / "state").exists(), "looking changes nothing"
    assert place.run("run", "list", "--cluster", "play").err == (
        "Cluster play has no runs yet. `standfast plan`, then `standfast apply PLAN` begins one.\n"
    )


def test_runs_of_a_cluster_that_there_never_was(place: Place) -> None:
    for words in (("run", "list"), ("history",)):
        printed = place.run(*words, "--cluster", "plya")
        assert (printed.out, printed.code) == ("", 2)
        assert printed.err == (
            "standfast: {dir}/standfast.yaml: there is no cluster 'plya'. Did you mean 'play'?\n"
        )


@pytest.mark.parametrize("verb", ["show", "watch", "report", "pause", "resume", "cancel", "abandon"])
def test_an_empty_run_is_not_the_only_one(finished: Place, verb: str) -> None:
    printed = finished.run("run", verb, "")
    assert (printed.out, printed.code) == ("", 2)
    assert printed.err == ("standfast: no run is named. Write its id, the beginning of one, or `last`.\n")


@pytest.mark.parametrize("words", [("status",), ("config",), ("down",), ("up",), ("shell", "kvm1")])
def test_lab_names_that_will_not_do(place: Place, words: tuple[str, ...]) -> None:
    for name in ("", "../x", "a b"):
        printed = place.run("lab", *words, "--name", name)
        if printed.code == 5:
            pytest.skip(printed.err)
        assert (printed.out, printed.code) == ("", 2)
        assert printed.err.startswith(f"standfast lab: The lab name {name!r} will not do: ")
    told = json.loads(place.run("--json", "lab", *words, "--name", "").out)
    assert told["error"]["exit_code"] == 2


def test_options_that_name_no_host(place: Place) -> None:
    for option in ("--hosts", "--exclude"):
        printed = place.run("plan", option, " , ")
        assert (printed.code, printed.err) == (
            2,
            f"standfast: {option} names no host. Name some, or leave it out.\n",
        )


def test_what_cant_be_measured_is_said(place: Place) -> None:
    printed = place.run("plan", "--measure", "15")
    said = "standfast: play: VMs of this platform can't be measured. Leave --measure out.\n"
    assert (printed.code, printed.err.splitlines(keepends=True)[-1]) == (2, said)
    place.run("snapshot", "save", "cluster.json")
    printed = place.run("plan", "--snapshot", "cluster.json", "--measure", "15")
    said = "standfast: a file can't be measured. Leave --snapshot or --measure out.\n"
    assert (printed.code, printed.err) == (2, said)


def test_a_file_in_the_place_of_the_state_directory_is_not_told_as_no_runs(place: Place) -> None:
    place.write("file", "")
    printed = place.run("run", "list", "--state-dir", "file")
    assert (printed.err, printed.code) == (
        "standfast: file: this can be no state directory: a file is in its place. "
        "Name another with --state-dir.\n",
        2,
    )
    assert place.run("run", "list", "--state-dir", "elsewhere").err == (
        "There are no runs yet in elsewhere. `standfast plan`, then `standfast apply PLAN` begins one.\n"
    )


def test_a_host_that_is_both_named_and_excluded(place: Place) -> None:
    printed = place.run("plan", "--hosts", "host1,host2", "--exclude", "host2")
    assert printed.code == 2
    said = "standfast: --hosts and --exclude both name host2. Leave it out of one of the two.\n"
    assert printed.err.endswith(said)


def test_a_state_directory_that_cant_be_made(place: Place) -> None:
    place.write("file", "")
    printed = place.run("serve", "--until-idle", "--state-dir", "file/state")
    assert (printed.err, printed.code) == (
        "standfast: file/state: can't make the state directory: Not a directory. "
        "Name another with --state-dir.\n",
        2,
    )


def test_init_refuses_what_is_no_address_or_is_there(place: Place) -> None:
    printed = place.run("init", "qemu+ssh://root@kvm1/system")
    assert printed.code == 5
    assert printed.err == (
        "standfast: {dir}/standfast.yaml: there is a config already. "
        "Name another file with --config, or replace it with --force-overwrite.\n"
    )
    for uri, sentence in (
        (
            "kvm1",
            "standfast: 'kvm1' is no libvirt URI of a QEMU host. Write it as qemu+ssh://root@HOST/system.\n",
        ),
        (
            "qemu:///system",
            "standfast: 'qemu:///system' names no machine. Write it as qemu+ssh://root@HOST/system.\n",
        ),
        (
            "qemu+ssh://-o/system",
            "standfast: 'qemu+ssh://-o/system' names no machine. Write it as qemu+ssh://root@HOST/system.\n",
        ),
        (
            "qemu+ssh://root@-oProxyCommand=touch%20{dir}%2Fx/system",
            "standfast: 'qemu+ssh://root@-oProxyCommand=touch%20{dir}%2Fx/system' names no machine. "
            "Write it as qemu+ssh://root@HOST/system.\n",
        ),
    ):
        printed = place.run("init", "--config", "new.yaml", uri)
        assert (printed.err, printed.code) == (sentence, 2)
    twice = place.run("init", "-c", "new.yaml", "qemu+ssh://root@kvm1/system", "qemu+ssh://kvm1/system")
    assert (twice.err, twice.code) == ("standfast: host 'kvm1' is given twice. Give each host once.\n", 2)
    assert not (place.path / "new.yaml").exists()


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ("--cluster", "a\nb"),
            "--cluster: 'a\\nb' is no name. Use printable characters on one line.",
        ),
        (("--cluster", " "), "--cluster: ' ' is no name. Use printable characters on one line."),
        (
            ("--shared-path", "srv/vm"),
            "--shared-path: shared path 'srv/vm' does not begin with '/'. "
            "Write the whole path, as the hosts see it.",
        ),
        (
            ("--config", "file/new.yaml"),
            "file/new.yaml: the config can't be written there: file is no directory. "
            "Name another with --config.",
        ),
    ],
)
def test_init_looks_at_its_options_before_it_asks_any_host(
    place: Place, words: tuple[str, ...], sentence: str
) -> None:
    place.write("file", "")
    printed = place.run("init", "--config", "new.yaml", *words, "qemu+ssh://root@kvm1/system")
    assert (printed.err, printed.code) == (f"standfast: {sentence}\n", 2)
    assert not (place.path / "new.yaml").exists()


@pytest.mark.parametrize(
    ("make", "why"),
    [
        (lambda path: path.mkdir(), "it is a directory"),
        (lambda path: path.symlink_to("gone"), "it is a link to gone, which is not there"),
        (os.mkfifo, "it is a device, a pipe or a socket"),
    ],
    ids=["directory", "broken link", "pipe"],
)
def test_what_is_no_store_is_left_alone(place: Place, make: Callable[[Path], None], why: str) -> None:
    (place.path / "state").mkdir()
    make(place.path / "state" / "standfast.db")
    printed = place.run("run", "list")
    assert (printed.err, printed.code) == (
        f"standfast: {{dir}}/state/standfast.db: this is no Standfast store: {why}. It was left alone. "
        "Put a backup in its place, or move it away to begin with an empty store.\n",
        2,
    )


def test_an_empty_path_is_not_the_current_directory(place: Place) -> None:
    for words in (("run", "list", "--state-dir"), ("run", "list", "--config"), ("run", "report", "--csv")):
        printed = place.run(*words, "")
        assert (printed.out, printed.code) == ("", 2)
        assert printed.err.splitlines()[-1].endswith(f"'{words[-1]}': it is empty")
    assert not (place.path / "standfast.db").exists()


def test_output_that_nobody_reads_is_no_error(place: Place) -> None:
    command = f"{sys.executable} -m standfast.cli config schema | head -n 1"
    done = subprocess.run(["sh", "-c", command], cwd=place.path, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")
