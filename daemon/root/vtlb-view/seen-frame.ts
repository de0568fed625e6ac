// Which frame of partition memory is behind one that the guest's tables name: RAM, an overlay page (TLFS 5.2.1) or the ROM.
// Why here again and not hypervisor/overlay-map: that one is an LP's; this one only looks, from outside, while the guest runs.
import { DeviceMap } from '../../../shared/layout/devices.js';
import { Firmware, FRAMES_4G, lowRomPage, PAM_END, PAM_FIRST, PamAccess, pamAccessOf } from '../../../shared/layout/firmware.js';
import { HypervLayout, OVERLAYS_MAX } from '../../../shared/layout/hyperv.js';
import { PartitionLayout, PartitionMap } from '../../../shared/layout/partition.js';
import type { Views } from '../../../shared/layout/struct.js';

const OVERLAYS = (PartitionMap.HYPERV + HypervLayout.at.overlays) >>> 2;

/** -1: no memory. */
export const frameSeenAt = (views: Views, gfn: number): number => {
  const { i32, u32 } = views;
  const ramPages = u32[PartitionLayout.at.ramSize >>> 2]! >>> 12;
  const overlays = Math.min(u32[PartitionLayout.at.overlayPages >>> 2]!, OVERLAYS_MAX);
  for (let overlay = 0; overlay < overlays; overlay++) if (i32[OVERLAYS + overlay] === gfn + 1) return ramPages + overlay;
  const { romPages, romFrame } = new Firmware(views, DeviceMap.FIRMWARE);
  if (romPages > 0 && gfn >= FRAMES_4G - romPages && gfn < FRAMES_4G) return romFrame + gfn - (FRAMES_4G - romPages);
  const low = romPages > 0 && gfn >= PAM_FIRST && gfn < PAM_END;
  if (low && (pamAccessOf(gfn, (address) => i32[address >>> 2]!) & PamAccess.READ) === 0) {
    const page = lowRomPage(gfn, romPages);
    return page < 0 ? -1 : romFrame + page;
  }
  return gfn < ramPages ? gfn : -1;
};
