// What a partition is made from. Bytes, not file names: reading files is root's business.

import { DEFAULT_PROCESSOR, type ProcessorChoice } from '../../shared/cpu/processor-choice.js';
import type { VirtualDeviceSpec } from '../../shared/devices/partition-devices.js';
import type { HypervChoice } from '../../shared/hyperv/hyperv-choice.js';
import type { PortsConfig } from '../../shared/hyperv/partition-ports.js';

/** Bytes of a video BIOS, by the name of its file. */
export interface BiosSpec {
  readonly videoRom?: { readonly name: string; readonly data: Uint8Array } | undefined;
}

export interface PartitionSpec {
  readonly id: number;
  readonly name: string;
  readonly vpCount: number;
  readonly lpCount: number;
  readonly nodeCount: number;
  /** Node of each VP's home LP: with more than one node, firmware tells the guest. */
  readonly vpNodes?: readonly number[] | undefined;
  /** Guest RAM in bytes: RAM_MIN..RAM_MAX, a multiple of RAM_STEP. */
  readonly ramSize: number;
  readonly seed: number;
  readonly image: Uint8Array;
  /** The image is a BIOS's ROM. */
  readonly bios?: BiosSpec | undefined;
  /** The image's file, for messages; without its folders the first word of a multiboot command line. */
  readonly imageName: string;
  readonly commandLine?: string | undefined;
  readonly initrd?: Uint8Array | undefined;
  readonly initrdName?: string | undefined;
  /** The partition's processor; what hvd has when absent. */
  readonly processor?: ProcessorChoice | undefined;
  /** SuperModeChoice; auto when absent. */
  readonly superMode?: number | undefined;
  /** The partition's Hyper-V interface; none when absent. */
  readonly hyperv?: HypervChoice | undefined;
  /** The devices that test images look for. */
  readonly testDevices?: boolean | undefined;
  /** Its synthetic ports, and connections to those of others; none when absent. */
  readonly ports?: PortsConfig | undefined;
  /** Its virtio devices; none when absent. */
  readonly devices?: readonly VirtualDeviceSpec[] | undefined;
  /** Entry of a Linux image: `32` (default; what a PC's boot loader uses) or `64` where the image has one. */
  readonly entry?: '32' | '64' | undefined;
}

/** Guest RAM comes in pages of WebAssembly memory. */
export const RAM_STEP = 0x1_0000;

export const processorOf = (spec: PartitionSpec): ProcessorChoice => spec.processor ?? DEFAULT_PROCESSOR;
