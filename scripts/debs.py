"""Debian packages from the wheels: `dist/*.deb`, for amd64, arm64 and armhf, without root.

    atoll             the command, the Python package and the settings; one for each architecture
    atoll-device      a service of the device, with a user of its own
    atoll-gateway     a service of the gateway

A wheel (wheels.py) has its files put where Debian's Python looks, and dpkg-deb packs them. The
package for armhf has the modules of ARMv6, so that it runs on every 32-bit Raspberry Pi; paho-mqtt
and cbor2 are Debian's.

    python scripts/debs.py [--version V] [--out DIR] [ARCHITECTURE ...]
"""

import argparse
import gzip
import hashlib
import os
import shutil
import sys
import tempfile
import time
import tomllib
import zipfile
from pathlib import Path
from typing import NamedTuple

from dist import run

ROOT = Path(__file__).resolve().parent.parent
HERE = ROOT / "packages" / "debian"
DIST = ROOT / "dist"
# Debian's name of an architecture -> the wheel's machine.
WHEELS = {"amd64": "x86_64", "arm64": "aarch64", "armhf": "armv6l"}
PYTHON = "usr/lib/python3/dist-packages"
MAINTAINER = "The authors of Atoll <atoll@packages.invalid>"
SYNOPSIS = "compute where the data is, over a fleet of boards"
LONG = """\
 Each board keeps shards of recorded or live samples and runs a plan over
 them; a gateway places the shards with replicas, hands out the work over
 MQTT, and merges what comes back, to the same bytes as one machine.
 .
"""


class Service(NamedTuple):
    """A package with a unit. `holds`: what a purge may remove; `groups`: whose buses it uses."""

    role: str
    holds: str
    needs: str
    groups: str
    says: str

    @property
    def name(self) -> str:
        """The package, its unit and its user."""
        return f"atoll-{self.role}"


SERVICES = (
    Service(
        "device",
        "the shards and the results that are not handed over yet",
        "",
        "dialout audio gpio i2c video",
        " This package runs a device of a site as a service.\n",
    ),
    Service(
        "gateway",
        "the ledger of the site and its passwords",
        "mosquitto (>= 2)",
        "",
        " This package runs the gateway of a site as a service.\n",
    ),
)
SCRIPTS = ("config", "templates", "postinst", "prerm", "postrm")


def version() -> str:
    """The project's."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        return str(tomllib.load(file)["project"]["version"])


def moment() -> int:
    """When the sources were written: what is packed bears this time, and is the same again."""
    given = os.environ.get("SOURCE_DATE_EPOCH")
    return int(given or run("git", "log", "-1", "--format=%ct", cwd=ROOT).strip())


def put(tree: Path, name: str, text: str | bytes, mode: int = 0o644) -> None:
    """A file of a package; `name` is its path on the machine, without the first slash."""
    path = tree / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)


def papers(tree: Path, package: str, number: str) -> None:
    """Licence and changelog, in the form that Debian asks for."""
    folder = f"usr/share/doc/{package}"
    put(tree, f"{folder}/copyright", (HERE / "copyright").read_bytes())
    day = time.strftime("%a, %d %b %Y %H:%M:%S +0000", time.gmtime(moment()))
    entry = f"atoll ({number}) stable; urgency=medium\n\n  * See CHANGELOG.md.\n\n"
    packed = gzip.compress(f"{entry} -- {MAINTAINER}  {day}\n".encode(), 9, mtime=0)
    put(tree, f"{folder}/changelog.gz", packed)


def pack(tree: Path, fields: dict[str, str], text: str, out: Path, conffiles: str = "") -> Path:
    """Write the control files and pack a tree; the package."""
    control = tree / "DEBIAN"
    files = [
        path for path in sorted(tree.rglob("*")) if path.is_file() and control not in path.parents
    ]
    size = sum(path.stat().st_size for path in files) // 1024 + 1
    sums = "".join(
        f"{hashlib.md5(path.read_bytes(), usedforsecurity=False).hexdigest()}"
        f"  {path.relative_to(tree)}\n"
        for path in files
    )
    fields = fields | {"Installed-Size": str(size), "Maintainer": MAINTAINER}
    lines = "".join(f"{name}: {value}\n" for name, value in fields.items() if value)
    put(tree, "DEBIAN/control", f"{lines}Description: {SYNOPSIS}\n{LONG}{text}")
    put(tree, "DEBIAN/md5sums", sums)
    if conffiles:
        put(tree, "DEBIAN/conffiles", conffiles)
    for path in (tree, *tree.rglob("*")):
        if path.is_dir():
            path.chmod(0o755)
    name = f"{fields['Package']}_{fields['Version']}_{fields['Architecture']}.deb"
    os.environ["SOURCE_DATE_EPOCH"] = str(moment())
    run("dpkg-deb", "--root-owner-group", "-Zxz", "--build", tree, out / name, cwd=out)
    return out / name


def common(architecture: str, number: str, wheel: Path, folder: Path, out: Path) -> Path:
    """The package of the command, from a wheel."""
    tree = folder / f"atoll-{architecture}"
    site = tree / PYTHON
    site.mkdir(parents=True)
    with zipfile.ZipFile(wheel) as archive:
        names = [name for name in archive.namelist() if not name.endswith("/RECORD")]
        archive.extractall(site, names)
    for path in site.rglob("*"):
        path.chmod(0o755 if path.is_dir() else 0o644)
    shutil.rmtree(next(site.glob("*.dist-info")) / "licenses")
    start = "import sys\n\nfrom atoll.cli.main import run\n\nsys.exit(run())\n"
    put(tree, "usr/bin/atoll", f"#!/usr/bin/python3\n{start}", 0o755)
    put(tree, "etc/atoll/atoll.toml", (HERE / "atoll.toml").read_bytes())
    put(tree, "etc/atoll/conf.d/README", (HERE / "conf.d-README").read_bytes())
    day = time.strftime("%Y-%m-%d", time.gmtime(moment()))
    page = (HERE / "atoll.1").read_text().replace("@DATE@", day).replace("@VERSION@", number)
    put(tree, "usr/share/man/man1/atoll.1.gz", gzip.compress(page.encode(), 9, mtime=0))
    put(tree, "usr/share/doc/atoll/README.md", (ROOT / "README.md").read_bytes())
    overrides(tree, "atoll")
    papers(tree, "atoll", number)
    for script in ("postinst", "prerm"):
        put(tree, f"DEBIAN/{script}", (HERE / f"atoll.{script}").read_bytes(), 0o755)
    fields = {
        "Package": "atoll",
        "Version": number,
        "Architecture": architecture,
        "Section": "science",
        "Priority": "optional",
        # The wheel's tag says which C library it needs; for ARMv6 that is zig's target.
        "Depends": f"libc6 (>= {libc(wheel)}), python3 (>= 3.11), python3-paho-mqtt (>= 1.6),"
        " python3-cbor2 (>= 5.4), adduser",
        "Suggests": "python3-numpy",
    }
    conffiles = "/etc/atoll/atoll.toml\n/etc/atoll/conf.d/README\n"
    return pack(
        tree, fields, " This package has the command and the Python package.\n", out, conffiles
    )


def libc(wheel: Path) -> str:
    """The oldest C library of a wheel's tag."""
    tag = wheel.stem.rpartition("-")[2]
    return tag.split("_")[1] + "." + tag.split("_")[2] if tag.startswith("manylinux_") else "2.28"


def service(one: Service, number: str, folder: Path, out: Path) -> Path:
    """The package of a service, for every architecture."""
    tree = folder / one.name
    unit = f"{one.name}.service"
    put(tree, f"lib/systemd/system/{unit}", (HERE / unit).read_bytes())
    if (rules := HERE / f"{one.name}.rules").exists():
        put(tree, f"lib/udev/rules.d/60-{rules.name}", rules.read_bytes())
        put(tree, f"usr/lib/{one.name}/share-sensor", (HERE / "share-sensor").read_bytes(), 0o755)
    words = {
        "@PACKAGE@": one.name,
        "@ROLE@": one.role,
        "@HOLDS@": one.holds,
        "@GROUPS@": one.groups,
    }
    for script in SCRIPTS:
        text = (HERE / f"service.{script}").read_text()
        for word, value in words.items():
            text = text.replace(word, value)
        put(tree, f"DEBIAN/{script}", text, 0o644 if script == "templates" else 0o755)
    overrides(tree, one.name)
    papers(tree, one.name, number)
    needs = f"atoll (= {number}), adduser, debconf (>= 1.5) | debconf-2.0"
    fields = {
        "Package": one.name,
        "Version": number,
        "Architecture": "all",
        "Section": "net",
        "Priority": "optional",
        "Depends": f"{needs}, {one.needs}" if one.needs else needs,
        "Pre-Depends": "init-system-helpers (>= 1.54~)",
    }
    return pack(tree, fields, one.says, out)


def overrides(tree: Path, package: str) -> None:
    """Lintian's exceptions, each with its reason."""
    path = HERE / f"{package}.lintian-overrides"
    if path.exists():
        put(tree, f"usr/share/lintian/overrides/{package}", path.read_bytes())


def wheel_of(architecture: str) -> Path:
    """The wheel of an architecture, built anew: one in dist/ may be of other sources."""
    machine = WHEELS[architecture]
    run(sys.executable, ROOT / "scripts" / "wheels.py", machine, cwd=ROOT)
    (wheel,) = DIST.glob(f"atoll-{version()}-cp311-abi3-*linux_*{machine}.whl")
    return wheel


def main() -> None:
    """Build the packages of the architectures that are asked for."""
    parser = argparse.ArgumentParser(description="build Debian packages into dist/")
    parser.add_argument("architectures", nargs="*", metavar="ARCHITECTURE", help=" ".join(WHEELS))
    parser.add_argument(
        "--version", action="append", help="in place of the project's; several: all of them"
    )
    parser.add_argument("--out", type=Path, default=DIST, metavar="DIR", help="in place of dist/")
    options = parser.parse_args()
    for name in options.architectures:
        if name not in WHEELS:
            parser.error(f"no architecture {name!r}: one of {', '.join(WHEELS)}")
    if shutil.which("dpkg-deb") is None:
        sys.exit("debs: dpkg-deb is missing; it is part of every Debian and Ubuntu")
    out = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    made: list[Path] = []
    with tempfile.TemporaryDirectory(prefix="atoll-debs-") as name:
        folder = Path(name)
        wheels = {each: wheel_of(each) for each in options.architectures or WHEELS}
        for number in options.version or [version()]:
            own = folder / number
            made += [common(each, number, wheel, own, out) for each, wheel in wheels.items()]
            made += [service(one, number, own, out) for one in SERVICES]
    for package in made:
        print(f"debs: {package.name} {package.stat().st_size // 1024} KiB")


if __name__ == "__main__":
    main()
