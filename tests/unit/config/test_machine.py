"""The machine's own UUID, as its firmware tells it."""

from __future__ import annotations

from pathlib import Path

from standfast.config.machine import machine_uuids


def test_it_is_told_in_both_byte_orders(tmp_path: Path) -> None:
    told = tmp_path / "product_uuid"
    told.write_text("00112233-4455-6677-8899-AABBCCDDEEFF\n")
    assert machine_uuids(told) == (
        "00112233-4455-6677-8899-aabbccddeeff",
        "33221100-5544-7766-8899-aabbccddeeff",
    )


def test_a_machine_that_does_not_tell_is_no_vm_of_ours(tmp_path: Path) -> None:
    assert machine_uuids(tmp_path / "absent") == ()
    (tmp_path / "empty").write_text("Not Settable\n")
    assert machine_uuids(tmp_path / "empty") == ()
