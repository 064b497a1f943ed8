"""Migrations out of logs, and sentences out of bad ones."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from standfast.eventlogs.read import read, read_text
from standfast.eventlogs.reading import Log
from standfast.eventlogs.seen import Ending, Found, Seen, Trouble
from standfast.eventlogs.summary import percentiles, worst_first

OLD = (
    "22508\t‘AA-BB’ migrated with a Brown-Out time of 64.975 seconds.\n"
    "22509\t‘AA-BB’ migrated with a Black-Out time of 0.811 seconds, "
    "842 dirty page and 4841 KB of saved state.\n"
    "22507\tMigration completed successfully for ‘AA-BB’ in 66.581 seconds.\n"
)
SHORT = (
    "The Virtual Machine Management service successfully completed the live migration of virtual machine  "
    "'web1' with a blackout time of 0.5 seconds (VMID E0D09432-A320-44CC-8A12-E1300549B99D)."
)
VMMS, CLUSTER = "Microsoft-Windows-Hyper-V-VMMS", "Microsoft-Windows-Hyper-V-High-Availability"
PVE = """\
2025-01-04 00:34:24 starting migration of VM 105 to node 'pve1' (10.10.1.1)
2025-01-04 00:34:29 start migrate command to unix:/run/qemu-server/105.migrate
2025-01-04 00:34:30 migration active, transferred 357.9 MiB of 4.0 GiB VM-state, 586.6 MiB/s
2025-01-04 00:34:38 average migration speed: 457.0 MiB/s - downtime 73 ms
2025-01-04 00:34:38 migration status: completed
2025-01-04 00:34:42 migration finished successfully (duration 00:00:18)
TASK OK
"""
JOB = """\
Job type:         Completed   \n\
Operation:        Outgoing migration
Time elapsed:     4221         ms
Data processed:   1.012 GiB
Memory total:     4.008 GiB
Memory bandwidth: 245.123 MiB/s
Page size:        4096         bytes
Total downtime:   63           ms
Setup time:       5            ms
"""


def xml_event(number: int, parameters: tuple[str, ...], *, provider: str = VMMS, at: str = "") -> str:
    fields = "".join(f"<Parameter{i}>{text}</Parameter{i}>" for i, text in enumerate(parameters))
    return (
        '<Event xmlns="http://schemas.microsoft.com/win/2004/08/events/event"><System>'
        f'<Provider Name="{provider}"/><EventID>{number}</EventID><TimeCreated SystemTime="{at}"/>'
        "<Computer>h1.example</Computer></System>"
        f'<UserData><VmlEventLog xmlns="x">{fields}</VmlEventLog></UserData></Event>'
    )


def found(text: str, name: str = "some.log") -> list[Found]:
    return list(read_text(Log(name, text)))


def only(text: str, name: str = "some.log") -> Seen:
    (one,) = found(text, name)
    assert isinstance(one, Seen), one
    return one


def refused(text: str) -> Iterator[Trouble]:
    for each in found(text):
        assert isinstance(each, Trouble), each
        yield each


def test_the_three_events_of_2008_r2_are_one_migration() -> None:
    seen = only(OLD)
    assert (seen.vm, seen.brownout_seconds, seen.blackout_seconds, seen.total_seconds) == (
        "AA-BB",
        64.975,
        0.811,
        66.581,
    )
    assert (seen.dirty_pages, seen.state_bytes) == (842, 4841 * 1024)
    assert seen.where == "some.log:3"
    assert seen.evidence == "Hyper-V events 22507, 22508, 22509"


def test_newest_first_gives_the_same_and_two_moves_of_a_vm_are_two() -> None:
    turned = "\n".join(reversed(OLD.splitlines()))
    assert only(turned).total_seconds == 66.581
    assert len(found(OLD + OLD)) == 2


def test_a_black_out_event_as_text_xml_json_and_csv_tells_the_same(tmp_path: Path) -> None:
    xml = xml_event(20415, ("web1", "E0D09432", "0.5"), at="2017-11-21T10:57:53.874847300Z")
    event = {"Id": 20415, "ProviderName": VMMS, "Message": SHORT, "TimeCreated": "/Date(1511261873874)/"}
    parameters = {"Properties": [{"Value": "web1"}, {"Value": "E0D09432"}, {"Value": 0.5}]}
    csv = f'#TYPE System.Diagnostics\n"Message","Id","ProviderName"\n"{SHORT}","20415","{VMMS}"\n'
    texts = [SHORT, xml, f"<Events>{xml}</Events>", json.dumps(event), json.dumps([event | parameters]), csv]
    for text in texts:
        seen = only(text)
        assert (seen.vm, seen.blackout_seconds) == ("web1", 0.5), text


def test_two_roots_in_a_row_and_a_byte_order_mark_are_what_powershell_writes(tmp_path: Path) -> None:
    text = "\n".join(xml_event(20415, (f"vm{number}", "ID", f"0.{number}")) for number in (1, 2))
    for encoding in ("utf-8-sig", "utf-16", "utf-16-le"):
        file = tmp_path / f"{encoding}.xml"
        file.write_bytes(text.encode(encoding))
        assert [one.vm for one in read(file) if isinstance(one, Seen)] == ["vm1", "vm2"], encoding


def test_an_unexpectedly_long_black_out_is_one_as_well() -> None:
    text = SHORT.replace(
        "'web1' with a blackout time of 0.5", '"VM" with an unexpectedly long blackout time of 63.1'
    )
    seen = only(text)
    assert (seen.vm, seen.blackout_seconds) == ("VM", 63.1)


def test_the_phases_of_a_cluster_are_one_migration() -> None:
    def event(number: int, seconds: str, at: str) -> str:
        parameters = ("VMID-1", seconds or "Virtual Machine web1", "Virtual Machine web1")
        return xml_event(number, parameters, provider=CLUSTER, at=f"2026-01-01T00:00:{at}Z")

    seen = only(
        event(21300, "", "00.0")
        + event(21304, "", "00.5")
        + event(21305, "10.0", "10.5")
        + event(21302, "", "10.5")
        + event(21303, "0.4", "10.9")
        + event(21301, "11.5", "11.5")
    )
    assert (seen.brownout_seconds, seen.blackout_seconds, seen.total_seconds) == (10.0, 0.4, 11.5)
    assert seen.vm == "VMID-1"


def test_events_of_other_providers_with_the_same_number_are_not_migrations() -> None:
    (trouble,) = refused(xml_event(20415, ("x", "y", "1"), provider="Kernel-Boot"))
    assert "none of a live migration" in trouble.sentence


def test_a_proxmox_log_tells_black_out_and_brown_out() -> None:
    seen = only(PVE)
    assert (seen.vm, seen.target, seen.total_seconds, seen.blackout_seconds) == ("105", "pve1", 18.0, 0.073)
    assert seen.brownout_seconds == pytest.approx(9 - 0.073)
    assert seen.memory_bytes == 4 * 1024**3


def test_lines_of_a_proxmox_log_without_times_still_tell_black_out_and_total() -> None:
    text = (
        "average migration speed: 512.5 MiB/s - downtime 30 ms\n"
        "migration completed, transferred 138.0 MiB VM-state\n"
        "migration finished successfully (duration 00:00:07)\n"
    )
    seen = only(text, "vm-7.log")
    assert (seen.vm, seen.total_seconds, seen.blackout_seconds, seen.wire_bytes) == (
        "vm-7",
        7,
        0.03,
        138 * 2**20,
    )


def test_a_failed_proxmox_migration_says_why_and_has_no_figures() -> None:
    text = (
        PVE.splitlines()[0] + "\n2025-01-04 00:35:00 ERROR: migration aborted (duration 00:00:36): no room\n"
    )
    seen = only(text)
    assert (seen.ending, seen.why, seen.blackout_seconds) == (Ending.FAILED, "no room", None)


def test_domjobinfo_tells_all_three_spans() -> None:
    seen = only(JOB, "web1.txt")
    assert (seen.vm, seen.total_seconds, seen.blackout_seconds) == ("web1", 4.221, 0.063)
    assert seen.brownout_seconds == pytest.approx(4.221 - 0.063 - 0.005)
    assert seen.bytes_per_second == pytest.approx(245.123 * 2**20, rel=1e-6)


BAD = {
    "negative black-out": (OLD.replace("0.811", "-0.811"), "below zero", 2),
    "NaN": (OLD.replace("64.975", "NaN"), "no number", 1),
    "infinite": (OLD.replace("64.975", "1e999"), "no number", 1),
    "decimal comma": (SHORT.replace("0.5", "0,5"), "comma", 1),
    "half a page": (OLD.replace("842", "842.5"), "no whole number", 2),
    "parts longer than the whole": (OLD.replace("66.581", "6.581"), "longer than the whole", 3),
    "longer than a month": (SHORT.replace("0.5", "99999999"), "longer than a migration can take", 1),
    "cut off text": (SHORT[:130], "cut off", 1),
    "another language": (
        "20415\tDie Livemigration der VM wurde nach 0,5 Sekunden abgeschlossen.",
        "not in English",
        1,
    ),
    "no event at all": ("hello\nworld\n", "nothing that is known", 1),
    "xml cut off": (xml_event(20415, ("a", "b", "0.5"))[:-30], "cut off in an event", 1),
    "xml with entities": ('<!DOCTYPE a [<!ENTITY b "c">]><Event/>', "entities", 1),
    "xml of something else": ("<html><body>x</body></html>", "none of a live migration", None),
    "json cut off": ('[{"Id": 20415, "Message": "x', "cut off", 1),
    "json array not closed": ('[{"Id": 1, "ProviderName": "other"}', "cut off after an event", 1),
    "json of something else": ('{"a": 1}', "Id", 1),
    "json with a number for an event": ("[1, 2]", "no event", 1),
    "json without properties": (
        json.dumps({"Id": 21301, "ProviderName": CLUSTER, "Message": "x"}),
        "no parameters",
        1,
    ),
    "json NaN": (
        '{"Id": 20415, "Properties": [{"Value": "a"}, {"Value": "b"}, {"Value": NaN}]}',
        "no number",
        1,
    ),
    "csv row cut off": ('"Message","Id","ProviderName"\n"x"\n', "cut off", 2),
    "csv quote not closed": ('"Id","Message"\n"20415","abc\n', "cut off", 2),
    "csv in another language": ('"Ebene","Ereignis-ID"\n"x","20415"\n', "nothing that is known", 1),
    "csv id": ('"Id","Message"\n"abc","x"\n', "no number", 2),
    "pve clock backwards": (PVE.replace("00:34:38 average", "00:34:20 average"), "backwards", 4),
    "pve cut off": ("\n".join(PVE.splitlines()[:4]), "its end is not in this log", 1),
    "pve line cut off": (PVE.replace(" - downtime 73 ms", " - downtime"), "cut off", 4),
    "pve without downtime": (
        PVE.replace("average migration speed: 457.0 MiB/s - downtime 73 ms", "x"),
        "missing",
        6,
    ),
    "pve negative memory": (PVE.replace("of 4.0 GiB", "of -4.0 GiB"), "below zero", 3),
    "pve no memory": (PVE.replace("of 4.0 GiB", "of 0.0 GiB"), "memory is 0", 6),
    "pve no speed": (PVE.replace("457.0 MiB", "0.0 MiB"), "speed is 0", 6),
    "pve unit": (PVE.replace("of 4.0 GiB", "of 4.0 Gio"), "no unit", 3),
    "pve no time": (PVE.replace("2025-01-04 00:34:42", "2025-13-04 00:34:42"), "no time", 6),
    "job negative": (JOB.replace("4221", "-4221"), "below zero", 3),
    "job NaN": (JOB.replace("4221", "nan"), "no number", 3),
    "job cut off": (JOB.split("Total downtime")[0], "no total downtime", 1),
    "job unit cut off": (JOB.replace("63           ms", "63"), "in ms", 8),
    "job bandwidth": (JOB.replace("245.123 MiB/s", "0.000 B/s"), "bandwidth is 0", 6),
    "job memory": (JOB.replace("4.008 GiB", "0.000 B"), "memory is 0", 5),
    "job darker than long": (JOB.replace("63           ms", "9999 ms"), "longer than the whole", 1),
    "job running": ("Job type:         Unbounded   \nTime elapsed:     10           ms\n", "under way", 1),
    "job none": ("Job type:         None        \n", "no job", 1),
    "job of another kind": (JOB.replace("Outgoing migration", "Backup"), "no migration", 1),
    "job in another language": (JOB.replace("Completed", "Abgeschlossen"), "English", 1),
}


@pytest.mark.parametrize("case", BAD)
def test_what_can_not_be_right_gets_a_sentence_with_its_line_and_no_figure(case: str) -> None:
    text, words, line = BAD[case]
    troubles = (
        list(refused(text)) if "parts" not in case else [t for t in found(text) if isinstance(t, Trouble)]
    )
    assert any(words in trouble.sentence for trouble in troubles), troubles
    if line is not None:
        assert any(trouble.where == f"some.log:{line}" for trouble in troubles), troubles


def test_a_span_that_its_own_time_stamps_contradict_is_refused() -> None:
    def pair(began: str, ended: str, seconds: str) -> str:
        first = xml_event(21300, ("VM", "r"), provider=CLUSTER, at=f"2026-01-01T00:{began}Z")
        return first + xml_event(21301, ("VM", seconds, "r"), provider=CLUSTER, at=f"2026-01-01T00:{ended}Z")

    assert only(pair("00:00", "00:10", "10.0")).total_seconds == 10
    (backwards,) = refused(pair("00:30", "00:10", "20.0"))
    assert "time runs backwards" in backwards.sentence
    (apart,) = refused(pair("00:00", "05:00", "10.0"))
    assert "lie between" in apart.sentence


def test_a_bad_record_takes_no_good_one_with_it() -> None:
    good, bad = found(OLD + SHORT.replace("0.5", "-1"))
    assert isinstance(good, Seen)
    assert isinstance(bad, Trouble)
    assert bad.where == "some.log:4"


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "is empty"),
        (b"\xff\xfe", "is empty"),
        (b"\n \n", "is empty"),
        (b"20415\tgr\xfc\xdfe\n", "is not UTF-8"),
        (b"abc\x00def and more text that has no other zero", "binary"),
        (OLD.encode("utf-16")[:-1], "UTF-16"),
        (b"ElfFile\x00damaged", ""),
        (bytes(range(256)) * 20, ""),
    ],
)
def test_files_that_are_no_text_get_a_sentence(tmp_path: Path, data: bytes, words: str) -> None:
    file = tmp_path / "log.bin"
    file.write_bytes(data)
    (trouble,) = read(file)
    assert isinstance(trouble, Trouble)
    assert words in trouble.sentence
    assert trouble.where.startswith(str(file))


def test_files_that_are_not_there_get_a_sentence(tmp_path: Path) -> None:
    (gone,) = read(tmp_path / "absent")
    (folder,) = read(tmp_path)
    assert isinstance(gone, Trouble)
    assert "can't be read" in gone.sentence
    assert isinstance(folder, Trouble)
    assert "directory" in folder.sentence


def test_the_worst_come_first_and_percentiles_are_values_that_were_seen() -> None:
    seen = [
        only(SHORT.replace("0.5", f"0.{number}").replace("web1", f"vm{number}")) for number in range(1, 10)
    ]
    assert worst_first(seen)[0].vm == "vm9"
    told = percentiles(seen, "blackout_seconds")
    assert told == {"p50": 0.5, "p95": 0.9, "p99": 0.9, "max": 0.9, "moves": 9}
    assert percentiles(seen, "total_seconds") is None
