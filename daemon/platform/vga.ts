// VGA registers as a text-mode guest uses them: stored and read back, retrace bits from virtual time. The text itself is plain RAM at 0xB8000.
// Reference: IBM VGA Technical Reference (PS/2 Hardware Interface), FreeVGA register map.
import { DeviceMap, VgaRegisters } from '../../shared/layout/devices.js';
import type { Views } from '../../shared/layout/struct.js';
import type { PortDevice } from './port-device.js';

const Port = {
  MONO_CRTC_INDEX: 0x3b4,
  MONO_CRTC_DATA: 0x3b5,
  MONO_STATUS: 0x3ba,
  ATTRIBUTE: 0x3c0,
  ATTRIBUTE_READ: 0x3c1,
  MISC_WRITE: 0x3c2,
  SEQUENCER_INDEX: 0x3c4,
  SEQUENCER_DATA: 0x3c5,
  DAC_MASK: 0x3c6,
  DAC_READ: 0x3c7,
  DAC_WRITE: 0x3c8,
  DAC_DATA: 0x3c9,
  FEATURE_READ: 0x3ca,
  MISC_READ: 0x3cc,
  GRAPHICS_INDEX: 0x3ce,
  GRAPHICS_DATA: 0x3cf,
  CRTC_INDEX: 0x3d4,
  CRTC_DATA: 0x3d5,
  STATUS: 0x3da,
} as const;
const MISC_COLOUR = 0x01;
const STATUS_BLANK = 0x01;
const STATUS_VERTICAL_RETRACE = 0x08;
/** Timing of the 70 Hz text mode: 449 lines, 400 of them shown, retrace in lines 412 and 413. */
const LINE_NS = 31_778;
const LINES = 449;
const SHOWN_LINES = 400;
const RETRACE_FIRST = 412;
const RETRACE_LAST = 413;
const SHOWN_PART_OF_LINE = 0.8;

/** Register values of text mode 3 (80 x 25, 9 x 16 cells). */
const TEXT_MODE = {
  misc: 0x67,
  sequencer: [0x03, 0x00, 0x03, 0x00, 0x02],
  crtc: [
    0x5f, 0x4f, 0x50, 0x82, 0x55, 0x81, 0xbf, 0x1f, 0x00, 0x4f, 0x0d, 0x0e, 0, 0, 0, 0, 0x9c, 0x8e, 0x8f, 0x28, 0x1f, 0x96, 0xb9, 0xa3,
    0xff,
  ],
  graphics: [0x00, 0x00, 0x00, 0x00, 0x00, 0x10, 0x0e, 0x00, 0xff],
  attribute: [0, 1, 2, 3, 4, 5, 0x14, 7, 0x38, 0x39, 0x3a, 0x3b, 0x3c, 0x3d, 0x3e, 0x3f, 0x0c, 0x00, 0x0f, 0x08, 0x00],
} as const;

export class Vga implements PortDevice {
  private readonly bytes: Uint8Array;
  private readonly r: VgaRegisters;

  constructor(views: Views) {
    this.bytes = views.u8;
    this.r = new VgaRegisters(views, DeviceMap.VGA);
  }

  reset(): void {
    this.r.misc = TEXT_MODE.misc;
    this.r.dacMask = 0xff;
    this.r.attributeIndex = 0x20;
    this.bytes.set(TEXT_MODE.sequencer, this.r.sequencer);
    this.bytes.set(TEXT_MODE.crtc, this.r.crtc);
    this.bytes.set(TEXT_MODE.graphics, this.r.graphics);
    this.bytes.set(TEXT_MODE.attribute, this.r.attribute);
  }

  read(port: number, _bytes: number, now: number): number {
    const { r, bytes } = this;
    switch (this.colourPort(port)) {
      case Port.ATTRIBUTE:
        return r.attributeIndex;
      case Port.ATTRIBUTE_READ:
        return bytes[r.attribute + (r.attributeIndex & 31)];
      case Port.MISC_WRITE:
        return 0x10; // input status 0: display attached
      case Port.SEQUENCER_INDEX:
        return r.sequencerIndex;
      case Port.SEQUENCER_DATA:
        return bytes[r.sequencer + (r.sequencerIndex & 7)];
      case Port.DAC_MASK:
        return r.dacMask;
      case Port.DAC_READ:
        return r.dacReadMode ? 3 : 0;
      case Port.DAC_WRITE:
        return Math.floor(r.dacPosition / 3) & 0xff;
      case Port.DAC_DATA:
        return bytes[r.dac + this.nextDac()];
      case Port.FEATURE_READ:
        return r.feature;
      case Port.MISC_READ:
        return r.misc;
      case Port.GRAPHICS_INDEX:
        return r.graphicsIndex;
      case Port.GRAPHICS_DATA:
        return bytes[r.graphics + (r.graphicsIndex & 15)];
      case Port.CRTC_INDEX:
        return r.crtcIndex;
      case Port.CRTC_DATA:
        return bytes[r.crtc + (r.crtcIndex & 31)];
      case Port.STATUS:
        r.attributeData = 0;
        return this.status(now);
    }
    return 0xff;
  }

  write(port: number, _bytes: number, value: number): void {
    const { r, bytes } = this;
    switch (this.colourPort(port)) {
      case Port.ATTRIBUTE:
        if (r.attributeData) bytes[r.attribute + (r.attributeIndex & 31)] = value;
        else r.attributeIndex = value & 0x3f;
        r.attributeData ^= 1;
        break;
      case Port.MISC_WRITE:
        r.misc = value;
        break;
      case Port.SEQUENCER_INDEX:
        r.sequencerIndex = value;
        break;
      case Port.SEQUENCER_DATA:
        bytes[r.sequencer + (r.sequencerIndex & 7)] = value;
        break;
      case Port.DAC_MASK:
        r.dacMask = value;
        break;
      case Port.DAC_READ:
      case Port.DAC_WRITE:
        r.dacReadMode = port === Port.DAC_READ ? 1 : 0;
        r.dacPosition = value * 3;
        break;
      case Port.DAC_DATA:
        bytes[r.dac + this.nextDac()] = value & 0x3f;
        break;
      case Port.GRAPHICS_INDEX:
        r.graphicsIndex = value;
        break;
      case Port.GRAPHICS_DATA:
        bytes[r.graphics + (r.graphicsIndex & 15)] = value;
        break;
      case Port.CRTC_INDEX:
        r.crtcIndex = value;
        break;
      case Port.CRTC_DATA:
        this.writeCrtc(value);
        break;
      case Port.STATUS:
        r.feature = value;
        break;
    }
  }

  /** The CRTC and status answer at 0x3Dx or 0x3Bx by bit 0 of the miscellaneous register; the other set is not there (-1). */
  private colourPort(port: number): number {
    const colour = (this.r.misc & MISC_COLOUR) !== 0;
    switch (port) {
      case Port.MONO_CRTC_INDEX:
      case Port.MONO_CRTC_DATA:
      case Port.MONO_STATUS:
        return colour ? -1 : port + 0x20;
      case Port.CRTC_INDEX:
      case Port.CRTC_DATA:
      case Port.STATUS:
        return colour ? port : -1;
    }
    return port;
  }

  /** Registers 0 to 7 can be write-protected (index 0x11 bit 7), but for the line-compare bit of 7. */
  private writeCrtc(value: number): void {
    const index = this.r.crtcIndex & 31;
    const at = this.r.crtc + index;
    if (index <= 7 && (this.bytes[this.r.crtc + 0x11] & 0x80) !== 0) {
      if (index === 7) this.bytes[at] = (this.bytes[at] & ~0x10) | (value & 0x10);
    } else this.bytes[at] = value;
  }

  private nextDac(): number {
    const position = this.r.dacPosition;
    this.r.dacPosition = (position + 1) % 768;
    return position;
  }

  private status(now: number): number {
    const lines = now / LINE_NS;
    const line = Math.floor(lines) % LINES;
    const blank = line >= SHOWN_LINES || lines - Math.floor(lines) >= SHOWN_PART_OF_LINE;
    return (blank ? STATUS_BLANK : 0) | (line >= RETRACE_FIRST && line <= RETRACE_LAST ? STATUS_VERTICAL_RETRACE : 0);
  }
}
