"""Memory: what importing a session loads, and that stand-ins hand over when asked."""

import subprocess
import sys
from pathlib import Path

import paho
import pytest

from atoll.transport import _stand_ins

HEAVY = ["ssl", "_ssl", "hashlib", "http.client", "email", "urllib.request", "logging", "uuid"]
HEAVY += ["base64", "platform", "asyncio", "inspect", "dataclasses", "numpy", "random"]


def python(code):
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_a_session_loads_none_of_what_it_never_uses():
    """Whatever site-packages' own start-up files load is none of ours."""
    code = f"""
import sys
before = set(sys.modules)
import atoll.transport.link, atoll.transport.loop, atoll.transport._paho
import atoll.wire.codec, atoll.wire.messages
print(*[name for name in {HEAVY!r} if name in sys.modules and name not in before])
"""
    assert python(code).split() == []


def test_sys_modules_is_as_if_nothing_had_been():
    code = """
import sys, types
from atoll.transport._stand_ins import import_paho_client, _KNOWN
client = import_paho_client()
for name in _KNOWN:
    module = sys.modules.get(name)
    assert module is None or module.__spec__ is not None, name
import hashlib, ssl, urllib.request, logging, platform, uuid, base64
assert ssl.create_default_context and hashlib.sha1 and urllib.request.getproxies
assert logging.getLogger and platform.system() and uuid.uuid4() and base64.b64encode
assert import_paho_client() is client
"""
    python(code)


def test_paho_can_still_do_what_it_could():
    """TLS, websockets' hashes, random client ids, a logger: each loads the real module."""
    code = """
from atoll.transport._stand_ins import import_paho_client
mqtt = import_paho_client()
import paho.mqtt
arguments = {}
if hasattr(mqtt, "CallbackAPIVersion"):
    arguments["callback_api_version"] = mqtt.CallbackAPIVersion.VERSION2
client = mqtt.Client(**arguments)
client.enable_logger()
import logging
assert isinstance(client._logger, logging.Logger)
client.tls_set()
import ssl
assert isinstance(client._ssl_context, ssl.SSLContext)
assert mqtt.hashlib.sha1(b"").hexdigest().startswith("da39")
assert mqtt.base64.b64encode(b"x") == b"eA=="
assert mqtt.uuid.uuid4().int
"""
    python(code)


def test_modules_that_are_loaded_are_used_as_they_are():
    code = """
import ssl, logging
from atoll.transport._stand_ins import import_paho_client
client = import_paho_client()
assert client.ssl is ssl and client.logging is logging
"""
    python(code)


def bare(code):
    """In an interpreter that has loaded nothing by itself: no site, no import hooks."""
    path = Path(_stand_ins.__file__)
    where = [str(Path(entry).parent) for entry in paho.__path__]
    head = (
        f"import sys; sys.path[:0] = {where!r}\n"
        "from importlib.util import module_from_spec, spec_from_file_location\n"
        f"spec = spec_from_file_location('stand_ins', {str(path)!r})\n"
        "stand_ins = module_from_spec(spec); spec.loader.exec_module(stand_ins)\n"
    )
    ran = subprocess.run([sys.executable, "-S", "-c", head + code], capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    return ran.stdout


def test_it_works_where_not_even_urllib_is_loaded():
    bare(
        "assert not {'urllib', 'logging', 'ssl'} & set(sys.modules)\n"
        "client = stand_ins.import_paho_client()\n"
        "assert not {'urllib', 'logging', 'ssl', 'hashlib'} & set(sys.modules)\n"
        "request = getattr(client, 'urllib_dot_request', None) or client.urllib.request\n"
        "assert isinstance(request.getproxies(), dict)\n"
        "import urllib.request\n"
        "assert urllib.request.getproxies is request.getproxies"
    )


def test_a_paho_that_reads_more_at_import_gets_the_real_modules():
    bare(
        "stand_ins._KNOWN['logging'].clear(); stand_ins._KNOWN['platform'].clear()\n"
        "client = stand_ins.import_paho_client()\n"
        "assert client.LOGGING_LEVEL\n"
        "import logging, urllib.request\n"
        "assert logging.getLogger() and urllib.request.getproxies"
    )


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="reads smaps_rollup")
def test_the_device_side_set_costs_less_than_paho_alone():
    """From a bare interpreter: 11 MB without stand-ins, 5.5 with, measured on x86-64."""

    def pss_kb(code):
        tail = "\nprint(next(l for l in open('/proc/self/smaps_rollup') if l[:4] == 'Pss:'))"
        return int(python(code + tail).split()[1])

    ours = "import atoll.transport._paho, atoll.transport.link, atoll.transport.loop"
    assert pss_kb(ours + ", atoll.wire.codec") - pss_kb("pass") < 8 * 1024
