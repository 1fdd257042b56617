"""Windows events: one mapping for every way that they come."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import orjson
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tocsin.event.records import Chunk, Format, Frame, Origin, with_lengths
from tocsin.event.schema import HOT, OVERFLOW, Kind
from tocsin.lang.fields import Names
from tocsin.normalise import Product
from tocsin.normalise._run import Normaliser, Result
from tocsin.normalise._windows_xml import document
from tocsin.normalise.windows import PRODUCT, dataset_of

product: Product = PRODUCT
NORMALISER = Normaliser({"windows": PRODUCT})
ARRIVAL = 1_700_000_000_000_000
Event = dict[str, Any]


def run(payload: bytes, form: Format = "ndjson", zone: str | None = None, as_: str | None = None) -> Result:
    return NORMALISER.run([Frame(0, 0, ARRIVAL, Chunk(form, payload, Origin("ingest", zone=zone, product=as_)))])


def rows(batch: pa.RecordBatch) -> list[Event]:
    """Flat documents with what is missing left out; addresses as 16 bytes, times as µs."""
    out: list[Event] = [{} for _ in range(batch.num_rows)]
    for name in batch.schema.names:
        column = batch.column(name)
        if name in HOT and HOT[name].kind is Kind.DATE:
            column = column.cast(pa.int64())
        for row, value in enumerate(column.to_pylist()):
            if name == "tocsin.fields":
                for key, values in value:
                    out[row].setdefault(key, values[0] if len(values) == 1 else values)
            elif value is not None and value != [] and name != "tocsin.types":
                out[row][name] = value
    return out


def one(record: Any, form: Format = "ndjson", **more: Any) -> Event:
    (row,) = rows(run(orjson.dumps(record), form, **more).batch)
    return row


def system(channel: str, provider: str, code: int, **more: Any) -> Event:
    return {
        "Provider": {"#attributes": {"Name": provider, "Guid": "5770385F-C22A-43E0-BF4C-06F5698FFBD9"}},
        "EventID": code,
        "Version": 5,
        "Level": 4,
        "Task": code,
        "Opcode": 0,
        "Keywords": "0x8000000000000000",
        "TimeCreated": {"#attributes": {"SystemTime": "2024-05-19T17:32:00.482982Z"}},
        "EventRecordID": 22013,
        "Execution": {"#attributes": {"ProcessID": 1768, "ThreadID": 2272}},
        "Channel": channel,
        "Computer": "DC1.insecurebank.local",
        "Security": {"#attributes": {"UserID": "S-1-5-18"}},
        **more,
    }


SYSMON = "Microsoft-Windows-Sysmon"
SECURITY = "Microsoft-Windows-Security-Auditing"
START: Event = {
    "Event": {
        "System": system("Microsoft-Windows-Sysmon/Operational", SYSMON, 1),
        "EventData": {
            "RuleName": "-",
            "UtcTime": "2024-05-19 17:32:00.478",
            "ProcessGuid": "DFAE8213-9310-5CE1-0000-0010EABA0A00",
            "ProcessId": 2728,
            "Image": "C:\\Windows\\System32\\WindowsPowerShell\\v1.0\\powershell.exe",
            "OriginalFileName": "PowerShell.EXE",
            "Company": "Microsoft Corporation",
            "CommandLine": '"C:\\Program Files\\x.exe" -a "b c" d\\"e',
            "CurrentDirectory": "c:\\ProgramData\\",
            "User": "insecurebank\\Administrator",
            "LogonId": "0x566cc",
            "IntegrityLevel": "High",
            "Hashes": "SHA1=B71C,MD5=116D,SHA256=EBE9,IMPHASH=461A",
            "ParentProcessGuid": "DFAE8213-91CC-5CE1-0000-0010BEF40600",
            "ParentProcessId": 3408,
            "ParentImage": "C:\\Windows\\System32\\cmd.exe",
            "ParentCommandLine": 'cmd /c "te^st.bat"',
        },
    }
}
CONNECTION: Event = {
    "Event": {
        "System": system("Microsoft-Windows-Sysmon/Operational", SYSMON, 3),
        "EventData": {
            "UtcTime": "2024-05-19 17:32:00.478",
            "ProcessGuid": "DFAE8213-9310-5CE1-0000-0010EABA0A00",
            "ProcessId": 2728,
            "Image": "C:\\a.exe",
            "User": "NT AUTHORITY\\SYSTEM",
            "Protocol": "tcp",
            "Initiated": True,
            "SourceIsIpv6": False,
            "SourceIp": "128.232.110.120",
            "SourceHostname": "-",
            "SourcePort": 34855,
            "DestinationIp": "66.35.250.204",
            "DestinationPort": 80,
            "DestinationPortName": "http",
        },
    }
}
CREATED: Event = {
    "Event": {
        "System": system("Security", SECURITY, 4688, Keywords="0x8020000000000000", Security=None),
        "EventData": {
            "SubjectUserSid": "S-1-5-18",
            "SubjectUserName": "WIN$",
            "SubjectDomainName": "LAB",
            "SubjectLogonId": "0x3e7",
            "NewProcessId": "0x378",
            "NewProcessName": "C:\\Windows\\System32\\whoami.exe",
            "ProcessId": "0x2b8",
            "CommandLine": "whoami /all",
            "TargetUserName": "-",
            "ParentProcessName": "C:\\Windows\\explorer.exe",
            "MandatoryLabel": "S-1-16-12288",
        },
    }
}
LOGON: Event = {
    "Event": {
        "System": system("Security", SECURITY, 4625, Keywords="0x8010000000000000", Security=None),
        "EventData": {
            "SubjectUserName": "-",
            "TargetUserSid": "S-1-0-0",
            "TargetUserName": "bob",
            "TargetDomainName": "LAB",
            "LogonType": 3,
            "WorkstationName": "KALI",
            "IpAddress": "::ffff:10.0.0.5",
            "IpPort": "0",
            "ProcessId": "0x0",
            "ProcessName": "-",
        },
    }
}
SCRIPT: Event = {
    "Event": {
        "System": system("Microsoft-Windows-PowerShell/Operational", "Microsoft-Windows-PowerShell", 4104),
        "EventData": {
            "MessageNumber": 1,
            "MessageTotal": 2,
            "ScriptBlockText": "Inv`oke-WebRequest\n('a'+'b')",
            "ScriptBlockId": "f4a378ab-b74f-41a7-a5ef-6dd55562fdb9",
            "Path": "",
        },
    }
}
REGISTRY: Event = {
    "Event": {
        "System": system("Microsoft-Windows-Sysmon/Operational", SYSMON, 13),
        "EventData": {
            "EventType": "SetValue",
            "UtcTime": "2024-05-19 17:32:00.478",
            "ProcessId": 4,
            "Image": "System",
            "TargetObject": "HKLM\\Software\\Run\\Evil",
            "Details": "DWORD (0x0000000a)",
        },
    }
}
SAMPLES = [START, CONNECTION, CREATED, LOGON, SCRIPT, REGISTRY]


# ---- the other ways, made from the EVTX parser's JSON ----


def rendered(value: Any, name: str = "") -> str:
    if isinstance(value, bool):
        return str(value).lower()
    text = "" if value is None else str(value)
    return "{" + text.lower() + "}" if name.lower().endswith("guid") and len(text) == 36 else text


def as_xml(event: Event) -> str:
    inner = event["Event"]

    def element(name: str, value: Any) -> str:
        attributes = "".join(
            f" {key}={quoteattr(rendered(item, key))}"
            for key, item in (value or {}).get("#attributes", {}).items()
        ) if isinstance(value, dict) or value is None else ""  # fmt: skip
        text = value.get("#text", "") if isinstance(value, dict) else value
        return f"<{name}{attributes}>{escape(rendered(text))}</{name}>"

    data = "".join(
        f"<Data Name={quoteattr(name)}>{escape(rendered(value, name))}</Data>"
        for name, value in inner["EventData"].items()
    )
    parts = "".join(element(name, value) for name, value in inner["System"].items())
    space = "http://schemas.microsoft.com/win/2004/08/events/event"
    return f"<Event xmlns='{space}'><System>{parts}</System><EventData>{data}</EventData></Event>"


def flat_system(event: Event) -> Event:
    found = event["Event"]["System"]
    return {
        "channel": found["Channel"],
        "code": found["EventID"],
        "provider": found["Provider"]["#attributes"]["Name"],
        "guid": rendered(found["Provider"]["#attributes"]["Guid"], "guid"),
        "computer": found["Computer"],
        "record": found["EventRecordID"],
        "pid": found["Execution"]["#attributes"]["ProcessID"],
        "tid": found["Execution"]["#attributes"]["ThreadID"],
        "version": found["Version"],
        "user": ((found["Security"] or {}).get("#attributes") or {}).get("UserID"),
        "keywords": int(found["Keywords"], 16),
    }


def texts(event: Event) -> Event:
    return {k: rendered(v, k) for k, v in event["Event"]["EventData"].items()}


def as_winlogbeat(event: Event) -> Event:
    s = flat_system(event)
    bits = {1 << 53: "Audit Success", 1 << 52: "Audit Failure"}
    winlog = {
        "channel": s["channel"],
        "event_id": str(s["code"]),
        "provider_name": s["provider"],
        "provider_guid": s["guid"],
        "computer_name": s["computer"],
        "record_id": s["record"],
        "process": {"pid": s["pid"], "thread": {"id": s["tid"]}},
        "version": s["version"],
        "opcode": "Info",
        "api": "wineventlog",
        "event_data": texts(event),
    }
    if s["user"]:
        winlog["user"] = {"identifier": s["user"]}
    if names := [name for bit, name in bits.items() if s["keywords"] & bit]:
        winlog["keywords"] = names
    return {
        "@timestamp": "2024-05-19T17:32:00.482Z",
        "event": {"code": str(s["code"]), "provider": s["provider"], "kind": "event", "action": "as the task says"},
        "host": {"name": "collector"},
        "log": {"level": "information"},
        "agent": {"type": "winlogbeat", "version": "8.13.0"},
        "ecs": {"version": "8.0.0"},
        "winlog": winlog,
    }


def as_winlogbeat6(event: Event) -> Event:
    new = as_winlogbeat(event)
    winlog = new["winlog"]
    old = {
        "@timestamp": new["@timestamp"],
        "type": "wineventlog",
        "log_name": winlog["channel"],
        "event_id": int(winlog["event_id"]),
        "source_name": winlog["provider_name"],
        "provider_guid": winlog["provider_guid"],
        "computer_name": winlog["computer_name"],
        "record_number": str(winlog["record_id"]),
        "process_id": winlog["process"]["pid"],
        "thread_id": winlog["process"]["thread"]["id"],
        "version": winlog["version"],
        "level": "Information",
        "opcode": "Info",
        "event_data": winlog["event_data"],
        "beat": {"hostname": "WECserver", "version": "6.5.4"},
        "host": {"name": "WECserver"},
    }
    if "user" in winlog:
        old["user"] = winlog["user"]
    if "keywords" in winlog:
        old["keywords"] = winlog["keywords"]
    return old


def as_nxlog(event: Event) -> Event:
    s = flat_system(event)
    keywords = s["keywords"] - (1 << 64) if s["keywords"] >= 1 << 63 else s["keywords"]
    out = {
        "EventTime": "2024-05-19 17:32:00",
        "Hostname": s["computer"],
        "Keywords": keywords,
        "EventType": "INFO",
        "SeverityValue": 2,
        "Severity": "INFO",
        "EventID": s["code"],
        "SourceName": s["provider"],
        "ProviderGuid": s["guid"].upper(),
        "Version": s["version"],
        "OpcodeValue": 0,
        "RecordNumber": s["record"],
        "ExecutionProcessID": s["pid"],
        "ThreadID": s["tid"],
        "Channel": s["channel"],
        "@timestamp": "2024-05-19T17:32:02.000Z",
        **texts(event),
    }
    if s["user"]:
        out["UserID"] = s["user"]
    return out


# How each way tells less or more than the event holds: times of whole ms or s, what shippers say of themselves.
WAY_FIELDS = (
    "@timestamp",
    "event.created",
    "process.start",
    "agent.",
    "event.original",
    "log.",
    "winlog.api",
    "tocsin.",
)


def compared(event: Event) -> Event:
    return {name: value for name, value in event.items() if not name.startswith(WAY_FIELDS)}


WAYS: list[tuple[str, Callable[[Event], Any]]] = [
    ("winlogbeat", as_winlogbeat),
    ("winlogbeat6", as_winlogbeat6),
    ("nxlog", as_nxlog),
    ("message", lambda event: {"message": as_xml(event)}),
    ("original", lambda event: {"event": {"original": as_xml(event)}, "winlog": {"channel": "x"}}),
]


@pytest.mark.parametrize("event", SAMPLES, ids=lambda e: str(e["Event"]["System"]["EventID"]))
@pytest.mark.parametrize("way", WAYS[:4], ids=lambda way: way[0])
def test_an_event_is_the_same_whatever_way_it_came(event: Event, way: tuple[str, Callable[[Event], Any]]) -> None:
    straight = one(event, "evtx")
    other = one(way[1](event), zone="UTC")
    assert other["tocsin.id"] == straight["tocsin.id"]
    assert compared(other) == compared(straight)


@pytest.mark.parametrize("event", SAMPLES, ids=lambda e: str(e["Event"]["System"]["EventID"]))
def test_xml_is_the_same_event(event: Event) -> None:
    straight = one(event, "evtx")
    (other,) = rows(run(with_lengths([as_xml(event).encode()]), "xml").batch)
    assert other["tocsin.id"] == straight["tocsin.id"]
    assert compared(other) == compared(straight)
    assert other["@timestamp"] == straight["@timestamp"]


def test_a_process_start() -> None:
    event = one(START, "evtx")
    assert event["event.dataset"] == "windows.sysmon_operational"
    assert (event["event.category"], event["event.type"]) == (["process"], ["start"])
    assert event["host.name"] == "DC1.insecurebank.local"
    assert (event["host.hostname"], event["host.os.type"]) == ("DC1", "windows")
    assert event["process.entity_id"] == "{dfae8213-9310-5ce1-0000-0010eaba0a00}"
    assert (event["process.name"], event["process.parent.name"]) == ("powershell.exe", "cmd.exe")
    assert event["process.args"] == ["C:\\Program Files\\x.exe", "-a", "b c", 'd"e']
    assert event["process.args_count"] == 4
    assert event["process.hash.sha256"] == "ebe9"
    assert event["process.pe.imphash"] == "461a"
    assert (event["user.domain"], event["user.name"]) == ("insecurebank", "Administrator")
    assert event["related.user"] == ["Administrator"]
    assert event["tocsin.canonical.parent_command_line"] == 'cmd /c test.bat"'
    assert "rule.name" not in event


@pytest.mark.parametrize("event", SAMPLES, ids=lambda e: str(e["Event"]["System"]["EventID"]))
def test_a_stream_declares_what_it_sets(event: Event) -> None:
    declared = PRODUCT.streams[0].fields
    undeclared = {
        name
        for name in one(event, "evtx")
        if name not in declared and not name.startswith(("tocsin.", "winlog.event_data."))
    }
    assert not undeclared


def test_sysmon_for_linux_is_no_windows() -> None:
    event = json.loads(json.dumps(START))
    event["Event"]["System"] |= {"Channel": "Linux-Sysmon/Operational", "Computer": "UBUNTU5"}
    event["Event"]["EventData"] |= {"Image": "/usr/bin/dash", "User": "root"}
    row = one({"message": as_xml(event)})
    assert (row["event.dataset"], row["host.os.type"]) == ("sysmon_linux.log", "linux")
    assert (row["process.name"], row["user.name"]) == ("dash", "root")
    assert answer(row, "winlog.event_data.Image") == ["/usr/bin/dash"]


def test_a_connection() -> None:
    event = one(CONNECTION, "evtx")
    assert event["network.community_id"] == "1:LQU9qZlK+B5F3KDmev6m5PMibrg="
    assert (event["network.direction"], event["network.type"]) == ("egress", "ipv4")
    assert (event["source.port"], event["destination.port"]) == (34855, 80)
    assert len(event["related.ip"]) == 2
    assert "source.domain" not in event


def test_a_failed_logon() -> None:
    event = one(LOGON, "evtx")
    assert event["event.dataset"] == "system.security"
    assert (event["event.action"], event["event.outcome"]) == ("logon-failed", "failure")
    assert (event["user.name"], event["source.domain"], event["winlog.logon.type"]) == ("bob", "KALI", "Network")
    assert event["winlog.event_data.IpAddress"] == "::ffff:10.0.0.5"
    assert event["source.ip"].endswith(bytes([10, 0, 0, 5]))
    assert "source.port" not in event
    assert OVERFLOW not in event


def test_a_process_without_guid_gets_an_id_and_a_row() -> None:
    result = run(orjson.dumps(CREATED) + b"\n" + orjson.dumps(START), "evtx")
    first, second = result.processes.to_pylist()
    assert (first["pid"], first["name"], first["parent"]) == (0x378, "whoami.exe", None)
    assert len(first["entity_id"]) == 32
    assert second["parent"] == "{dfae8213-91cc-5ce1-0000-0010bef40600}"
    assert second["canonical"].startswith('"c:\\program files')
    assert {first["event"], second["event"]} == set(result.batch.column("tocsin.id").to_pylist())


def test_a_registry_value() -> None:
    event = one(REGISTRY, "evtx")
    assert (event["registry.hive"], event["registry.key"]) == ("HKLM", "Software\\Run\\Evil")
    assert (event["registry.value"], event["registry.data.strings"]) == ("Evil", ["10"])
    assert event["winlog.event_data.EventType"] == "SetValue"


# ---- the source's own values ----


def answer(event: Event, name: str) -> Any:
    """What a query finds under a name: the values of all its sources that hold for the event."""
    found: list[Any] = []
    for source in Names(PRODUCT.aliases).field(name).sources:
        scope = source.scope
        if scope is not None and event["event.dataset"] not in scope.datasets:
            continue
        if scope is not None and scope.codes and event["event.code"] not in scope.codes:
            continue
        value = event.get(source.name)
        if value is not None and value not in found:
            found.append(value)
    return found


@pytest.mark.parametrize("event", SAMPLES, ids=lambda e: str(e["Event"]["System"]["EventID"]))
def test_every_value_of_the_source_is_found_under_its_own_name(event: Event) -> None:
    (row,) = rows(run(with_lengths([as_xml(event).encode()]), "xml").batch)
    for name, value in texts(event).items():
        assert [str(item) for item in answer(row, f"winlog.event_data.{name}")] == [value], name


def test_a_value_that_says_nothing_is_found_under_its_own_name_only() -> None:
    event = one(START, "evtx")
    assert answer(event, "winlog.event_data.RuleName") == ["-"]
    assert answer(event, "winlog.event_data.SourceImage") == []


def test_unnamed_values_are_found_as_data_and_as_params() -> None:
    event = one(
        {
            "Event": {
                "System": system("Windows PowerShell", "PowerShell", 400, EventID={"#attributes": {}, "#text": 400}),
                "EventData": {
                    "Data": {"#text": ["Available", "None", "\tHostApplication=powershell -nop\n\tEngineVersion=2.0"]},
                    "Binary": None,
                },
            }
        },
        "evtx",
    )
    assert event["event.dataset"] == "windows.powershell"
    assert event["event.code"] == "400"
    assert (event["process.command_line"], event["powershell.engine.version"]) == ("powershell -nop", "2.0")
    assert event["winlog.event_data.param2"] == "None"
    assert len(answer(event, "winlog.event_data.Data")) == 3


def test_user_data_is_found_as_event_data() -> None:
    event = one(
        {
            "Event": {
                "System": system("Security", "Microsoft-Windows-Eventlog", 1102),
                "UserData": {"LogFileCleared": {"#attributes": {"xmlns": "x"}, "SubjectUserName": "admin01"}},
            }
        },
        "evtx",
    )
    assert event["event.action"] == "audit-log-cleared"
    assert event["user.name"] == "admin01"
    assert answer(event, "winlog.event_data.SubjectUserName") == ["admin01"]


def test_ecs_columns_of_a_shipper_fill_what_the_event_lacks() -> None:
    record = as_winlogbeat(START)
    del record["winlog"]["event_data"]["Image"]
    record["process"] = {"executable": "C:\\b.exe"}
    record["fields"] = {"site": "ber"}
    record["tocsin"] = {"id": "mine"}
    event = one(record)
    assert event["process.executable"] == "C:\\b.exe"
    assert event["fields.site"] == "ber"
    assert event["unmapped.tocsin.id"] == "mine"
    assert event["tocsin.id"] == one(START, "evtx")["tocsin.id"]


@pytest.mark.parametrize(
    ("channel", "expected"),
    [
        ("security", ("Security", "system.security")),
        ("Microsoft-Windows-Bits-Client/Operational", None),
        ("Microsoft-Windows-AppLocker/EXE and DLL", ("", "windows.applocker_exe_and_dll")),
        ("///", ("", "windows.eventlog")),
        ("é" * 500, ("", "windows.eventlog")),
    ],
)
def test_a_channel_names_its_data_set(channel: str, expected: tuple[str, str] | None) -> None:
    spelt, dataset = dataset_of(channel)
    if expected is None:
        assert (spelt, dataset) == (channel, "windows.bits_client_operational")
    else:
        assert dataset == expected[1]
        assert spelt == (expected[0] or channel)


def test_a_stream_names_the_data_set_of_records_without_a_channel() -> None:
    record = as_winlogbeat(CREATED)
    del record["winlog"]["channel"]
    assert one(record, as_="windows.security")["event.dataset"] == "system.security"


def test_local_time_is_utc_only_where_nothing_better_is_known() -> None:
    record = as_nxlog(CREATED)
    micros = one(record, zone="UTC")["@timestamp"]
    assert one(record)["@timestamp"] == micros + 2_000_000  # the shipper's
    assert one(record, zone="-04:00")["@timestamp"] == micros + 4 * 3600 * 1_000_000
    record["EventTime"] = "2024-05-19T13:32:00.000000-04:00"
    assert one(record)["@timestamp"] == micros


def test_times_beyond_the_bounds_are_kept_as_text() -> None:
    event = json.loads(json.dumps(CREATED))
    event["Event"]["System"]["TimeCreated"]["#attributes"]["SystemTime"] = "9999-12-31T23:59:59.999999Z"
    row = one(event, "evtx")
    assert "@timestamp" in row[OVERFLOW]


# ---- hostile input ----


@pytest.mark.parametrize(
    "text",
    [
        "<Event",
        "<Event/>",
        "<Event><System/></Event>",
        "<Event><System>text</System></Event>",
        "<Event><System><EventID/></System></Event>",
        "<!DOCTYPE x [<!ENTITY a 'b'>]><Event>&a;</Event>",
        '<?xml version="1.0"?><!DOCTYPE Event SYSTEM "file:///etc/passwd"><Event><System/></Event>',
        "<Event>" + "<a>" * 100_000,
        "<Event><System><EventID>1</EventID></System>" + "<a>" * 50_000 + "</a>" * 50_000,
        "<Event xmlns='x'>\x00</Event>",
        "<Event>&#0;&nope;</Event>",
    ],
)
def test_xml_that_is_no_event_is_rejected_with_a_reason(text: str) -> None:
    result = run(orjson.dumps({"message": text}), as_="windows.eventlog")
    (row,) = rows(result.batch)
    assert row["event.dataset"] == "tocsin.unparsed"
    assert "XML" in row["error.message"] or "Windows event" in row["error.message"]


def test_control_characters_in_xml_are_replaced() -> None:
    text = as_xml(SCRIPT).replace("oke", "\x01&#x2;oke")
    read = document(text)
    assert isinstance(read, dict)
    assert "\ufffd\ufffdoke" in read["Event"]["EventData"]["ScriptBlockText"]


def test_deep_xml_is_bounded() -> None:
    depth = 5000
    text = (
        "<Event><System><EventID>1</EventID><Channel>X</Channel></System><UserData>"
        + "<a>" * depth + "deep" + "</a>" * depth + "</UserData></Event>"
    )  # fmt: skip
    (row,) = rows(run(orjson.dumps({"message": text})).batch)
    assert row["event.dataset"] == "windows.x"


JUNK = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=12),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def places(value: Any, path: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    found = [path] if path else []
    if isinstance(value, dict):
        for key, item in value.items():
            found += places(item, (*path, key))
    return found


SHAPES = [
    (make(event), place)
    for event in SAMPLES
    for make in (lambda e: e, as_winlogbeat, as_winlogbeat6, as_nxlog)
    for place in places(make(event))
]


@given(st.sampled_from(SHAPES), JUNK)
def test_junk_in_any_place_loses_no_record(shape: tuple[Event, Sequence[str]], junk: Any) -> None:
    event, path = shape
    event = json.loads(json.dumps(event))
    inner = event
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = junk
    try:
        line = orjson.dumps(event)
    except TypeError:  # an integer past 64 bits
        line = json.dumps(event).encode()
    good = orjson.dumps(START)
    result = run(good + b"\n" + line + b"\n" + good, as_="windows.eventlog")
    found = rows(result.batch)
    assert len(found) == 3
    assert found[0]["process.name"] == found[2]["process.name"] == "powershell.exe"
    assert "failed" not in found[1].get("error.message", "")


# ---- corpora ----


def evtx_lines(path: Path) -> list[bytes]:
    evtx = pytest.importorskip("evtx")
    return [orjson.dumps(orjson.loads(record["data"])) for record in evtx.PyEvtxParser(str(path)).records_json()]


def test_recorded_cases_have_no_rejects(shared: Path) -> None:
    files = sorted((shared / "corpora/sigma/regression_data").rglob("*.evtx"))
    assert len(files) >= 130
    lines = [line for path in files for line in evtx_lines(path)]
    batch = run(b"\n".join(lines), "evtx").batch
    assert batch.num_rows == len(lines)
    datasets = set(batch.column("event.dataset").to_pylist())
    assert "tocsin.unparsed" not in datasets
    assert batch.column("host.name").null_count == 0
    assert batch.column("host.os.type").null_count == 0
    assert not any(batch.column(OVERFLOW).to_pylist())


@pytest.mark.slow
def test_recorded_events_are_the_same_as_xml(shared: Path) -> None:
    evtx = pytest.importorskip("evtx")
    for path in sorted((shared / "corpora/sigma/regression_data").rglob("*.evtx")):
        straight = rows(run(b"\n".join(evtx_lines(path)), "evtx").batch)
        parser = evtx.PyEvtxParser(str(path))
        other = rows(run(with_lengths([record["data"].encode() for record in parser.records()]), "xml").batch)
        assert len(straight) == len(other)
        for one_way, other_way in zip(straight, other, strict=True):
            assert one_way["tocsin.id"] == other_way["tocsin.id"]
            assert compared(one_way) == compared(other_way)


@pytest.mark.slow
def test_recorded_samples_have_no_rejects(shared: Path) -> None:
    for path in sorted((shared / "corpora/evtx").rglob("*.evtx")):
        batch = run(b"\n".join(evtx_lines(path)), "evtx").batch
        assert "tocsin.unparsed" not in set(batch.column("event.dataset").to_pylist()), path.name


@pytest.mark.slow
def test_mordor_has_no_rejects(shared: Path) -> None:
    folder = shared / "corpora/mordor/datasets/atomic/windows"
    for path in sorted(folder.rglob("host/*.zip"), key=lambda p: p.stat().st_size)[:40]:
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.startswith("__MACOSX") or not name.endswith(".json"):
                    continue
                batch = run(archive.read(name)).batch
                assert "tocsin.unparsed" not in set(batch.column("event.dataset").to_pylist()), path.name
