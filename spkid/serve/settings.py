"""What a service is told when it starts."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

import platformdirs

from enrollment.store.address import is_address, read_address
from spkid.config import fingerprint
from spkid.errors import SpkidError

MEGABYTE = 1_000_000


@dataclass(frozen=True)
class Limits:
    """What one request may cost; beyond it, it is refused.

    ``decode_s`` and ``upload_s`` are seconds of waiting, ``clip_s`` and ``recording_s`` of sound.
    ``small_bytes`` of a body are held for anybody; what goes beyond shares ``held_bytes``.
    ``n_waiting`` is how many requests may wait for the processor, in each worker process.
    """

    upload_bytes: int = 25 * MEGABYTE
    small_bytes: int = MEGABYTE
    held_bytes: int = 200 * MEGABYTE
    upload_s: float = 60.0
    decode_s: float = 10.0
    clip_s: float = 60.0
    recording_s: float = 900.0
    n_waiting: int = 64
    n_sockets: int = 32
    n_connections: int = 512
    quiet_s: float = 30.0


@dataclass(frozen=True)
class Settings:
    """How a service is run; it pickles, so that worker processes get the same.

    Attributes
    ----------
    store : str
        A file, or a ``postgresql+psycopg://`` address.
    model : str or None
        As :meth:`spkid.Model.load` takes it.
    host, port : str, int
        Where to listen; port 0 takes a free one.
    public_names : tuple of str
        Names under which the service is reached, such as through a proxy.
    tokens : str or None
        The folder of tokens; beside the store where not given.
    audit : str or None
        A folder with an ``audit.json`` and an ``audit.html`` to show.
    key : str or None
        The file of the key with which clips are kept; none are kept without it.
    workers : int
        Processes.
    """

    store: str
    model: str | None = None
    host: str = "127.0.0.1"
    port: int = 8765
    public_names: tuple[str, ...] = ()
    tokens: str | None = None
    audit: str | None = None
    key: str | None = None
    workers: int = 1
    limits: Limits = Limits()

    @property
    def is_wide(self) -> bool:
        """Whether anybody but this machine may reach the service: tokens are required then."""
        return bool(self.public_names) or not is_loopback(self.host)

    @property
    def tokens_folder(self) -> Path:
        """Where the tokens lie."""
        return Path(self.tokens) if self.tokens else tokens_beside(self.store)

    @property
    def n_threads(self) -> int:
        """How many requests one worker process hears at once.

        Beside others it is one more than its share: they may have no client, or have died.
        """
        n_cores = os.cpu_count() or 1
        return min(n_cores, round(n_cores / self.workers) + 1)


def is_loopback(host: str) -> bool:
    """Whether ``host`` is this machine and nothing else."""
    name = host.strip("[]").lower().rstrip(".")
    if name == "localhost" or name.endswith(".localhost"):
        return True
    return is_literal(name) and ipaddress.ip_address(name).is_loopback


def is_literal(host: str) -> bool:
    """Whether ``host`` is an address in digits, which no name server can turn elsewhere."""
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True


def tokens_beside(store: str) -> Path:
    """The folder of tokens of a store: beside its file, or in the user's data folder.

    Each store has its own, also where several lie on servers.
    """
    if is_address(store):
        name = fingerprint(read_address(store).place.encode())
        return platformdirs.user_data_path("spkid") / f"tokens-{name}"
    return Path(f"{store}.tokens")


def check_settings(settings: Settings) -> None:
    """Refuse what could only go wrong later.

    Raises
    ------
    SpkidError
        If a number is out of range, or the audit's folder holds no audit.
    """
    if settings.workers < 1 or not 0 <= settings.port < 65536:
        raise SpkidError(
            f"{settings.workers} workers on port {settings.port}",
            expected="one worker or more, and a port from 0 to 65535",
            do="correct the call",
        )
    if settings.audit and not (Path(settings.audit) / "audit.json").is_file():
        raise SpkidError(
            f"{settings.audit}: no audit.json in it",
            expected="the folder that 'spkid audit' wrote",
            do="correct --audit, or leave it out",
            code="no_audit",
        )
