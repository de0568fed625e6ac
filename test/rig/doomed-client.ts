// A client that is going to be killed: floods the daemon with requests whose answers it never reads, subscribes to all there is, leaves half a frame behind, and says so.
// Arguments: the socket, then parameters of a vm.create as JSON, the request that it dies in.
import { createConnection } from 'node:net';
import { encodeFrame } from '../../shared/protocol/frames.js';
import { PROTOCOL_VERSION } from '../../shared/protocol/messages.js';

const REQUESTS = 40;

const [path, partition] = process.argv.slice(2);
const socket = createConnection(path!);
socket.pause();
let id = 0;
const request = (m: string, p: object): Buffer => encodeFrame({ id: ++id, m, p });
socket.write(request('hello', { version: PROTOCOL_VERSION }));
socket.write(request('subscribe', { stats: 10, events: true }));
for (let i = 0; i < REQUESTS; i++) socket.write(request('stats', {}));
socket.write(request('vm.create', JSON.parse(partition!) as object));
socket.write(request('stats', {}).subarray(0, 7), () => process.stdout.write('all is sent\n'));
// Nothing is read, nothing is closed: only the signal ends it.
setInterval(() => {}, 60_000);
