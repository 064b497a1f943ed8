"""Connection URIs and the wrapper that stands for ssh in them."""

from __future__ import annotations

import subprocess
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest

from standfast.model.errors import ConfigError
from standfast.platforms.libvirt.uri import connection_uri, peer_uri, ssh_wrapper


def test_ssh_goes_by_our_wrapper(tmp_path: Path) -> None:
    config = tmp_path / "ssh config"
    query = parse_qs(urlsplit(connection_uri("qemu+ssh://root@kvm1/system", config)).query)
    wrapper = Path(query["command"][0])
    assert query["no_tty"] == ["1"]
    assert wrapper.stat().st_mode & 0o777 == 0o700
    text = wrapper.read_text()
    assert f"-F '{config}'" in text
    assert "StrictHostKeyChecking=yes" in text
    assert "BatchMode=yes" in text
    assert ssh_wrapper(config, "root@kvm1") == wrapper
    assert len({wrapper, ssh_wrapper(None, "root@kvm1"), ssh_wrapper(config, "root@kvm2")}) == 3


@pytest.mark.parametrize(
    "uri",
    [
        "qemu+ssh://root@kvm1/system?command=/own/ssh",
        "qemu:///system",
        "qemu+tls://kvm1/system",
        "test:///default",
    ],
)
def test_what_says_how_or_needs_no_ssh_is_left_alone(uri: str) -> None:
    assert connection_uri(uri, Path("/x")) == uri


def test_other_parameters_stay() -> None:
    query = parse_qs(urlsplit(connection_uri("qemu+ssh://h/system?no_tty=0&socket=/a%20b", None)).query)
    assert query["no_tty"] == ["0"]
    assert query["socket"] == ["/a b"]


def test_what_is_no_uri_is_refused() -> None:
    with pytest.raises(ConfigError):
        connection_uri("kvm1", None)


@pytest.mark.parametrize(
    ("peer", "uri", "address", "expected"),
    [
        ("qemu+tls://kvm1-mig/system", "qemu+ssh://root@kvm1/system", "", "qemu+tls://kvm1-mig/system"),
        (None, "qemu+ssh://root@kvm1/system?command=/x", "10.0.0.1", "qemu+ssh://root@kvm1/system"),
        (None, "qemu:///system", "10.0.0.1", "qemu+ssh://root@10.0.0.1/system"),
        (None, "qemu:///system", "fd00::1", "qemu+ssh://root@[fd00::1]/system"),
    ],
)
def test_how_hosts_reach_each_other(peer: str | None, uri: str, address: str, expected: str) -> None:
    assert peer_uri(peer, uri, address) == expected


def test_the_keys_of_a_service_are_found_by_libvirts_ssh_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It starts `ssh` with little of our environment, and an ssh_config may say ${CREDENTIALS_DIRECTORY}."""
    monkeypatch.setenv("CREDENTIALS_DIRECTORY", "/run/credentials/it's.service")
    (tmp_path / "ssh").write_text('#!/bin/sh\nprintf %s "$CREDENTIALS_DIRECTORY"\n')
    (tmp_path / "ssh").chmod(0o755)
    wrapper = ssh_wrapper(None, "root@kvm1")
    try:
        ran = subprocess.run(
            [str(wrapper)], env={"PATH": f"{tmp_path}:/usr/bin:/bin"}, capture_output=True, check=True
        )
    finally:
        wrapper.unlink()
    assert ran.stdout == b"/run/credentials/it's.service"
