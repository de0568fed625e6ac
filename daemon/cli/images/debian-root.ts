// The first root file system of Debian's kernel: a statically linked busybox, the kernel's virtio drivers, the agent, and what the first process does.
import { type CpioEntry, cpio } from './cpio.js';

const FOLDER_MODE = 0o040755;
const PROGRAM_MODE = 0o100755;
const FILE_MODE = 0o100644;
const CONSOLE_MODE = 0o020600;
/** Where the drivers are in the root file system. */
export const DRIVERS = 'lib/virtio';
const AGENT = 'bin/hvd-agent';

/** Virtio is modules in Debian's kernels: those that every device needs, then those of each type, in the order in which they are loaded. PCI numbers: virtio 1.2, 5. */
const COMMON = ['virtio_ring', 'virtio', 'virtio_pci_legacy_dev', 'virtio_pci_modern_dev', 'virtio_pci'];
const OF_DEVICE = { '0x1041': ['failover', 'net_failover', 'virtio_net'], '0x1042': ['virtio_blk'], '0x1043': ['virtio_console'] } as const;
/** Hyper-V's bus. Loaded by nobody but who asks for it (`run="insmod …"`): a guest that boots without is the one that is compared. */
const HYPERV_BUS = 'hv_vmbus';
export const DEBIAN_DRIVERS: readonly string[] = [...COMMON, ...Object.values(OF_DEVICE).flat(), HYPERV_BUS];

const cases = Object.entries(OF_DEVICE).map(([device, drivers]) => `    ${device}) drivers="$drivers ${drivers.join(' ')}" ;;`);

/**
 * Mounts what programs expect, loads the drivers of the virtio devices that there are (none: nothing is loaded), starts the agent where there is a virtio console, says that the
 * shell is there, and becomes it: on the virtio console where there is one, which can be opened some time after the driver has been loaded, when the device has told it of its ports. `run="COMMANDS"` on the kernel's command line, which the kernel puts into the environment, is run instead, and then the machine is off.
 */
const INIT = `#!/bin/busybox sh
/bin/busybox --install -s
export PATH=/bin:/sbin:/usr/bin:/usr/sbin HOME=/ PS1='\\w # '
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
ip link set lo up
drivers=
for device in /sys/bus/pci/devices/*; do
  read -r vendor < $device/vendor
  [ $vendor = 0x1af4 ] || continue
  read -r device < $device/device
  case $device in
${cases.join('\n')}
  esac
done
[ -z "$drivers" ] || for driver in ${COMMON.join(' ')} $drivers; do
  grep -q "^$driver " /proc/modules || insmod /${DRIVERS}/$driver.ko
done
case $drivers in *virtio_console*) /${AGENT} & esac
if [ -n "$run" ]; then
  sh -c "$run"
  echo "run: status $?"
  poweroff -f
fi
terminal=cttyhack
case $drivers in
  *virtio_console*)
    tries=0
    until (exec </dev/hvc0) 2>/dev/null || [ $tries = 100 ]; do
      sleep 0.1
      tries=$((tries + 1))
    done
    exec </dev/hvc0 >/dev/hvc0 2>&1
    terminal=-c ;;
esac
echo login-or-shell-ready
setsid $terminal sh
poweroff -f
`;

/** What udhcpc of busybox does with what it is told. */
const DHCP_SCRIPT = `#!/bin/sh
case $1 in
  deconfig) ip address flush dev $interface; ip link set $interface up ;;
  bound | renew)
    ip address flush dev $interface
    ip address add $ip/$mask dev $interface
    for gateway in $router; do ip route add default via $gateway dev $interface; done
    : > /etc/resolv.conf
    for server in $dns; do echo nameserver $server >> /etc/resolv.conf; done ;;
esac
`;

export interface DebianPrograms {
  readonly busybox: Uint8Array;
  /** configs/guests/agent. */
  readonly agent: Uint8Array;
}

/** `drivers`: modules by name. Folders stand before what is in them. */
export const debianRoot = ({ busybox, agent }: DebianPrograms, drivers: ReadonlyMap<string, Uint8Array>): readonly CpioEntry[] => [
  ...['bin', 'dev', 'etc', 'etc/udhcpc', 'lib', DRIVERS, 'proc', 'sbin', 'sys', 'tmp', 'usr', 'usr/bin', 'usr/sbin'].map((name) => ({
    name,
    mode: FOLDER_MODE,
  })),
  { name: 'dev/console', mode: CONSOLE_MODE, device: [5, 1] },
  { name: 'bin/busybox', mode: PROGRAM_MODE, data: busybox },
  { name: AGENT, mode: PROGRAM_MODE, data: agent },
  ...[...drivers].map(([name, data]) => ({ name: `${DRIVERS}/${name}.ko`, mode: FILE_MODE, data })),
  { name: 'etc/udhcpc/default.script', mode: PROGRAM_MODE, data: Buffer.from(DHCP_SCRIPT) },
  { name: 'init', mode: PROGRAM_MODE, data: Buffer.from(INIT) },
];

export const debianArchive = (programs: DebianPrograms, drivers: ReadonlyMap<string, Uint8Array>): Uint8Array =>
  cpio(debianRoot(programs, drivers));
