"""Zeek: one table a log, from JSON and TSV alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tocsin.event.records import Chunk, Frame, Origin
from tocsin.normalise import Product, zeek

product: Product = zeek.PRODUCT
Read = Callable[..., list[dict[str, Any]]]
FLOW = {
    "ts": 1718000000.123456,
    "uid": "C1",
    "id.orig_h": "10.20.0.14",
    "id.orig_p": 49731,
    "id.resp_h": "198.51.100.23",
    "id.resp_p": 8081,
}
COMMUNITY = "1:tEF/1AvgkviP1ewvgzyfUplGtq8="


def test_a_download_is_what_the_analyst_toggles(read: Read) -> None:
    """The six fields of the worked example, and the whole URL."""
    record = {
        **FLOW,
        "method": "GET",
        "host": "files.example.net:8081",
        "uri": "/pub/Testing%2EBAT?x=1",
        "status_code": 200,
    }
    (event,) = read(record, as_="zeek.http")
    assert event["event.action"] == event["http.request.method"] == "GET"
    assert event["http.response.status_code"] == 200
    assert event["url.path"] == "/pub/Testing.BAT"
    assert event["url.extension"] == "bat"
    assert (event["destination.ip"], event["destination.port"]) == ("198.51.100.23", 8081)
    assert event["url.full"] == "http://files.example.net:8081/pub/Testing%2EBAT?x=1"
    assert event["event.category"] == ["network", "web"]
    assert event["event.outcome"] == "success"
    assert event["@timestamp"] == "2024-06-10T06:13:20.123456Z"


@pytest.mark.parametrize(
    ("uri", "host", "port", "expected"),
    [
        ("/a", "h", 80, ("h", None, "http://h/a")),
        ("/a", "h", 8080, ("h", 8080, "http://h:8080/a")),
        ("/a", None, 8080, (None, 8080, "http://198.51.100.23:8080/a")),
        ("http://x.example:81/a", "proxy", 3128, ("x.example", 81, "http://x.example:81/a")),
        ("x.example:443", "x.example:443", 3128, ("x.example", 443, None)),
        ("*", "h", 80, ("h", None, None)),
        ("/a", "[2001:db8::1]", 80, ("2001:db8::1", None, "http://[2001:db8::1]/a")),
        (None, None, 80, (None, None, None)),
    ],
)
def test_a_url_has_the_server_that_was_asked_for(
    read: Read, uri: str, host: str, port: int, expected: tuple[Any, ...]
) -> None:
    (event,) = read({**FLOW, "id.resp_p": port, "uri": uri, "host": host, "method": "GET"}, as_="zeek.http")
    assert (event.get("url.domain"), event.get("url.port"), event.get("url.full")) == expected


def test_all_mime_types_are_kept_and_the_first_is_the_responses(read: Read) -> None:
    (event,) = read({**FLOW, "resp_mime_types": ["text/plain", "text/x-msdos-batch"]}, as_="zeek.http")
    assert event["http.response.mime_type"] == "text/plain"
    assert event["zeek.http.resp_mime_types"] == ["text/plain", "text/x-msdos-batch"]


def test_json_tsv_and_rocks_export_are_one(normaliser: Any, read: Read) -> None:
    header = "#separator \\x09\n#path\tconn\n#fields\t" + "\t".join([*FLOW, "proto", "conn_state", "tunnel_parents"])
    header += "\n#types\ttime\tstring\taddr\tport\taddr\tport\tenum\tstring\tset[string]\n"
    line = "\t".join(str(value) for value in [*FLOW.values(), "tcp", "SF", "(empty)"]) + "\n"
    chunk = Chunk("zeek", line.encode(), Origin("file", header=header))
    tsv = normaliser.run([Frame(0, 0, 0, chunk)]).batch
    chunk = Chunk("zeek", (header + line).encode(), Origin("file"))
    inline = normaliser.run([Frame(0, 0, 0, chunk)]).batch
    (json,) = read({**FLOW, "proto": "tcp", "conn_state": "SF", "_path": "conn"})
    (rock,) = read(
        {k.replace("id.", "id_"): v for k, v in {**FLOW, "proto": "tcp", "conn_state": "SF"}.items()}
        | {"@stream": "conn"}
    )
    for batch in (tsv, inline):
        for name in (
            "event.dataset",
            "source.ip",
            "destination.port",
            "event.type",
            "network.community_id",
            "@timestamp",
        ):
            assert batch.column(name).to_pylist()[0] is not None, name
    assert tsv.column("network.community_id").to_pylist() == [json["network.community_id"]]
    own = {"event.original", "tocsin.id", "tocsin.ingested"}
    assert {k: v for k, v in json.items() if k not in own} == {k: v for k, v in rock.items() if k not in own}


def test_the_flow_of_a_connection_has_one_name_from_both_sides(read: Read) -> None:
    there = {**FLOW, "proto": "tcp"}
    back = {
        **there,
        "id.orig_h": FLOW["id.resp_h"],
        "id.orig_p": 8081,
        "id.resp_h": FLOW["id.orig_h"],
        "id.resp_p": 49731,
    }
    one, two = read(there, back, as_="zeek.connection")
    assert one["network.community_id"] == two["network.community_id"] == COMMUNITY
    (http,) = read({**FLOW, "method": "GET"}, as_="zeek.http")
    assert http["network.community_id"] == COMMUNITY
    (own,) = read({**there, "community_id": "1:x"}, as_="zeek.connection")
    assert own["network.community_id"] == "1:x"


def test_counts_and_directions_of_a_connection(read: Read) -> None:
    record = {
        **FLOW, "proto": "tcp", "conn_state": "REJ", "orig_ip_bytes": 40, "resp_ip_bytes": 60, "orig_pkts": 1,
        "resp_pkts": 1, "local_orig": True, "local_resp": False, "duration": 0.000001, "service": "ssl,HTTP",
    }  # fmt: skip
    (event,) = read(record, as_="zeek.connection")
    assert (event["network.bytes"], event["network.packets"], event["network.direction"]) == (100, 2, "outbound")
    assert event["event.duration"] == 1000
    assert event["event.type"] == ["connection", "start", "denied"]
    assert event["network.protocol"] == "ssl,http"
    assert event["zeek.connection.service"] == "ssl,HTTP"
    (half,) = read({**record, "resp_ip_bytes": None, "local_resp": None}, as_="zeek.connection")
    assert "network.bytes" not in half
    assert "network.direction" not in half


def test_icmp_has_a_type_and_a_code_and_no_ports(read: Read) -> None:
    tcp, icmp = read(
        {**FLOW, "proto": "tcp"}, {**FLOW, "proto": "icmp", "id.orig_p": 8, "id.resp_p": 0}, as_="zeek.connection"
    )
    assert (icmp["zeek.connection.icmp.type"], icmp["zeek.connection.icmp.code"]) == (8, 0)
    assert "source.port" not in icmp
    assert icmp["network.community_id"]
    assert tcp["source.port"] == 49731


def test_dns_answers_are_a_list_of_objects_and_a_column(read: Read) -> None:
    asked = {**FLOW, "proto": "udp", "query": "www.example.org", "qtype_name": "A", "trans_id": 7}
    answered = {
        **asked,
        "rcode": 0,
        "rcode_name": "NOERROR",
        "answers": ["c.example.org", "203.0.113.9"],
        "TTLs": [60.0, 30.0],
    }
    reply, query, bad = read(
        answered, asked, {**answered, "rcode": 3, "answers": [7, None], "TTLs": ["x"]}, as_="zeek.dns"
    )
    assert reply["dns.answers.data"] == ["c.example.org", "203.0.113.9"]
    assert reply["dns.resolved_ip"] == ["203.0.113.9"]
    assert (reply["dns.type"], query["dns.type"]) == ("answer", "query")
    assert bad["event.outcome"] == "failure"
    assert "dns.answers.data" not in bad


def test_names_of_certificates_keep_their_commas(read: Read) -> None:
    subject = r"CN=*.example.org,O=Example\, Inc.,ST=Noord\\Holland,C=NL"
    (event,) = read({**FLOW, "subject": subject, "version": "TLSv12"}, as_="zeek.ssl")
    assert event["tls.server.subject"] == subject
    assert event["tls.server.x509.subject.organization"] == "Example, Inc."
    assert event["tls.server.x509.subject.state_or_province"] == "Noord\\Holland"
    assert (event["tls.version"], event["tls.version_protocol"]) == ("1.2", "tls")


def test_files_have_sender_receiver_and_hashes(read: Read) -> None:
    record = {"ts": 1.0, "fuid": "F", "tx_hosts": ["198.51.100.23"], "rx_hosts": ["10.0.0.1"],
              "conn_uids": ["C1", "C2"],
              "md5": "d41d8cd98f00b204e9800998ecf8427e", "filename": "a.bat"}  # fmt: skip
    (event,) = read(record, as_="zeek.files")
    assert (event["server.ip"], event["client.ip"]) == ("198.51.100.23", "10.0.0.1")
    assert event["related.hash"] == ["d41d8cd98f00b204e9800998ecf8427e"]
    assert event["zeek.session_id"] == "C1"
    assert event["zeek.files.session_ids"] == ["C1", "C2"]


def test_a_shippers_envelope_is_taken_off(read: Read) -> None:
    inner = '{"ts":1718000000.5,"uid":"C9","id.orig_h":"10.0.0.1","method":"GET"}'
    envelope = {
        "@timestamp": "2024-06-10T07:00:00Z",
        "message": inner,
        "event": {"dataset": "zeek.http", "module": "zeek"},
        "host": {"name": "sensor1"},
        "log": {"file": {"path": "/opt/zeek/http.log"}},
    }
    (event,) = read(envelope)
    assert event["event.dataset"] == "zeek.http"
    assert event["@timestamp"] == "2024-06-10T06:13:20.500Z"
    assert event["event.created"] == "2024-06-10T07:00:00.000Z"
    assert event["source.ip"] == "10.0.0.1"
    assert event["host.name"] == "sensor1"
    assert event["log.file.path"] == "/opt/zeek/http.log"
    (broken,) = read({**envelope, "message": '{"ts":'})
    assert broken["event.dataset"] == "tocsin.unparsed"
    assert "broken JSON" in broken["error.message"]


@pytest.mark.parametrize("ts", [None, "noon", 1e300, [], True, {"a": 1}])
def test_says_why_it_cannot_read_a_time(read: Read, ts: Any) -> None:
    (event,) = read({**FLOW, "ts": ts}, as_="zeek.connection")
    assert event["event.dataset"] == "tocsin.unparsed"
    assert "seconds since 1970" in event["error.message"]


def test_a_time_out_of_bounds_is_the_nearest_and_keeps_its_text(read: Read) -> None:
    late, fine = read({**FLOW, "ts": "9999-01-01T00:00:00Z"}, FLOW, as_="zeek.connection")
    assert late["@timestamp"] == "2299-12-31T23:59:59.000Z"
    assert late["tocsin.overflow"] == ["@timestamp"]
    assert "tocsin.overflow" not in fine


def test_what_has_no_column_keeps_zeeks_own_name(read: Read) -> None:
    (event,) = read({**FLOW, "history": "ShA", "vlan": 7, "new_field": {"x": [1]}}, as_="zeek.connection")
    assert event["zeek.connection.history"] == "ShA"
    assert event["zeek.connection.vlan"] == 7
    assert event["zeek.connection.new_field.x"] == 1
    assert not any(name.startswith("zeek.connection.id.") for name in event)


def test_aliases_hold_in_their_log_alone() -> None:
    aliases = {alias.name: alias for alias in product.aliases}
    assert aliases["zeek.http.method"].target == "http.request.method"
    scope = aliases["zeek.http.method"].scope
    assert scope is not None
    assert scope.datasets == {"zeek.http"}


def test_a_log_without_a_table_is_known_by_its_name(read: Read) -> None:
    loss, forged = read({"_path": "capture_loss", "ts": 1.5, "gaps": 7}, {"_path": "../x", "ts": 1.5, "gaps": 7})
    assert loss["event.dataset"] == "zeek.capture_loss"
    assert forged["event.dataset"] == "zeek.log"
    assert loss["zeek.log.gaps"] == 7
    assert loss["@timestamp"] == "1970-01-01T00:00:01.500Z"


def test_a_record_that_says_nothing_of_its_path_is_known_by_its_names(read: Read) -> None:
    conn, http = read({**FLOW, "conn_state": "SF"}, {**FLOW, "trans_depth": 1, "response_body_len": 0, "method": "GET"})
    assert (conn["event.dataset"], http["event.dataset"]) == ("zeek.connection", "zeek.http")
    (by_file,) = read({**FLOW, "client": "SSH-2.0-x"}, path="/opt/zeek/logs/ssh.00:00:00-01:00:00.log.gz")
    assert by_file["event.dataset"] == "zeek.ssh"
