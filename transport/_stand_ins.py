"""Import paho-mqtt without the half of the standard library that a plain MQTT session never uses.

paho imports urllib.request (for proxies: http.client, email, ...), ssl and hashlib (libcrypto),
uuid, base64, logging and platform when it is imported: some 8 MB of a small board's memory. While
it is imported, stand-ins take their places. A stand-in knows the few names that paho touches at
import; any other attribute loads the real module then, so that nothing paho can do is lost.
Afterwards `sys.modules` is as if nothing had been: only paho's own globals hold stand-ins. A module
that is loaded already is used as it is.
"""

import sys
from importlib import import_module
from os import uname
from types import ModuleType
from typing import Any


class _NeverRaised(Exception):
    """In place of ssl's exceptions: without TLS no socket raises them."""


# What paho 1.6 and 2.x read at import or, of ssl, whenever a socket has nothing to say.
_KNOWN: dict[str, dict[str, Any]] = {
    "base64": {},
    "hashlib": {},
    "logging": {"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40},
    "platform": {"system": lambda: uname().sysname},
    "ssl": {"SSLWantReadError": _NeverRaised, "SSLWantWriteError": _NeverRaised},
    "urllib": {"__path__": []},
    "urllib.parse": {},
    "urllib.request": {},
    "uuid": {},
}

_in_place: dict[str, ModuleType] = {}


def import_paho_client() -> Any:
    """The module paho.mqtt.client, imported as described above if it is not loaded yet."""
    if "paho.mqtt.client" not in sys.modules:
        for name, known in _KNOWN.items():
            if name not in sys.modules:
                _in_place[name] = sys.modules[name] = _stand_in(name, known)
        for name in _in_place:
            parent, _, leaf = name.rpartition(".")
            if parent:  # `from urllib import parse` asks the package
                setattr(sys.modules[parent], leaf, _in_place[name])
    try:
        return import_module("paho.mqtt.client")
    finally:
        _withdraw()


def _stand_in(name: str, known: dict[str, Any]) -> ModuleType:
    module = ModuleType(name, f"Stands in for {name} until an attribute is asked for.")

    def load(attribute: str) -> Any:
        if attribute.startswith("__"):  # the import system asks for these
            raise AttributeError(attribute)
        _withdraw()  # a paho that reads more at import than we know: it gets the real modules
        return getattr(import_module(name), attribute)

    module.__dict__.update(known, __getattr__=load)
    return module


def _withdraw() -> None:
    for name, module in _in_place.items():
        if sys.modules.get(name) is module:
            del sys.modules[name]
    _in_place.clear()
