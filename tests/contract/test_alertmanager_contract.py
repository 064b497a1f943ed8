"""`ports.Silencer` against a real Alertmanager: leases, leftovers, wrong clocks, and what stays loud."""

from __future__ import annotations

import http.server
import json
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest

from alertmanager_kit import NoAlertmanagerError, RunningAlertmanager, running
from standfast.model.errors import AuthError, OutsideError, UnreachableError
from standfast.model.ids import HostId, RunId
from standfast.model.matchers import OWN_INSTANCE, parse
from standfast.silences.alertmanager import CREATED_BY, Alertmanager
from standfast.transports.http import HttpServer

RUN, OTHER_RUN = RunId("01RUN"), RunId("01OTHER")
H1, H2 = HostId("uuid-1"), HostId("uuid-2")
NAMES = {H1: "h1", H2: "h2"}


@pytest.fixture(scope="module")
def real(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningAlertmanager]:
    try:
        with running(tmp_path_factory.mktemp("alertmanager")) as alertmanager:
            yield alertmanager
    except NoAlertmanagerError as error:
        pytest.skip(f"no Alertmanager: {error}")


@pytest.fixture
def silencer(real: RunningAlertmanager) -> Iterator[Alertmanager]:
    made = silencer_of(real.url)
    yield made
    for host in NAMES:
        for run in (RUN, OTHER_RUN):
            made.lift(host, run)


def silencer_of(url: str, *, lease: float = 60.0, **more: Any) -> Alertmanager:
    def wrong_clock() -> float:
        raise AssertionError("our own clock was asked")

    fields: dict[str, Any] = {
        "server": HttpServer("am", url),
        "matchers": (parse(OWN_INSTANCE),),
        "now": wrong_clock,
        **more,
    }
    return Alertmanager(
        "am", name_of=NAMES.__getitem__, address_of=lambda host: "", lease_seconds=lease, **fields
    )


def listed(url: str) -> list[dict[str, Any]]:
    with urllib.request.urlopen(f"{url}/api/v2/silences", timeout=5) as answer:
        return list(json.load(answer))


def active(url: str) -> list[dict[str, Any]]:
    return [each for each in listed(url) if each["status"]["state"] == "active"]


def fire(url: str, **labels: str) -> None:
    body = json.dumps([{"labels": labels}]).encode()
    request = urllib.request.Request(
        f"{url}/api/v2/alerts", body, {"Content-Type": "application/json"}, method="POST"
    )
    urllib.request.urlopen(request, timeout=5).close()


def loud(url: str, name: str) -> set[str]:
    """Instances on which that alert fires unsilenced."""
    with urllib.request.urlopen(f"{url}/api/v2/alerts?silenced=false", timeout=5) as answer:
        return {
            each["labels"]["instance"] for each in json.load(answer) if each["labels"]["alertname"] == name
        }


def test_a_silence_lasts_a_lease_and_says_whose_it_is(silencer: Alertmanager) -> None:
    made = silencer.keep(H1, RUN)
    assert made.made
    assert 58 < made.ends_in_seconds <= 61
    (found,) = active(silencer.server.url)
    assert (found["id"], found["createdBy"]) == (made.id, CREATED_BY)
    assert found["comment"] == "h1 is being worked on; ends by itself [standfast run=01RUN host=uuid-1]"
    assert found["matchers"] == [
        {"name": "instance", "value": "h1(:[0-9]+)?", "isRegex": True, "isEqual": True}
    ]


def test_only_the_hosts_own_alerts_are_silent(silencer: Alertmanager) -> None:
    silencer.keep(H1, RUN)
    url = silencer.server.url
    for instance in ("h1", "h1:9100", "h10:9100", "h2:9100", "vm-on-h1", "h1.vm:9100"):
        fire(url, alertname="Down", instance=instance)
    deadline = time.monotonic() + 30
    while "h1" in loud(url, "Down") and time.monotonic() < deadline:
        time.sleep(0.05)
    assert loud(url, "Down") == {"h10:9100", "h2:9100", "vm-on-h1", "h1.vm:9100"}


def test_renewing_keeps_the_one_silence_and_moves_its_end(silencer: Alertmanager) -> None:
    first = silencer.keep(H1, RUN)
    begun = active(silencer.server.url)[0]
    time.sleep(1.2)
    again = silencer.keep(H1, RUN)
    assert (again.id, again.made) == (first.id, False)
    (renewed,) = active(silencer.server.url)
    assert renewed["startsAt"] == begun["startsAt"]
    assert renewed["endsAt"] > begun["endsAt"]


def test_another_process_finds_it_by_its_mark(silencer: Alertmanager) -> None:
    made = silencer.keep(H1, RUN)
    another = silencer_of(silencer.server.url)
    found = another.find(H1, RUN)
    assert found is not None
    assert found.id == made.id
    assert another.find(H1, OTHER_RUN) is None
    assert another.find(H2, RUN) is None


def test_lifting_ends_ours_alone_and_at_once(silencer: Alertmanager) -> None:
    silencer.keep(H1, RUN)
    others = {silencer.keep(H1, OTHER_RUN).id, silencer.keep(H2, RUN).id}
    silencer.lift(H1, RUN)
    assert {each["id"] for each in active(silencer.server.url)} == others
    silencer.lift(H1, RUN)
    assert silencer.find(H1, RUN) is None


def test_a_silence_that_somebody_ended_is_made_again(silencer: Alertmanager) -> None:
    first = silencer.keep(H1, RUN)
    silencer.lift(H1, RUN)
    again = silencer.keep(H1, RUN)
    assert again.made
    assert again.id != first.id


def test_a_second_one_left_by_a_lost_answer_is_ended(silencer: Alertmanager) -> None:
    first = silencer.keep(H1, RUN)
    (known,) = active(silencer.server.url)
    twin = {key: known[key] for key in ("matchers", "startsAt", "endsAt", "createdBy", "comment")}
    second = silencer._put(twin)
    assert second.id != first.id
    kept = silencer.keep(H1, RUN)
    assert [each["id"] for each in active(silencer.server.url)] == [kept.id]


def test_changed_matchers_replace_the_silence(silencer: Alertmanager) -> None:
    silencer.keep(H1, RUN)
    changed = silencer_of(silencer.server.url, matchers=(parse('node="{host}"'),))
    assert changed.keep(H1, RUN).made
    (only,) = active(silencer.server.url)
    assert only["matchers"] == [{"name": "node", "value": "h1", "isRegex": False, "isEqual": True}]


def test_a_lease_that_nobody_renews_ends_by_itself(silencer: Alertmanager) -> None:
    short = silencer_of(silencer.server.url, lease=3.0)
    short.keep(H2, RUN)
    assert short.find(H2, RUN) is not None
    time.sleep(3.5)
    assert short.find(H2, RUN) is None
    assert not active(silencer.server.url)


@contextmanager
def proxy(url: str, *, off_by_seconds: float) -> Iterator[str]:
    """A proxy whose own clock is off and who puts its own Date on every answer."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def pass_on(self) -> None:
            body = self.rfile.read(int(self.headers.get("Content-Length", 0))) or None
            request = urllib.request.Request(
                url + self.path, body, {"Content-Type": "application/json"}, method=self.command
            )
            try:
                with urllib.request.urlopen(request, timeout=5) as answer:
                    status, raw = answer.status, answer.read()
            except urllib.error.HTTPError as error:
                status, raw = error.code, error.read()
                error.close()
            self.send_response_only(status)
            self.send_header("Date", formatdate(time.time() + off_by_seconds, usegmt=True))
            self.end_headers()
            self.wfile.write(raw)

        do_GET = do_POST = do_DELETE = pass_on

        def log_message(self, *_: Any) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@pytest.mark.parametrize("off_by", [-45.0, 3600.0], ids=["behind", "an hour ahead"])
def test_a_clock_in_between_that_is_wrong_changes_no_length(silencer: Alertmanager, off_by: float) -> None:
    with proxy(silencer.server.url, off_by_seconds=off_by) as url:
        made = silencer_of(url).keep(H1, RUN)
    assert 58 < made.ends_in_seconds <= 61
    found = silencer.find(H1, RUN)
    assert found is not None
    assert found.id == made.id
    assert 57 < found.ends_in_seconds <= 61


def test_a_clock_so_far_behind_that_nothing_can_be_made_is_said(silencer: Alertmanager) -> None:
    with (
        proxy(silencer.server.url, off_by_seconds=-7200) as url,
        pytest.raises(OutsideError, match="can't be in the past") as caught,
    ):
        silencer_of(url).keep(H1, RUN)
    assert "clock" in str(caught.value)
    assert not active(silencer.server.url)


def test_watched_alerts_that_fire_are_named(silencer: Alertmanager) -> None:
    url = silencer.server.url
    watching = silencer_of(url, watched_alerts=("Ceph (health) error", "Quorum.Lost"))
    assert watching.firing() == ()
    fire(url, alertname="Ceph (health) error", instance="mon1")
    fire(url, alertname="QuorumxLost", instance="mon1")
    fire(url, alertname="Quorum.Lost", instance="h1:9100")
    deadline = time.monotonic() + 30
    while len(watching.firing()) < 2 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert watching.firing() == ("Ceph (health) error on mon1", "Quorum.Lost on h1:9100")
    # A host that is being worked on is silent, so what fires there holds nobody.
    watching.keep(H1, RUN)
    while len(watching.firing()) > 1 and time.monotonic() < deadline:
        time.sleep(0.05)
    assert watching.firing() == ("Ceph (health) error on mon1",)
    assert silencer.firing() == ()


def test_what_is_no_alertmanager_is_said(real: RunningAlertmanager) -> None:
    with pytest.raises(OutsideError, match=r"it answered 404.*Is this the URL of an Alertmanager"):
        silencer_of(real.url + "/api/v2").keep(H1, RUN)


def test_silences_outlive_a_restart_and_one_that_is_down_is_unreachable(tmp_path: Path) -> None:
    try:
        with running(tmp_path) as own:
            silencer = silencer_of(own.url)
            made = silencer.keep(H1, RUN)
            own.stop()
            for act in (silencer.keep, silencer.lift, silencer.find):
                with pytest.raises(UnreachableError) as caught:
                    act(H1, RUN)
                assert caught.value.code == "connection_refused"
            own.start()
            found = silencer.find(H1, RUN)
            assert found is not None
            assert found.id == made.id
    except NoAlertmanagerError as error:
        pytest.skip(f"no Alertmanager: {error}")


def test_credentials_are_used_and_never_told(tmp_path: Path) -> None:
    # bcrypt of "letmein"
    web = tmp_path / "web.yml"
    web.write_text(
        'basic_auth_users: {patcher: "$2b$04$9FY6pk8sDxj7Npauw1pbqut24wuXnZXKLh5/mvBmfDhv.6O3UKIfG"}\n'
    )
    try:
        own = RunningAlertmanager(tmp_path / "am", f"--web.config.file={web}", ready_status=401)
        own.start()
    except NoAlertmanagerError as error:
        pytest.skip(f"no Alertmanager: {error}")
    try:
        password = tmp_path / "password"
        password.write_text("letmein\n")
        server = HttpServer("am", own.url, username="patcher", password_file=password)
        assert silencer_of(own.url, server=server).keep(H1, RUN).made
        password.write_text("sesame-wrong\n")
        with pytest.raises(AuthError) as caught:
            silencer_of(own.url, server=server).keep(H1, RUN)
        assert "sesame" not in str(caught.value)
    finally:
        own.stop()
