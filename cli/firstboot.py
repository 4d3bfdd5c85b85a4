"""What a card is told for its first start: files for its boot partition, as plain texts.

The first script (`firstboot.sh`) needs no network: it takes itself out of the kernel's command
line, moves settings and packages off the FAT partition, which knows no owners, and leaves a unit
behind. The second (`install.sh`) is that unit's: it installs the packages, trying again until it
could, and takes away everything that the first one left. What is secret ends in files of mode 600
or 640.
"""

import hashlib
import json
import shlex
from typing import NamedTuple

FOLDER = "atoll"
STATE = "/var/lib/atoll-provision"
UNIT = "atoll-provision.service"
# IEEE 802.11i, annex M.4: a passphrase as the key that it stands for.
PSK_ROUNDS, PSK_BYTES = 4096, 32


class Told(NamedTuple):
    """What the device of a card is to know. Empty: nothing is said of it, and its default counts.

    wifi: name and passphrase of a network; country: two letters, whose rules of radio hold;
    keys: lines of an `authorized_keys`; sources: as of `atoll device --source`.
    """

    broker: str
    site: str
    id: str = ""
    token: str = ""
    sources: tuple[str, ...] = ()
    wifi: tuple[str, str] | None = None
    country: str = ""
    keys: str = ""


def settings(told: Told) -> str:
    """The additions to /etc/atoll/atoll.toml, for conf.d."""
    values = {"id": told.id, "broker": told.broker, "token": told.token}
    lines = [f"{key} = {_quoted(value)}" for key, value in values.items() if value]
    if told.sources:
        lines.append(f"source = [{', '.join(map(_quoted, told.sources))}]")
    return f"site = {_quoted(told.site)}\n\n[device]\n" + "\n".join(lines) + "\n"


def _quoted(text: str) -> str:
    """A basic string of TOML; of what JSON leaves as it is, TOML forbids 0x7f alone."""
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")


def wifi_profile(name: str, passphrase: str) -> str:
    """A profile of NetworkManager, with the key in place of the passphrase.

    NetworkManager takes a name as bytes, so that no character of it can mean something else.
    """
    bytes_ = "".join(f"{byte};" for byte in name.encode())
    head = f"[connection]\nid=atoll-wifi\ntype=wifi\n\n[wifi]\nmode=infrastructure\nssid={bytes_}\n"
    address = "\n[ipv4]\nmethod=auto\n\n[ipv6]\nmethod=auto\n"
    if not passphrase:
        return head + address
    key = hashlib.pbkdf2_hmac("sha1", passphrase.encode(), name.encode(), PSK_ROUNDS, PSK_BYTES)
    return f"{head}\n[wifi-security]\nkey-mgmt=wpa-psk\npsk={key.hex()}\n{address}"


def files(told: Told) -> dict[str, str]:
    """The files of the card's folder, by name, without the packages; all are for root alone."""
    found = {
        "firstboot.sh": FIRSTBOOT.replace("@COUNTRY@", shlex.quote(told.country)),
        "install.sh": INSTALL,
        UNIT: SERVICE,
        "settings.toml": settings(told),
    }
    if told.wifi:
        found["wifi.nmconnection"] = wifi_profile(*told.wifi)
    if told.keys:
        found["authorized_keys"] = told.keys
    return found


SERVICE = f"""\
[Unit]
Description=Atoll: installation from the card
Wants=network-online.target
After=network-online.target
ConditionPathExists={STATE}/install.sh
StartLimitIntervalSec=0

[Service]
Type=oneshot
ExecStart=/bin/sh {STATE}/install.sh
# Where a package of Debian's is missing, a network may come later.
Restart=on-failure
RestartSec=30

[Install]
WantedBy=multi-user.target
"""

# The body is a function: the shell has read all of it before the first line removes the file.
FIRSTBOOT = f"""\
#!/bin/sh
# Written by `atoll provision`: the first start of this card. The word "now" starts the installation
# in this start of the machine; without it the next one does.
set -u
state={STATE}
country=@COUNTRY@

say() {{ echo "atoll: $*"; }}

wifi() {{
    profiles=/etc/NetworkManager/system-connections
    install -D -m 600 "$1" $profiles/atoll-wifi.nmconnection || return 1
    if [ -n "$country" ] && command -v raspi-config >/dev/null; then
        raspi-config nonint do_wifi_country "$country" || say "the Wi-Fi country was not set"
    fi
    # Raspberry Pi OS keeps the radio off until somebody has said where it is, also over a restart.
    command -v rfkill >/dev/null && rfkill unblock wifi
    for blocked in /var/lib/systemd/rfkill/*:wlan; do
        [ ! -e "$blocked" ] || echo 0 >"$blocked"
    done
    return 0
}}

ssh_keys() {{
    user=$(getent passwd 1000 | cut -d: -f1)
    if [ -z "$user" ]; then say "no user 1000: the SSH key is left out"; return 0; fi
    home=$(getent passwd 1000 | cut -d: -f6)
    group=$(id -g "$user")
    install -d -o "$user" -g "$group" -m 700 "$home/.ssh" || return 1
    cat "$1" >>"$home/.ssh/authorized_keys" || return 1
    chown "$user:$group" "$home/.ssh/authorized_keys"
    chmod 600 "$home/.ssh/authorized_keys"
    systemctl enable ssh.service || say "no SSH server to enable"
    # Else its first start asks for a name and a password on the screen.
    if command -v cancel-rename >/dev/null; then cancel-rename "$user"; fi
    return 0
}}

main() {{
    here=$(CDPATH='' cd -- "$(dirname -- "$0")" && pwd) || exit 1
    # Before everything else, so that nothing that fails below brings the machine here again.
    if [ -f "$here/../cmdline.txt" ]; then
        sed -i -e 's/ systemd\\.run[a-z_]*=[^ ]*//g' \\
            -e 's/ systemd\\.unit=kernel-command-line[^ ]*//g' "$here/../cmdline.txt" || exit 1
    fi
    umask 077
    rm -rf "$state"
    mkdir -p "$state" || exit 1
    cp "$here"/debs/*.deb "$here/install.sh" "$here/settings.toml" "$state/" || exit 1
    install -m 644 "$here/{UNIT}" /etc/systemd/system/{UNIT} || exit 1
    if [ -f "$here/wifi.nmconnection" ]; then
        wifi "$here/wifi.nmconnection" || say "the Wi-Fi network was not set up"
    fi
    if [ -f "$here/authorized_keys" ]; then
        ssh_keys "$here/authorized_keys" || say "the SSH key was not set up"
    fi
    systemctl enable {UNIT} || exit 1
    # Nobody who pulls the card later finds a token on it.
    rm -rf "$here"
    sync
    if [ "${{1:-}}" = now ]; then systemctl --no-block start {UNIT}; fi
    say "the packages are at hand, and installed next"
    exit 0
}}

main "$@"
"""

INSTALL = f"""\
#!/bin/sh
# Written by `atoll provision`: install the packages that came on the card.
set -eu

main() {{
    cd {STATE}
    architecture=$(dpkg --print-architecture)
    set -- ./atoll_*_"$architecture".deb
    if [ ! -e "$1" ]; then
        echo "atoll: the card has no package for $architecture: atoll provision --debs" >&2
        exit 1
    fi
    # What the packages depend on may lie beside them; what is for another machine stays out.
    for package in ./*.deb; do
        case $package in
            "$1") ;;
            *_"$architecture".deb | *_all.deb) set -- "$@" "$package" ;;
        esac
    done
    # The settings come first, so that the service begins with them.
    getent group atoll >/dev/null || groupadd --system atoll
    install -D -o root -g atoll -m 640 settings.toml /etc/atoll/conf.d/50-site.toml
    export DEBIAN_FRONTEND=noninteractive
    options="-y --no-install-recommends -o DPkg::Lock::Timeout=600 -o APT::Sandbox::User=root"
    # shellcheck disable=SC2086  # a list of words
    if ! apt-get $options install "$@"; then
        apt-get update
        apt-get $options install "$@"
    fi
    systemctl disable {UNIT} || true
    rm -f /etc/systemd/system/{UNIT}
    rm -rf {STATE}
}}

main
exit 0
"""
