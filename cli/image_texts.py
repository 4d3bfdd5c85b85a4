"""What an image holds beside Debian's files: its boot files, its mounts, its units, its users.

The root is read-only; `/var` is a partition of its own, which takes what is written and grows over
the card at each start that finds room. The journal stays in memory.
"""

ROOT_LABEL, DATA_LABEL, BOOT_LABEL = "atoll-root", "atoll-data", "ATOLLBOOT"

# Kernel and initial RAM disk go by names that config.txt knows for ever.
CONFIG = """\
# atoll image: Debian's kernel on a Raspberry Pi (3, Zero 2 W, 4)
arm_64bit=1
enable_uart=1
upstream_kernel=1
kernel=vmlinuz
initramfs initrd.gz followkernel
"""

# ttyAMA0 comes last, so it is where the system speaks.
COMMAND_LINE = (
    f"console=tty0 console=ttyAMA0,115200 root=LABEL={ROOT_LABEL} ro quiet"
    " systemd.show_status=yes panic=10\n"
)

# What must be in the kernel before it can mount a root: of Raspberry Pis, and of QEMU's `virt`.
EARLY_MODULES = (
    "clk-raspberrypi",
    "gpio-raspberrypi-exp",
    "raspberrypi-power",
    "gpio-regulator",
    "bcm2835",
    "sdhci-iproc",
    "mmc_block",
    "usb-storage",
    "virtio_mmio",
    "virtio_blk",
    "ext4",
)

# The first process: modules, the root by its label, and over to systemd.
INIT = """\
#!/bin/busybox sh
/bin/busybox mkdir -p /proc /sys /dev /new
/bin/busybox mount -t proc proc /proc
/bin/busybox mount -t sysfs sysfs /sys
/bin/busybox mount -t devtmpfs dev /dev
for module in $(/bin/busybox cat /modules); do
    /bin/busybox insmod "/lib/$module" 2>/dev/null
done
root=LABEL=atoll-root
for word in $(/bin/busybox cat /proc/cmdline); do
    case $word in root=*) root=${word#root=} ;; esac
done
tries=0
while [ $tries -lt 150 ]; do
    found=$root
    case $root in *=*) found=$(/bin/busybox findfs "$root" 2>/dev/null) ;; esac
    if [ -b "$found" ]; then
        /bin/busybox mount -t ext4 -o ro "$found" /new && break
    fi
    tries=$((tries + 1))
    /bin/busybox sleep 0.2
done
/bin/busybox umount /proc
/bin/busybox umount /sys
/bin/busybox mount --move /dev /new/dev
exec /bin/busybox switch_root /new /sbin/init
# The kernel starts again by itself (panic=) once its first process has ended.
"""

FSTAB = f"""\
LABEL={ROOT_LABEL} / ext4 ro 0 1
LABEL={DATA_LABEL} /var ext4 rw,noatime,commit=30 0 2
LABEL={BOOT_LABEL} /boot/firmware vfat ro,nofail,umask=0077 0 0
tmpfs /tmp tmpfs mode=1777,nosuid,nodev,size=64m 0 0
"""

# The partition is the last one of its disk. A start that finds no room changes nothing.
GROW = f"""\
#!/bin/sh
# Let the data partition have the rest of the card.
set -eu
part=$(readlink -f /dev/disk/by-label/{DATA_LABEL})
name=${{part#/dev/}}
number=$(cat "/sys/class/block/$name/partition")
disk=$(basename "$(readlink -f "/sys/class/block/$name/..")")
end=$(($(cat "/sys/class/block/$name/start") + $(cat "/sys/class/block/$name/size")))
# 16 MiB: less is not worth a word.
if [ $(($(cat "/sys/class/block/$disk/size") - end)) -gt 32768 ]; then
    echo ',+' | sfdisk --quiet --no-reread --no-tell-kernel --force -N "$number" "/dev/$disk"
    partx --update --nr "$number" "/dev/$disk"
fi
# Also where a cut of power came between the two.
resize2fs "$part"
"""

GROW_UNIT = """\
[Unit]
Description=Atoll: the data partition grows over the card
After=var.mount
Requires=var.mount
Before=atoll-device.service

[Service]
Type=oneshot
ExecStart=/usr/lib/atoll-card/grow

[Install]
WantedBy=multi-user.target
"""

# One image for many cards has no keys: each makes its own.
SSH_KEYS = """\
#!/bin/sh
set -eu
mkdir -p -m 700 /var/lib/atoll-card
key=/var/lib/atoll-card/ssh_host_ed25519_key
# A cut of power may have left half a key.
if ! ssh-keygen -y -f $key >/dev/null 2>&1; then
    rm -f $key $key.pub
    ssh-keygen -q -t ed25519 -N '' -f $key
    sync
fi
"""

SSH_KEYS_UNIT = """\
[Unit]
Description=Atoll: this card's own SSH key
After=var.mount
Requires=var.mount
Before=ssh.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=/usr/lib/atoll-card/ssh-keys

[Install]
WantedBy=multi-user.target
"""

SSHD = """\
Include /etc/ssh/sshd_config.d/*.conf
UsePAM yes
Subsystem sftp /usr/lib/openssh/sftp-server
HostKey /var/lib/atoll-card/ssh_host_ed25519_key
PasswordAuthentication no
PermitRootLogin no
"""

NETWORK = """\
[Match]
Name=en* eth* usb* wlan*

[Network]
DHCP=yes

[DHCPv4]
ClientIdentifier=mac
"""

JOURNAL = "[Journal]\nStorage=volatile\nRuntimeMaxUse=16M\n"

# As pam-auth-update writes them for passwords alone.
PAM = {
    "common-auth": "auth [success=1 default=ignore] pam_unix.so nullok\n"
    "auth requisite pam_deny.so\nauth required pam_permit.so\n",
    "common-account": "account [success=1 new_authtok_reqd=done default=ignore] pam_unix.so\n"
    "account requisite pam_deny.so\naccount required pam_permit.so\n",
    "common-password": "password [success=1 default=ignore] pam_unix.so obscure yescrypt\n"
    "password requisite pam_deny.so\npassword required pam_permit.so\n",
    "common-session": "session required pam_unix.so\n",
    "common-session-noninteractive": "session required pam_unix.so\n",
}

# name: number of user and group, home, what its postinst would have made it for
USERS = {
    "messagebus": (101, "/nonexistent"),
    "systemd-network": (998, "/"),
    "systemd-resolve": (997, "/"),
    "systemd-timesync": (996, "/"),
    "sshd": (102, "/run/sshd"),
}
GROUPS = {"systemd-journal": 990, "render": 104, "kvm": 105, "input": 106, "sgx": 107,
          "gpio": 108, "i2c": 109, "netdev": 111}  # fmt: skip
ATOLL_GROUP, ATOLL_USER = 120, 121
DEVICE_GROUPS = ("dialout", "audio", "gpio", "i2c", "video")
PERSON, PERSON_ID = "pi", 1000

# A GPIO line or an I2C bus is its group's, as on Raspberry Pi OS.
UDEV = """\
SUBSYSTEM=="gpio", KERNEL=="gpiochip*", GROUP="gpio", MODE="0660"
SUBSYSTEM=="i2c-dev", GROUP="i2c", MODE="0660"
"""

# unit -> what wants it; systemd's own are wanted by links that it ships.
ENABLED = {
    "atoll-device.service": "multi-user.target",
    "atoll-grow.service": "multi-user.target",
    "atoll-ssh-keys.service": "multi-user.target",
    "ssh.service": "multi-user.target",
    "systemd-networkd.service": "multi-user.target",
    "systemd-resolved.service": "multi-user.target",
    "systemd-timesyncd.service": "sysinit.target",
}
# A unit that would change what cannot be changed, or wait for what may never come.
MASKED = ("systemd-machine-id-commit.service", "apt-daily.timer", "apt-daily-upgrade.timer",
          "dpkg-db-backup.timer", "e2scrub_all.timer", "e2scrub_reap.service",
          "systemd-firstboot.service")  # fmt: skip
