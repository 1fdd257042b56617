"""What every test may ask for: the shared corpora, a free port, and how hard hypothesis tries."""

from __future__ import annotations

import os
import random
import resource
import shutil
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from tests.serving import Story, started

ROOT = Path(__file__).parents[1]
CI = os.environ.get("CI", "").lower() in {"1", "true"}

# No test depends on timings, so none has a deadline; CI repeats the same examples, `make fuzz` makes many new ones.
settings.register_profile("default", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("ci", parent=settings.get_profile("default"), derandomize=True, print_blob=True)
settings.register_profile("fuzz", parent=settings.get_profile("default"), max_examples=20_000, print_blob=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE") or ("ci" if CI else "default"))


# The embedded engine keeps a dozen descriptors each time that a process opens it: a whole run passes the usual 1,024.
resource.setrlimit(resource.RLIMIT_NOFILE, (resource.getrlimit(resource.RLIMIT_NOFILE)[1],) * 2)


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder of corpora beside the checkout, or the one that TOCSIN_SHARED names.

    A test that asks for it is skipped where there is none; in CI it fails.
    """
    folder = Path(os.environ.get("TOCSIN_SHARED") or ROOT.parent / "shared")
    if (folder / "corpora").is_dir():
        return folder.resolve()
    reason = f"no corpora in {folder}: set TOCSIN_SHARED to the folder that has them"
    if CI:
        pytest.fail(reason)
    pytest.skip(reason)


@pytest.fixture(scope="session")
def program() -> Callable[[str], str]:
    """Finds a real counterpart: `program("rsyslogd")` is its path.

    The test is skipped where it is not installed; in CI it fails. `.ci/counterparts` installs them.
    """
    # Daemons are in folders that a user's PATH often lacks.
    path = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/local/sbin", "/usr/sbin", "/sbin"])

    def find(name: str) -> str:
        found = shutil.which(name, path=path)
        if found is not None:
            return found
        reason = f"{name} is not installed (.ci/counterparts installs it on Debian)"
        if CI:
            pytest.fail(reason)
        pytest.skip(reason)

    return find


@pytest.fixture
def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on, for TCP and UDP.

    Below 32768, where the kernel takes no ports for outgoing connections (`ip_local_port_range`): nobody else is given
    it between here and the server's bind. Programs of ours are better started on port 0 and asked.
    """
    for port in random.SystemRandom().sample(range(10_000, 32_768), 100):
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as tcp, socket.socket(type=socket.SOCK_DGRAM) as udp:
            try:
                tcp.bind(("127.0.0.1", port))
                udp.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    pytest.fail("100 ports between 10000 and 32768 are all taken")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Whoever waits for a server waits longer: others may be using the machine."""
    for item in items:
        if "story" in getattr(item, "fixturenames", ()):
            item.add_marker(pytest.mark.timeout(900))


@pytest.fixture(scope="session")
def story(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Story]:
    """One server with three people and the demo's story, for all tests of a worker (`tests/serving.py`)."""
    with started(tmp_path_factory.mktemp("story") / "data") as server:
        yield Story(server)


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate for 127.0.0.1 that is its own authority, with its key."""
    import ipaddress
    from datetime import UTC, datetime, timedelta

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    folder = tmp_path_factory.mktemp("tls")
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(key, hashes.SHA256())
    )
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    return folder
