"""The settings: `tocsin.toml`, over it `TOCSIN_…` in the environment, over both what the command line says.

`server.bulk_port` of the file is `TOCSIN_SERVER_BULK_PORT` in the environment. Whoever starts Tocsin calls `load` once
and hands the `Settings` on; no stage reads the environment by itself.
"""

from __future__ import annotations

import difflib
import ipaddress
import json
import os
import re
import tomllib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal, Self
from urllib.parse import urlsplit, urlunsplit
from zoneinfo import ZoneInfo

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ByteSize,
    ConfigDict,
    Field,
    ValidationError,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic.networks import IPvAnyNetwork
from pydantic_core import ErrorDetails
from pydantic_settings import (
    BaseSettings,
    EnvSettingsSource,
    NoDecode,
    PydanticBaseSettingsSource,
    SettingsConfigDict,
    SettingsError,
)

from tocsin.errors import ConfigError, quoted

PREFIX = "TOCSIN_"
FILE_NAME = "tocsin.toml"
# Names in the environment that are Tocsin's but no settings: the file's own name, what the command line's clients read,
# and what the tests read.
_NO_SETTINGS = frozenset({"TOCSIN_CONFIG", "TOCSIN_URL", "TOCSIN_KEY", "TOCSIN_SHARED"})


def _words(separator: str) -> Callable[[object], object]:
    """Reads a list out of one environment variable: JSON, or words with `separator` between."""

    def split(value: object) -> object:
        if not isinstance(value, str):
            return value
        if value.lstrip().startswith("["):
            try:
                return json.loads(value)
            except ValueError as error:
                raise ValueError(f"this begins like a JSON list and is none: {error}") from None
        return [word.strip() for word in re.split(separator, value) if word.strip()]

    return split


# Such a text may hold a password: neither a traceback nor an error shows it.
Secret = Annotated[str, Field(repr=False)]
Port = Annotated[int, Field(ge=0, le=65535)]
Listed = Annotated[list[str], NoDecode, BeforeValidator(_words(r"\s+"))]
Place = Annotated[Path, AfterValidator(Path.expanduser)]
Folders = Annotated[list[Place], NoDecode, BeforeValidator(_words(re.escape(os.pathsep)))]
Networks = Annotated[list[IPvAnyNetwork], NoDecode, BeforeValidator(_words(r"[,\s]+"))]
Severity = Literal["low", "medium", "high", "critical"]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True, validate_default=True)


class Server(_Section):
    """Where the page, the API and the intake listen."""

    host: str = "127.0.0.1"
    """Address of the page and the API (and of the intake, unless `bulk_host` says otherwise)."""
    port: Port = 8686
    """Port of the page and the API; 0 takes a free one."""
    bulk_host: str = ""
    """Address of the Elasticsearch-compatible intake; empty: that of `host`."""
    bulk_port: Port = 9200
    """Port of the Elasticsearch-compatible intake; 0 takes a free one."""
    tls_cert: Place | None = None
    """Certificate chain (PEM) for HTTPS on both ports."""
    tls_key: Place | None = None
    """Private key (PEM) that belongs to `tls_cert`."""
    no_auth: bool = False
    """Nobody signs in and everybody is an admin: only on loopback."""
    public_url: str = ""
    """The address that people use for the page, for links in notifications; empty: made of `host` and `port`."""
    session_hours: Annotated[int, Field(ge=1, le=24 * 365)] = 12
    """Hours after which a person signs in again."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: set both or neither")
        if self.no_auth and not all(is_loopback(host) for host in (self.host, self.bulk_host or self.host)):
            raise ValueError("no_auth lets everybody in, so host and bulk_host must be loopback addresses (127.0.0.1)")
        return self


class Store(_Section):
    """The column store of events, hits and alerts."""

    address: Secret = ""
    """`chdb:///folder` (in this process) or `clickhouse://user:password@host:port/database` (`clickhouses://` for TLS);
    empty: `chdb` in the folder `store` of `data`."""
    max_server_memory_usage: ByteSize = ByteSize(700_000_000)
    """Bytes that the embedded store may take in all; what would need more is refused and tried again."""
    max_query_memory_usage: ByteSize = ByteSize(400_000_000)
    """Bytes that one search may take."""
    mark_cache_size: ByteSize = ByteSize(32 * 2**20)
    """Bytes of index marks kept in memory."""
    uncompressed_cache_size: ByteSize = ByteSize(16 * 2**20)
    """Bytes of decompressed blocks kept in memory."""
    index_cache_size: ByteSize = ByteSize(32 * 2**20)
    """Bytes of skip indexes (decompressed, with their marks) kept in memory."""
    threads: Annotated[int, Field(ge=0, le=1024)] = 0
    """Threads of one search; 0: as many as there are cores."""


class Journal(_Section):
    """What was acknowledged, in order, until it is stored and looked at."""

    address: Secret = ""
    """`file:///folder`; empty: files in the folder `journal` of `data`. A journal in Kafka is not there yet."""
    lanes: Annotated[int, Field(ge=1, le=1024)] = 16
    """Lanes of a new journal; fixed once it is made."""
    max_bytes: Annotated[ByteSize, Field(ge=2**20)] = ByteSize(8 * 2**30)
    """Bytes that the journal may take on disk; past that, senders are told to wait."""
    segment_bytes: Annotated[ByteSize, Field(ge=2**16)] = ByteSize(64 * 2**20)
    """Bytes of one segment file."""
    sync_ms: Annotated[int, Field(ge=0, le=10_000)] = 20
    """Milliseconds that a record may wait for others to be synced to disk with it."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if self.segment_bytes > self.max_bytes:
            raise ValueError("segment_bytes is more than max_bytes, so no segment would ever fit")
        return self


class State(_Section):
    """What people configure: users, keys, rules' settings, lists, cases."""

    address: Secret = ""
    """`sqlite:///file` or `postgresql://user:password@host/database`; empty: `state.db` in `data`."""


class Rules(_Section):
    """Which rules run."""

    dirs: Folders = []
    """Folders of Sigma and Elastic rules to add to those that come with Tocsin."""
    shipped: bool = True
    """Whether the rules that come with Tocsin run."""


class Lists(_Section):
    """The lists that rules ask: allow-listed servers, usual ports."""

    dir: Place | None = None
    """A folder whose files replace the shipped lists of the same name; the others stay as shipped."""


class Syslog(_Section):
    """Syslog intake. Senders have no key, so off loopback they need `allowed_peers` or a certificate."""

    host: str = "127.0.0.1"
    """Address to listen on."""
    udp: Port | None = None
    """UDP port; unset: off. 514 needs privileges, 5514 does not."""
    tcp: Port | None = None
    """TCP port; unset: off."""
    tls: Port | None = None
    """Port for syslog over TLS; unset: off. 6514 is the usual one."""
    tls_cert: Place | None = None
    """Certificate chain (PEM) for `tls`; unset: that of `server`."""
    tls_key: Place | None = None
    """Private key (PEM) that belongs to `tls_cert`."""
    tls_ca: Place | None = None
    """Authorities (PEM) whose certificates let senders in over TLS, whatever their address."""
    allowed_peers: Networks = [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
    """Networks that may send, in CIDR notation; others are refused and counted."""

    @model_validator(mode="after")
    def _agree(self) -> Self:
        if (self.tls_cert is None) != (self.tls_key is None):
            raise ValueError("tls_cert and tls_key go together: set both or neither")
        return self


class Files(_Section):
    """Files that are read as they grow, through rotation and compression."""

    paths: Listed = []
    """Paths and globs, such as `/var/log/nginx/*.log`."""
    exclude: Listed = []
    """Globs of what is left out."""


class Notify(_Section):
    """Who is told, and of what."""

    urls: Listed = Field(default=[], repr=False)
    """Apprise addresses: `mailto://…`, `json://…` (a webhook) and a hundred more."""
    min_severity: Severity = "high"
    """Incidents and alerts below this severity notify nobody."""


class Normalise(_Section):
    """How raw records become ECS documents."""

    keep_original: bool = True
    """Whether `event.original` keeps the record as it was sent."""
    time_zone: str = "UTC"
    """Zone (IANA name) of records whose time names none."""

    @model_validator(mode="after")
    def _known(self) -> Self:
        try:
            ZoneInfo(self.time_zone)
        except (KeyError, ValueError, OSError):
            raise ValueError(f"time_zone {quoted(self.time_zone)} is no zone; try UTC or Europe/Berlin") from None
        return self


class Limits(_Section):
    """How much of one sender's input is taken; what is more is cut or refused, counted and shown."""

    record_bytes: Annotated[ByteSize, Field(ge=1024)] = ByteSize(2**20)
    """Bytes of one record."""
    syslog_bytes: Annotated[ByteSize, Field(ge=480)] = ByteSize(64 * 2**10)
    """Bytes of one syslog message (RFC 5424 section 6.1 asks for at least 480)."""
    request_bytes: Annotated[ByteSize, Field(ge=1024)] = ByteSize(100 * 2**20)
    """Bytes of one HTTP request, after decompression."""


class Demo(_Section):
    """The worked example."""

    seed: int | None = None
    """Repeats one run of the simulated attack; unset: a new one each time."""


class Settings(BaseSettings):
    """Every setting of Tocsin, checked."""

    model_config = SettingsConfigDict(
        env_prefix=PREFIX,
        env_nested_delimiter="_",
        env_nested_max_split=1,
        env_ignore_empty=True,
        extra="forbid",
        frozen=True,
        use_attribute_docstrings=True,
        validate_default=True,
    )

    data: Place = Path("tocsin-data")
    """The folder that keeps everything; made when it is missing."""
    workers: Annotated[int, Field(ge=1, le=256)] = 1
    """Processes that normalise and match."""
    server: Server = Server()
    store: Store = Store()
    journal: Journal = Journal()
    state: State = State()
    rules: Rules = Rules()
    lists: Lists = Lists()
    syslog: Syslog = Syslog()
    files: Files = Files()
    notify: Notify = Notify()
    normalise: Normalise = Normalise()
    limits: Limits = Limits()
    demo: Demo = Demo()

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Only what it is given: `load` lays the sources over each other, so an error can name the one it is from."""
        return (init_settings,)

    @model_validator(mode="after")
    def _certificates(self) -> Self:
        if self.syslog.tls is not None and self.syslog.tls_cert is None and self.server.tls_cert is None:
            raise ValueError("syslog.tls needs syslog.tls_cert and tls_key, or those of server")
        return self

    @model_validator(mode="after")
    def _addresses(self) -> Self:
        if self.journal_address.startswith("kafka:"):
            raise ValueError("a journal in Kafka is not there yet: leave journal.address empty for one in files")
        for address, schemes in (
            (self.store_address, ("chdb", "clickhouse", "clickhouses")),
            (self.journal_address, ("file",)),
            (self.state_address, ("sqlite", "postgresql", "postgresql+psycopg")),
        ):
            if urlsplit(address).scheme not in schemes:
                known = ", ".join(f"{scheme}://" for scheme in schemes)
                raise ValueError(f"the address {quoted(without_password(address))} begins with none of {known}")
        return self

    @property
    def data_dir(self) -> Path:
        """`data`, absolute."""
        return self.data.absolute()

    @property
    def store_address(self) -> str:
        """Where the store is: `store.address`, or its default below `data`."""
        return self.store.address or f"chdb://{self.data_dir / 'store'}"

    @property
    def journal_address(self) -> str:
        """Where the journal is: `journal.address`, or its default below `data`."""
        return self.journal.address or f"file://{self.data_dir / 'journal'}"

    @property
    def state_address(self) -> str:
        """Where the state is, as SQLAlchemy takes it: `state.address`, or its default below `data`."""
        return self.state.address or f"sqlite:///{self.data_dir / 'state.db'}"


def load(path: Path | None = None, *, flags: Mapping[str, object] | None = None) -> Settings:
    """The settings: of `flags`, else of the environment, else of the file, else the default.

    The file is `path`, or the one that `TOCSIN_CONFIG` names, or `./tocsin.toml` where there is one; its relative paths
    begin at its folder. `flags` are dotted names with values, as the command line gave them; None is a flag that was
    not given. Raises `ConfigError` for a file that can't be read, for keys that nobody knows (naming the nearest) and
    values that can't be: all of them at once, a line each.
    """
    if path is None and os.environ.get("TOCSIN_CONFIG"):
        path = Path(os.environ["TOCSIN_CONFIG"])
    if path is None and Path(FILE_NAME).is_file():
        path = Path(FILE_NAME)
    text = "" if path is None else _read(path)
    file = {} if path is None else _from_folder(_parse(text, path), path.absolute().parent)
    try:
        environment = EnvSettingsSource(Settings)()
    except SettingsError as error:
        raise ConfigError(str(error), where="environment", hint="a section is set a key at a time") from error
    given: dict[str, Any] = {}
    for name, value in (flags or {}).items():
        if value is not None:
            _put(given, name.split("."), value)
    try:
        return Settings(**_laid(file, environment, given))
    except ValidationError as error:
        origin = _Origin(path, text, environment, given)
        problems = [origin.problem(found) for found in error.errors(include_url=False)]
        if len(problems) == 1:
            raise problems[0] from None
        raise ConfigError("\n".join(str(problem) for problem in problems)) from None


def unread_environment() -> list[str]:
    """Names in the environment that begin like a setting and are none, each with what may have been meant.

    A container's runtime sets names of its own (`TOCSIN_SERVICE_HOST`), so these are no errors; they are for the log
    and for `tocsin doctor`.
    """
    known = {_variable(name): name for name in names()}
    found = []
    for variable in sorted(os.environ):
        upper = variable.upper()
        section = upper.removeprefix(PREFIX).lower()
        if not upper.startswith(PREFIX) or upper in known or upper in _NO_SETTINGS or section in Settings.model_fields:
            continue
        near = difflib.get_close_matches(upper, known, n=1)
        found.append(f"{variable} is no setting" + (f"; did you mean {near[0]}?" if near else ""))
    return found


def names() -> tuple[str, ...]:
    """Every setting's dotted name, in the order of the reference."""
    return tuple(name for name, _ in _fields())


def _fields() -> Iterator[tuple[str, FieldInfo]]:
    for name, field in Settings.model_fields.items():
        section = field.annotation
        if isinstance(section, type) and issubclass(section, _Section):
            for key, inner in section.model_fields.items():
                yield f"{name}.{key}", inner
        else:
            yield name, field


def _variable(name: str) -> str:
    return PREFIX + name.replace(".", "_").upper()


def _put(tree: dict[str, Any], keys: Sequence[str], value: object) -> None:
    for key in keys[:-1]:
        tree = tree.setdefault(key, {})
    tree[keys[-1]] = value


def _has(tree: object, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(tree, Mapping) or key not in tree:
            return False
        tree = tree[key]
    return True


def _laid(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """The layers over each other, the last on top."""
    result: dict[str, Any] = {}
    for layer in layers:
        for key, value in layer.items():
            below = result.get(key)
            result[key] = _laid(below, value) if isinstance(below, Mapping) and isinstance(value, Mapping) else value
    return result


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise ConfigError(f"byte {error.start} is not UTF-8", where=str(path), hint="save the file as UTF-8") from error
    except OSError as error:
        raise ConfigError(
            f"the settings can't be read: {error.strerror}", where=str(path), hint="name another file with --config"
        ) from error


def _parse(text: str, path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        what, _, place = str(error).rpartition(" (at ")
        numbers = re.findall(r"\d+", place) or [str(len(text.splitlines()))]  # else it says "end of document"
        line = "".join(f":{number}" for number in numbers)
        hint = "TOML wants text in quotes, sections in [brackets], one key = value a line"
        raise ConfigError(f"this is no TOML: {what}", where=f"{path}{line}", hint=hint) from error


def _from_folder(file: dict[str, Any], folder: Path) -> dict[str, Any]:
    """`file` with its relative paths made to begin at `folder`."""

    def at(value: object) -> object:
        if isinstance(value, list):
            return [at(item) for item in value]
        return str(folder / Path(value).expanduser()) if isinstance(value, str) else value

    for name, field in _fields():
        keys = name.split(".")
        if "Path" in str(field.annotation) and _has(file, keys):
            parent = file if len(keys) == 1 else file[keys[0]]
            parent[keys[-1]] = at(parent[keys[-1]])
    return file


class _Origin:
    """Says for each problem that pydantic found where the value came from, in the user's terms."""

    def __init__(self, path: Path | None, text: str, environment: Mapping[str, Any], flags: Mapping[str, Any]) -> None:
        self.path = path
        self.environment = environment
        self.flags = flags
        self.lines = dict(_lines(text))

    def problem(self, found: ErrorDetails) -> ConfigError:
        keys = [str(key) for key in found["loc"] if isinstance(key, str)]
        name = ".".join(keys)
        where = self._where(keys)
        if found["type"] == "extra_forbidden":
            near = _nearest(name)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(_siblings(keys))}"
            return ConfigError(f"there is no setting {quoted(name)}", where=where, hint=hint)
        what = found["msg"].removeprefix("Value error, ")
        if found["type"] == "value_error":
            return ConfigError(what, where=where)
        secret = any(known == name and not field.repr for known, field in _fields())
        given = "" if secret or isinstance(found["input"], dict) else f", not {quoted(found['input'])}"
        return ConfigError(f"{name}: {what[:1].lower()}{what[1:]}{given}", where=where)

    def _where(self, keys: Sequence[str]) -> str:
        name = ".".join(keys)
        if _has(self.flags, keys) and keys:
            return f"--{keys[-1].replace('_', '-')}"
        if _has(self.environment, keys) and keys:
            return _variable(name)
        if self.path is None:
            return name or "settings"
        line = self.lines.get(name)
        return f"{self.path}:{line}" if line else str(self.path)


def _lines(text: str) -> Iterator[tuple[str, int]]:
    """Dotted keys and sections of a TOML file with their lines; as good as one can read it line by line."""
    section = ""
    for number, line in enumerate(text.splitlines(), 1):
        if header := re.match(r"\s*\[+\s*([^\]]+?)\s*\]", line):
            section = header[1].replace('"', "")
            yield section, number
        elif key := re.match(r"""\s*(["'\w.-]+)\s*=""", line):
            name = re.sub(r"[\"']", "", key[1])
            yield (f"{section}.{name}" if section else name), number


def _siblings(keys: Sequence[str]) -> list[str]:
    """The keys that may stand where the last of `keys` stands."""
    section = Settings.model_fields[keys[0]].annotation if len(keys) > 1 else Settings
    return list(section.model_fields) if isinstance(section, type) and issubclass(section, BaseModel) else []


def _nearest(name: str) -> str:
    """The setting that `name` may be a slip of: of its own section, else of any, else one with a like last part."""
    section, _, key = name.rpartition(".")
    neighbours = {known.rpartition(".")[2]: known for known in names() if known.rpartition(".")[0] == section}
    every = {known: known for known in (*names(), *Settings.model_fields)}
    tails = {known.rpartition(".")[2]: known for known in reversed(names())}
    for word, among, cutoff in ((key, neighbours, 0.6), (name, every, 0.75), (key, tails, 0.8)):
        if near := difflib.get_close_matches(word, among, n=1, cutoff=cutoff):
            return among[near[0]]
    return ""


def is_loopback(host: str) -> bool:
    """Whether `host` can be reached from this machine only."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def without_password(address: str) -> str:
    """`address` as it may be shown: its password, if it has one, is starred."""
    try:
        parts = urlsplit(address)
        if parts.password is None:
            return address
        user, _, host = parts.netloc.rpartition("@")
        return urlunsplit(parts._replace(netloc=f"{user.split(':', 1)[0]}:***@{host}"))
    except ValueError:
        return "***"
