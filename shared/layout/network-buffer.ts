// What a network device and root share: frames on their way out of the guest and into it.
import { frameQueueSize } from './frame-queue.js';
import { block, i32, struct } from './struct.js';

export const FRAME_QUEUE_BYTES = 0x2_0000;
export const NetworkBufferLayout = struct('NetworkBuffer', {
  /** The device adds 1 after it has pushed frames, and notifies: root waits for it. */
  sent: i32,
  /** 1: the device has a frame for which there was no room, and waits until root asks it to look again. */
  held: i32,
  /** 1: root has frames for which there was no room, and waits until the device has taken some and raises `sent`. */
  wanted: i32,
  /** 1: it is on a switch of a deterministic machine: root is called to carry what is sent at the next place of the course (layout/gate). */
  calls: i32,
  out: block(frameQueueSize(FRAME_QUEUE_BYTES), 64),
  in: block(frameQueueSize(FRAME_QUEUE_BYTES), 64),
});
