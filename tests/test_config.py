"""What a settings file, the environment and the command line make together, and what is said of their mistakes."""

from __future__ import annotations

import os
from ipaddress import ip_network
from pathlib import Path

import pytest

from tocsin import config
from tocsin.errors import ConfigError


@pytest.fixture(autouse=True)
def nothing_set(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No variable and no file of this machine reaches a test."""
    for name in [name for name in os.environ if name.startswith(config.PREFIX)]:
        monkeypatch.delenv(name)
    monkeypatch.chdir(tmp_path)


def written(folder: Path, text: str) -> Path:
    path = folder / "tocsin.toml"
    path.write_text(text, encoding="utf-8")
    return path


def test_defaults_keep_all_below_one_folder_on_loopback(tmp_path: Path) -> None:
    settings = config.load()
    assert settings.store_address == f"chdb://{tmp_path}/tocsin-data/store"
    assert settings.journal_address == f"file://{tmp_path}/tocsin-data/journal"
    assert settings.state_address == f"sqlite:///{tmp_path}/tocsin-data/state.db"
    assert (settings.server.host, settings.server.port, settings.server.bulk_port) == ("127.0.0.1", 8686, 9200)
    assert (settings.journal.lanes, settings.journal.sync_ms, settings.workers) == (16, 20, 1)
    assert settings.store.max_server_memory_usage == 700_000_000
    assert (settings.limits.record_bytes, settings.limits.syslog_bytes) == (1_048_576, 65_536)
    assert settings.syslog.udp is None
    assert settings.syslog.tcp is None


def test_a_flag_is_over_the_environment_is_over_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "workers = 2\n[server]\nport = 1\nbulk_port = 2\nhost = '::1'\n")
    monkeypatch.setenv("TOCSIN_SERVER_PORT", "11")
    monkeypatch.setenv("TOCSIN_SERVER_BULK_PORT", "12")
    settings = config.load(path, flags={"server.port": 21, "server.host": None})
    assert settings.server.model_dump(include={"host", "port", "bulk_port"}) == {
        "host": "::1",
        "port": 21,
        "bulk_port": 12,
    }
    assert settings.workers == 2


def test_the_file_is_the_one_named_or_the_one_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    written(tmp_path, "workers = 2")
    assert config.load().workers == 2
    (tmp_path / "etc").mkdir()
    monkeypatch.setenv("TOCSIN_CONFIG", str(written(tmp_path / "etc", "workers = 3")))
    assert config.load().workers == 3
    (tmp_path / "given").mkdir()
    assert config.load(written(tmp_path / "given", "workers = 4")).workers == 4


@pytest.mark.parametrize("name", config.names())
def test_every_setting_has_a_variable_and_says_what_it_is(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(f"TOCSIN_{name.replace('.', '_').upper()}", "no value of any setting")
    assert config.unread_environment() == []
    section, _, key = name.rpartition(".")
    model = config.Settings.model_fields[section].annotation if section else config.Settings
    assert model is not None
    assert model.model_fields[key].description


@pytest.mark.parametrize(
    ("variable", "text", "section", "key", "value"),
    [
        (
            "TOCSIN_SYSLOG_ALLOWED_PEERS",
            "10.0.0.0/8, fe80::/64",
            "syslog",
            "allowed_peers",
            ["10.0.0.0/8", "fe80::/64"],
        ),
        ("TOCSIN_SYSLOG_ALLOWED_PEERS", '["10.0.0.0/8"]', "syslog", "allowed_peers", ["10.0.0.0/8"]),
        ("TOCSIN_NOTIFY_URLS", "mailto://a?to=b,c json://h/", "notify", "urls", ["mailto://a?to=b,c", "json://h/"]),
        ("TOCSIN_RULES_DIRS", "/a b:/c", "rules", "dirs", ["/a b", "/c"]),
        ("TOCSIN_RULES_DIRS", "", "rules", "dirs", []),
        ("TOCSIN_STORE_MAX_SERVER_MEMORY_USAGE", "1 GiB", "store", "max_server_memory_usage", 2**30),
        ("TOCSIN_RULES_SHIPPED", "no", "rules", "shipped", False),
    ],
)
def test_one_variable_holds_a_list_a_size_or_a_switch(
    variable: str, text: str, section: str, key: str, value: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, text)
    found = getattr(getattr(config.load(), section), key)
    assert ([str(item) for item in found] if isinstance(found, list) else found) == value


def test_lists_and_sizes_in_the_file(tmp_path: Path) -> None:
    text = "[syslog]\nudp = 5514\nallowed_peers = ['192.0.2.0/24']\n[limits]\nrecord_bytes = '2 MiB'\n"
    settings = config.load(written(tmp_path, text))
    assert settings.syslog.allowed_peers == [ip_network("192.0.2.0/24")]
    assert settings.limits.record_bytes == 2 * 2**20


def test_paths_of_the_file_begin_at_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "etc").mkdir()
    monkeypatch.setenv("HOME", "/home/somebody")
    text = "data = 'kept'\n[rules]\ndirs = ['mine', '/abs', '~/yours']\n[lists]\ndir = 'lists'\n"
    settings = config.load(written(tmp_path / "etc", text))
    assert settings.data_dir == tmp_path / "etc" / "kept"
    assert settings.rules.dirs == [tmp_path / "etc" / "mine", Path("/abs"), Path("/home/somebody/yours")]
    assert settings.lists.dir == tmp_path / "etc" / "lists"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("wrokers = 2", r"{file}:1: there is no setting 'wrokers'; did you mean 'workers'\?"),
        ("[server]\n\nprot = 1", r"{file}:3: there is no setting 'server.prot'; did you mean 'server.port'\?"),
        ("[sever]\nport = 1", r"{file}:1: there is no setting 'sever'; did you mean 'server'\?"),
        ("bulk_port = 1", r"{file}:1: there is no setting 'bulk_port'; did you mean 'server.bulk_port'\?"),
        ("xyzzy = 1", r"{file}:1: there is no setting 'xyzzy'; there are: data, workers, server,"),
        ("[demo]\nxyzzy = 1", r"{file}:2: there is no setting 'demo.xyzzy'; there are: seed$"),
        ("[server]\nport = 'high'", r"{file}:2: server.port: input should be a valid integer.* not 'high'"),
        ("[server]\nport = 70000", r"{file}:2: server.port: .*65535, not 70000"),
        ("server = 3", r"{file}:1: server: .*not 3"),
        ("[journal]\nlanes = 0", r"{file}:2: journal.lanes: .*not 0"),
        ("[limits]\nrecord_bytes = 'big'", r"{file}:2: limits.record_bytes: could not parse .*not 'big'"),
        ("[notify]\nmin_severity = 'loud'", r"{file}:2: notify.min_severity: .*'low'.*not 'loud'"),
        ("[syslog]\nallowed_peers = ['10.0.0.1/8']", r"{file}:2: syslog.allowed_peers: .*IPv4.*not '10.0.0.1/8'"),
        ("[server]\ntls_cert = 'a.pem'", r"{file}:1: tls_cert and tls_key go together"),
        ("[syslog]\ntls_key = 'a.pem'", r"{file}:1: tls_cert and tls_key go together"),
        ("[syslog]\ntls = 6514", r"{file}: syslog.tls needs syslog.tls_cert and tls_key, or those of server"),
        ("[journal]\naddress = 'kafka://h/t'", r"{file}: a journal in Kafka is not there yet: leave journal.address"),
        ("[server]\nno_auth = true\nhost = '0.0.0.0'", r"{file}:1: no_auth .*loopback"),
        ("[server]\nno_auth = true\nbulk_host = '::'", r"{file}:1: no_auth .*loopback"),
        ("[journal]\nsegment_bytes = '1 GiB'\nmax_bytes = '1 MiB'", r"{file}:1: segment_bytes is more than max_bytes"),
        ("[normalise]\ntime_zone = 'Mars/Olympus'", r"{file}:1: time_zone 'Mars/Olympus' is no zone"),
        ("[normalise]\ntime_zone = '../../etc/passwd'", r"{file}:1: time_zone .* is no zone"),
        (
            "[store]\naddress = 'mysql://u:secret@h/d'",
            r"{file}: the address 'mysql://u:\*\*\*@h/d' begins with none of chdb",
        ),
        ("port = ", r"{file}:1: this is no TOML: Invalid value;"),
        ("a = 1\na = 2", r"{file}:2: this is no TOML: Cannot overwrite"),
    ],
)
def test_a_mistake_is_told_with_file_line_key_and_what_to_do(tmp_path: Path, text: str, message: str) -> None:
    path = written(tmp_path, text)
    with pytest.raises(ConfigError, match=f"^{message.format(file=path)}") as caught:
        config.load(path)
    assert "secret" not in str(caught.value)


def test_all_mistakes_are_told_in_one_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = written(tmp_path, "wrokers = 2\n[server]\nprot = 1\n[journal]\nlanes = 'many'\n")
    monkeypatch.setenv("TOCSIN_STATE_ADRESS", "sqlite://")
    with pytest.raises(ConfigError) as caught:
        config.load(path, flags={"server.port": "x"})
    places = {line.split(": ")[0] for line in str(caught.value).splitlines()}
    assert places == {f"{path}:1", f"{path}:3", f"{path}:5", "TOCSIN_STATE_ADRESS", "--port"}


def test_a_value_from_outside_forges_no_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_SERVER_PORT", "\x1b[31m1\nserver: all is well")
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_cannot_be_read_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none.toml: the settings can't be read: No such file.*--config"):
        config.load(tmp_path / "none.toml")
    with pytest.raises(ConfigError, match="can't be read: Is a directory"):
        config.load(tmp_path)
    (tmp_path / "latin.toml").write_bytes(b"data = '\xe9'")
    with pytest.raises(ConfigError, match="byte 8 is not UTF-8"):
        config.load(tmp_path / "latin.toml")


def test_a_variable_that_is_no_setting_is_told_but_stops_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_WROKERS", "3")
    monkeypatch.setenv("TOCSIN_SERVICE_HOST", "10.0.0.1")
    monkeypatch.setenv("TOCSIN_SHARED", "/somewhere")
    assert config.load().workers == 1
    first, second = config.unread_environment()
    assert first.startswith("TOCSIN_SERVICE_HOST is no setting")
    assert second == "TOCSIN_WROKERS is no setting; did you mean TOCSIN_WORKERS?"


def test_no_password_is_in_what_a_traceback_shows(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TOCSIN_STORE_ADDRESS", "clickhouse://u:secret@h/d")
    monkeypatch.setenv("TOCSIN_NOTIFY_URLS", "mailto://u:secret@h")
    settings = config.load()
    assert settings.store_address == "clickhouse://u:secret@h/d"
    assert "secret" not in repr(settings)


@pytest.mark.parametrize(
    ("address", "shown"),
    [
        ("clickhouse://u:p%40@h:9000/d?x=1", "clickhouse://u:***@h:9000/d?x=1"),
        ("clickhouse://u@h/d", "clickhouse://u@h/d"),
        ("chdb:///var/store", "chdb:///var/store"),
        ("sqlite:///a.db", "sqlite:///a.db"),
        ("http://[::1", "***"),
    ],
)
def test_an_address_is_shown_without_its_password(address: str, shown: str) -> None:
    assert config.without_password(address) == shown


@pytest.mark.parametrize("host", ["127.0.0.1", "127.8.8.8", "::1", "[::1]", "localhost"])
def test_loopback(host: str) -> None:
    assert config.is_loopback(host)


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "", "example.org", "192.0.2.1", "127.0.0.1.example.org"])
def test_not_loopback(host: str) -> None:
    assert not config.is_loopback(host)
