"""Real hosts beside a real Alertmanager and a real mail server: who is silent when, and who is told.

One run for the whole file: its controller is killed for longer than a lease, then another one ends it.
"""

from __future__ import annotations

import email
import email.policy
import json
import os
import signal
import socket
import sys
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

import pytest
from aiosmtpd.controller import Controller
from e2e_program import Program, lab_of

from alertmanager_kit import NoAlertmanagerError, RunningAlertmanager, running
from standfast.lab.cluster import Lab
from standfast.lab.spec import LabSpec, default_hosts, default_vms
from standfast.model.ids import RunId
from standfast.model.run import Phase, RunState
from standfast.store import Store

pytestmark = [pytest.mark.lab, pytest.mark.timeout(1200)]

LEASE_SECONDS = 10.0
SOON_SECONDS = 3.0
"""How much earlier or later than its work a host may be silent: a few ticks of half a second."""
LIMIT_SECONDS = 600.0
WORKED_ON = {Phase.DRAINING, Phase.EMPTY, Phase.PATCHING, Phase.REBOOTING, Phase.VERIFYING, Phase.REFILLING}


@pytest.fixture(scope="module")
def own_lab() -> Iterator[Lab]:
    name = f"s{os.getpid()}"
    with lab_of(LabSpec(name=name, hosts=default_hosts(3), vms=default_vms(4))) as up:
        yield up


@pytest.fixture(scope="module")
def alertmanager(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlertmanager]:
    try:
        with running(tmp_path_factory.mktemp("alertmanager")) as real:
            yield real
    except NoAlertmanagerError as error:
        pytest.skip(f"no Alertmanager: {error}")


@dataclass
class Mailbox:
    """What a mail server has taken."""

    subjects: list[str] = field(default_factory=list)

    async def handle_DATA(self, server: Any, session: Any, envelope: Any) -> str:
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        self.subjects.append(str(message["Subject"]))
        return "250 taken"


@pytest.fixture(scope="module")
def mail() -> Iterator[tuple[Mailbox, int]]:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    box = Mailbox()
    controller = Controller(box, hostname="127.0.0.1", port=port)
    controller.start()
    yield box, port
    controller.stop()


@dataclass
class Stage:
    """A run that has begun, with its store, its monitoring and its mailbox."""

    lab: Lab
    program: Program
    store: Store
    run: RunId
    url: str
    box: Mailbox

    def ask(self, path: str, body: object = None) -> Any:
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(
            f"{self.url}/api/v2/{path}", data, {"Content-Type": "application/json"}
        )
        with urllib.request.urlopen(request, timeout=5) as answer:
            return json.loads(answer.read() or b"null")

    def silences(self) -> list[tuple[str, float, float, str]]:
        """Alertmanager's own record, oldest first: host, begin, end, and whether it is in force."""
        found = []
        for each in self.ask("silences"):
            (matcher,) = each["matchers"]
            host = matcher["value"].removesuffix("(:[0-9]+)?")
            begin, end = (datetime.fromisoformat(each[key]).timestamp() for key in ("startsAt", "endsAt"))
            found.append((host, begin, end, each["status"]["state"]))
        return sorted(found, key=lambda silence: silence[1])

    def in_force(self) -> set[str]:
        return {host for host, _, _, state in self.silences() if state == "active"}

    def worked_on(self) -> set[str]:
        return {row.name for row in self.store.run(self.run).hosts if row.phase in WORKED_ON}

    def entered(self, host: str, phase: Phase) -> list[float]:
        ids = {row.host: row.name for row in self.store.run(self.run).hosts}
        return [
            event.at
            for event in self.store.events(self.run)
            if event.host is not None and ids[event.host] == host and event.data.get("to") == phase
        ]

    def controller(self) -> int:
        """Process id of whoever holds the lease."""
        deadline = time.monotonic() + 120
        while (lease := self.store.lease()) is None:
            assert time.monotonic() < deadline, "no controller took the lease"
            time.sleep(0.05)
        return int(lease.holder.rpartition(":")[2])

    def last_words(self) -> str:
        return "\n".join(event.text for event in self.store.events(self.run)[-8:])


@pytest.fixture(scope="module")
def stage(
    own_lab: Lab,
    alertmanager: RunningAlertmanager,
    mail: tuple[Mailbox, int],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Stage]:
    where = tmp_path_factory.mktemp("stage")
    box, port = mail
    config = where / "standfast.yaml"
    config.write_text(
        own_lab.config_path.read_text(encoding="utf-8")
        + f"    silences: [{{kind: alertmanager, url: '{alertmanager.url}', "
        f"lease_seconds: {LEASE_SECONDS:g}, hold_on_alerts: [ClusterBroken]}}]\n"
        f"notify: [{{kind: mail, server: 127.0.0.1, port: {port}, sender: sf@example.org, "
        "to: [ops@example.org], on: [started, held, failed, done]}]\n",
        encoding="utf-8",
    )
    program = Program(config, where / "state")
    planned = program.call("plan", "--out", str(where / "plan.json"))
    assert planned.returncode == 0, planned.stderr
    own_lab.observer.start()
    applied = program.call("apply", str(where / "plan.json"), "--yes", "--detach")
    assert applied.returncode == 0, applied.stderr
    store = Store.open(where / "state" / "standfast.db", read_only=True)
    try:
        yield Stage(own_lab, program, store, store.find_run("last"), alertmanager.url, box)
    finally:
        store.close()


def test_the_silence_of_a_controller_that_is_killed_for_good_ends_by_itself(stage: Stage) -> None:
    alerts = [
        {"labels": {"alertname": "Down", "instance": f"{each}:9100", "hypervisor": "h"}}
        for each in (*stage.lab.hosts, *stage.lab.vms)
    ]
    stage.ask("alerts", alerts)
    deadline = time.monotonic() + LIMIT_SECONDS
    while not any(row.phase == Phase.REBOOTING for row in stage.store.run(stage.run).hosts):
        assert time.monotonic() < deadline, stage.last_words()
        time.sleep(0.05)
    (host,) = stage.worked_on()
    loud = {each["labels"]["instance"] for each in stage.ask("alerts?silenced=false")}
    assert loud == {f"{each}:9100" for each in (*stage.lab.hosts, *stage.lab.vms) if each != host}

    os.kill(stage.controller(), signal.SIGKILL)
    killed_at = time.time()
    assert stage.in_force() == {host}
    while stage.in_force():
        assert time.time() < killed_at + LEASE_SECONDS + 2, "the silence outlives its lease"
        time.sleep(0.1)
    gone_after = time.time() - killed_at
    (only,) = stage.silences()
    assert only[2] <= killed_at + LEASE_SECONDS
    # It ended by itself: nobody has ended it before the end that it was given.
    assert only[2] >= killed_at
    print(f"controller killed: {host} no longer silent after {gone_after:.1f} s", file=sys.stderr)


def test_each_host_is_silent_for_exactly_as_long_as_it_is_worked_on(stage: Stage) -> None:
    before = len(stage.silences())
    process = stage.program.serve()
    try:
        deadline = time.monotonic() + LIMIT_SECONDS
        first_seen: set[str] = set()
        while not stage.store.run(stage.run).ended:
            assert time.monotonic() < deadline, stage.last_words()
            worked_on, silent = stage.worked_on(), stage.in_force()
            worked_on &= stage.worked_on()
            first_seen |= silent
            # The one that was in the middle when the controller died is made silent again first.
            assert worked_on & first_seen <= silent, stage.last_words()
            time.sleep(0.1)
        run = stage.store.run(stage.run)
        assert run.state is RunState.COMPLETED, stage.last_words()
        assert stage.in_force() == set()
    finally:
        process.terminate()
        process.wait(20)
    assert not stage.lab.observer.stop()["red"]

    record = stage.silences()[before:]
    assert sorted(host for host, *_ in record) == sorted(row.name for row in run.hosts)
    for host, begin, end, _ in record:
        done = stage.entered(host, Phase.DONE)[-1]
        drained = stage.entered(host, Phase.DRAINING)[-1]
        print(
            f"{host}: silent {end - begin:.1f} s, worked on {done - drained:.1f} s, "
            f"begins {drained - begin:+.2f} s before, ends {end - done:+.2f} s after",
            file=sys.stderr,
        )
        assert 0 <= end - done <= SOON_SECONDS
        if host != record[0][0]:
            assert -0.1 <= drained - begin <= SOON_SECONDS
    assert all(entry.given_back_at is not None for entry in run.journal)

    cluster = stage.lab.name
    assert stage.box.subjects == [
        f"standfast: {cluster}: a run has started",
        f"standfast: {cluster}: the run is completed",
    ]
