// What the guest says on COM1 and the debug console: into the scrollback, and looked at for the text that somebody waits for.
// Why here and not where the scrollback is read: the byte that completes the text then ends the partition at one point of its own time, not of the host's.
import { CONSOLE_OUT_BYTES, ConsoleWatch, DeviceMap } from '../../shared/layout/devices.js';
import { ByteLog } from '../../shared/layout/ring.js';
import type { Views } from '../../shared/layout/struct.js';

export class ConsoleOutput {
  private readonly log: ByteLog;
  private readonly views: Views;
  private readonly watch: InstanceType<typeof ConsoleWatch>;
  private readonly textSeen: () => void;

  constructor(views: Views, textSeen: () => void) {
    this.log = new ByteLog(views, DeviceMap.CONSOLE_OUT, CONSOLE_OUT_BYTES);
    this.views = views;
    this.watch = new ConsoleWatch(views, DeviceMap.CONSOLE_WATCH);
    this.textSeen = textSeen;
  }

  append(byte: number): void {
    this.log.append(byte);
    const { length, text } = this.watch;
    if (length !== 0 && byte === this.views.u8[text + length - 1] && this.log.endsWith(this.views.u8.subarray(text, text + length)))
      this.textSeen();
  }
}
