"""Networks by name: each registers itself where it is defined, and a recipe names it.

A new network is a module of this package with a :class:`SpeakerNetwork` under
``@register("name", ItsConfig)``; nothing else needs to know of it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict
from functools import cache
from importlib import import_module
from pkgutil import iter_modules
from typing import Any, NamedTuple, TypeVar

from spkid.config import from_mapping
from spkid.errors import BadConfig
from spkid.training import networks
from spkid.training.networks.base import NetworkConfig, SpeakerNetwork

DEFAULT = "self_attentive"
ADDED_LATER: dict[str, object] = {
    "long_term_spectrum": False,
    "n_narrow": 128,
    "strides": (1, 1, 1),
}

Network = TypeVar("Network", bound=SpeakerNetwork)


class Architecture(NamedTuple):
    """A network and the configuration that it is built from."""

    config: type[NetworkConfig]
    network: Callable[[Any], SpeakerNetwork]


_registered: dict[str, Architecture] = {}


def register(name: str, config: type[NetworkConfig]) -> Callable[[type[Network]], type[Network]]:
    """Make the decorated network known as ``name``; it is built from a ``config``."""

    def known(network: type[Network]) -> type[Network]:
        _registered[name] = Architecture(config, network)
        return network

    return known


@cache
def architectures() -> Mapping[str, Architecture]:
    """Every network by name."""
    for module in iter_modules(networks.__path__, f"{networks.__name__}."):
        import_module(module.name)
    return _registered


def network_config(settings: Mapping[str, Any]) -> NetworkConfig:
    """Sizes of a network from ``settings``, whose ``architecture`` says which (default: ours).

    Raises
    ------
    BadConfig
        If the architecture or another key is unknown.
    """
    return from_mapping(config_class(settings), without_architecture(settings))


def config_class(settings: Mapping[str, Any]) -> type[NetworkConfig]:
    """The config dataclass of the architecture that ``settings`` names."""
    name = settings.get("architecture", DEFAULT)
    if name not in architectures():
        raise BadConfig(
            f"architecture {name!r}",
            expected=f"one of {', '.join(sorted(architectures()))}",
            do="correct the configuration",
        )
    return architectures()[name].config


def without_architecture(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The keys of the config dataclass alone."""
    return {key: value for key, value in settings.items() if key != "architecture"}


def network_settings(config: NetworkConfig) -> dict[str, Any]:
    """Settings that :func:`network_config` reads back.

    The first checkpoints named neither an architecture nor what is in ``ADDED_LATER``. Where
    these are as they were then, they are left out, so that fingerprints stay.
    """
    name = _name_of(config)
    settings = asdict(config)
    for key, before in ADDED_LATER.items():
        if settings.get(key) == before:
            del settings[key]
    return settings if name == DEFAULT else {"architecture": name, **settings}


def build_network(config: NetworkConfig) -> SpeakerNetwork:
    """A network with fresh weights from torch's global generator."""
    return architectures()[_name_of(config)].network(config)


def _name_of(config: NetworkConfig) -> str:
    return next(name for name, known in architectures().items() if type(config) is known.config)
