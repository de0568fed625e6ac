// Builds a partition's memory up to the moment before VP 0's first instruction. Everything that can be refused is refused before a byte is written.

import { writeProcessor } from '../../shared/cpu/partition-processor.js';
import { deviceBytesOf, writeDevices } from '../../shared/devices/partition-devices.js';
import { NO_HYPERV } from '../../shared/hyperv/hyperv-choice.js';
import { overlayBytesOf, writeHyperv } from '../../shared/hyperv/partition-hyperv.js';
import { NO_PORTS, writePorts } from '../../shared/hyperv/partition-ports.js';
import { assert } from '../../shared/kit/assert.js';
import {
  MAX_VPS,
  PARTITION_MAGIC,
  PartitionHeader,
  PartitionMap,
  PartitionState,
  RAM_MAX,
  RAM_MIN,
  SuperModeChoice,
  vpBlockAt,
} from '../../shared/layout/partition.js';
import type { Views } from '../../shared/layout/struct.js';
import { VpBlock } from '../../shared/layout/vp.js';
import { powerUpVp } from '../../shared/layout/vp-reset.js';
import { firmwareBytesOf, writeBios } from './bios.js';
import { BootError } from './boot-error.js';
import type { BootPlan } from './boot-plan.js';
import { setEntryState, setFirmwareMtrrs, setVirtualWire } from './entry-state.js';
import { writeFirmware } from './firmware/firmware.js';
import { GuestRam } from './guest-ram.js';
import { planImage } from './image.js';
import { type PartitionSpec, processorOf, RAM_STEP } from './partition-spec.js';

const MIB = 1 << 20;
const encoder = new TextEncoder();

/** Checks the whole description and plans the boot. Throws BootError. For callers that want to know before they reserve memory. */
export const planPartition = (spec: PartitionSpec): BootPlan => {
  const { ramSize, vpCount } = spec;
  if (!Number.isInteger(ramSize) || ramSize < RAM_MIN || ramSize > RAM_MAX || ramSize % RAM_STEP !== 0) {
    throw new BootError(
      'memory-size',
      `memory of ${spec.name}: ${ramSize} bytes; from ${RAM_MIN / MIB} MiB to ${RAM_MAX / MIB} MiB in steps of ${RAM_STEP / 1024} KiB`,
    );
  }
  if (!Number.isInteger(vpCount) || vpCount < 1 || vpCount > MAX_VPS)
    throw new BootError('vp-count', `vps of ${spec.name}: ${vpCount}; from 1 to ${MAX_VPS}`);
  return planImage(spec);
};

const writeHeader = (views: Views, spec: PartitionSpec): void => {
  const header = new PartitionHeader(views, PartitionMap.HEADER);
  views.u8.fill(0, PartitionMap.HEADER, PartitionMap.VPS);
  header.magic = PARTITION_MAGIC;
  header.id = spec.id;
  header.vpCount = spec.vpCount;
  header.lpCount = spec.lpCount;
  header.nodeCount = spec.nodeCount;
  header.is64 = processorOf(spec).features.has('lm') ? 1 : 0;
  header.ramSize = spec.ramSize;
  header.seed = spec.seed;
  header.testDevices = spec.testDevices === true ? 1 : 0;
  header.superMode = spec.superMode ?? SuperModeChoice.AUTO;
  header.state = PartitionState.CREATED;
  writeProcessor(views, processorOf(spec));
  writeHyperv(views, spec.hyperv ?? NO_HYPERV);
  writePorts(views, spec.ports ?? NO_PORTS);
  const name = encoder.encode(spec.name).subarray(0, 63);
  views.u8.set(name, header.name);
};

/** `views`: of memory that holds PartitionMap.RAM + ramSize bytes, and behind it overlay pages and the buffers of devices. Throws BootError and then has written nothing. */
export const buildPartition = (views: Views, spec: PartitionSpec): void => {
  const plan = planPartition(spec);
  const hyperv = spec.hyperv ?? NO_HYPERV;
  const devices = spec.devices ?? [];
  const firmware = PartitionMap.RAM + spec.ramSize + overlayBytesOf(hyperv, spec.vpCount);
  const buffers = firmware + (spec.bios === undefined ? 0 : firmwareBytesOf(spec.image.length, spec.bios));
  assert(
    views.buffer.byteLength >= buffers + deviceBytesOf(devices),
    `partition memory has ${views.buffer.byteLength} bytes, too few for its RAM, overlays, ROM and devices`,
  );
  writeHeader(views, spec);
  views.u8.fill(0, PartitionMap.DEVICES, PartitionMap.DEVICES_END);
  writeDevices(views, devices, buffers);
  for (let index = 0; index < spec.vpCount; index++) {
    const vp = new VpBlock(views, vpBlockAt(index));
    powerUpVp(vp, index);
    if (plan.entry !== undefined) setFirmwareMtrrs(vp);
  }
  if (plan.entry === undefined) {
    writeBios(views, spec, firmware);
    return;
  }
  const ram = new GuestRam(views, spec.ramSize);
  writeFirmware(ram, spec);
  for (const { gpa, data, size } of plan.chunks) {
    ram.bytes(gpa, data);
    ram.fill(gpa + data.length, size - data.length, 0);
  }
  const boot = new VpBlock(views, vpBlockAt(0));
  setVirtualWire(boot);
  setEntryState(boot, plan.entry);
};
