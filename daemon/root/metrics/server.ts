// Serves the metrics by HTTP to whoever asks for /metrics. There is no background work: statistics are taken when they are asked for, once for all who ask meanwhile.
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import { HvdError, reasonOf } from '../../../shared/protocol/errors.js';
import { bindPrivately, claimSocketPath, removeBound } from '../control/socket-file.js';
import type { Log } from '../log.js';
import type { Machine } from '../machine.js';
import { hvdVersion } from '../version.js';
import type { MetricsAddress } from './address.js';

/** Connections at a time; more are closed at once. */
export const SCRAPERS_MAX = 16;
/** How long a request may take to come in, ms. */
const REQUEST_LIMIT_MS = 10_000;

export class MetricsServer {
  readonly #server: Server;
  readonly #machine: Machine;
  readonly #address: MetricsAddress;
  readonly #version = hvdVersion();
  #inode = 0;
  #scrape: Promise<string> | undefined;

  /** Throws HvdError when it cannot listen there. */
  static async listen(address: MetricsAddress, machine: Machine, log: Log): Promise<MetricsServer> {
    const metrics = new MetricsServer(address, machine, log);
    await metrics.#listen();
    log.info({ address: metrics.address }, 'metrics');
    return metrics;
  }

  private constructor(address: MetricsAddress, machine: Machine, log: Log) {
    this.#address = address;
    this.#machine = machine;
    this.#server = createServer({ requestTimeout: REQUEST_LIMIT_MS, headersTimeout: REQUEST_LIMIT_MS }, (request, response) => {
      this.#answer(request, response).catch((error: unknown) => {
        log.error({ reason: reasonOf(error) }, 'metrics');
        if (!response.headersSent) response.writeHead(500);
        response.end();
      });
    });
    this.#server.maxConnections = SCRAPERS_MAX;
    this.#server.on('error', (error) => log.error({ reason: error.message }, 'metrics'));
  }

  /** As a scraper is told it: host and port, or the socket's path. */
  get address(): string {
    const at = this.#server.address();
    if (typeof at !== 'object' || at === null) return 'path' in this.#address ? this.#address.path : '';
    return at.family === 'IPv6' ? `[${at.address}]:${at.port}` : `${at.address}:${at.port}`;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((done) => this.#server.close(() => done()));
    this.#server.closeAllConnections();
    await closed;
    if ('path' in this.#address) removeBound(this.#address.path, this.#inode);
  }

  async #answer(request: IncomingMessage, response: ServerResponse): Promise<void> {
    const isRead = request.method === 'GET' || request.method === 'HEAD';
    const isThere = request.url === '/metrics' || request.url?.startsWith('/metrics?') === true;
    // Bodies are read by nobody.
    request.resume();
    if (!isThere || !isRead) {
      response.writeHead(isThere ? 405 : 404, { 'content-type': 'text/plain; charset=utf-8', ...(isThere ? { allow: 'GET, HEAD' } : {}) });
      response.end(isThere ? 'GET it\n' : 'the metrics are at /metrics\n');
      return;
    }
    const { CONTENT_TYPE } = await import('./exposition.js');
    const text = Buffer.from(await this.#text());
    response.writeHead(200, { 'content-type': CONTENT_TYPE, 'content-length': text.length });
    response.end(request.method === 'HEAD' ? undefined : text);
  }

  #text(): Promise<string> {
    this.#scrape ??= this.#take().finally(() => {
      this.#scrape = undefined;
    });
    return this.#scrape;
  }
  async #take(): Promise<string> {
    const { expositionOf } = await import('./exposition.js');
    return expositionOf({ stats: this.#machine.stats(), version: this.#version, residentBytes: process.memoryUsage.rss() });
  }

  async #listen(): Promise<void> {
    const address = this.#address;
    if ('path' in address) {
      await claimSocketPath(address.path);
      this.#inode = await bindPrivately(this.#server, address.path);
      return;
    }
    const { host, port } = address;
    await new Promise<void>((done, fail) => {
      const failed = (error: Error): void => fail(new HvdError('socket.failed', { socket: `${host}:${port}`, why: error.message }, error));
      this.#server.once('error', failed);
      this.#server.listen({ host, port }, () => {
        this.#server.off('error', failed);
        done();
      });
    });
  }
}
