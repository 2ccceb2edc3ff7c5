// vnetdns in tests: a server that answers as each network would see it, for as long as a test runs.

import { spawn, execFile } from 'node:child_process';
import { Resolver } from 'node:dns/promises';
import { existsSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

/** The program: that of VNETDNS_BIN, that of this package, or the one on the PATH. */
export function findProgram() {
  const own = fileURLToPath(new URL('bin/vnetdns', import.meta.url));
  return process.env.VNETDNS_BIN ?? (existsSync(own) ? own : 'vnetdns');
}

/** A server; `Server.start` makes one, `stop` or `await using` ends it. */
export class Server {
  #child;
  #ended;
  #world;

  constructor(child, ended, world, ready) {
    this.#child = child;
    this.#ended = ended;
    this.#world = world;
    /** Where it answers, `HOST:PORT`. */
    this.address = ready.listen[0];
    /** An address for each network, and one for `outside`: whoever asks from there is its client. */
    this.clients = ready.clients;
  }

  /** Serves a topology (TOML) and waits until it is answered; one with mistakes is an error that says what to write instead. */
  static async start(world) {
    const args = ['serve', '--config', '-', '--listen', '127.0.0.1:0', '--loopback', '--ready', 'json'];
    const child = spawn(findProgram(), args, { stdio: ['pipe', 'pipe', 'pipe'] });
    let log = '';
    child.stderr.on('data', (text) => { log = (log + text).slice(-65536); });
    // A program that ends before it has read its topology says why.
    child.stdin.on('error', () => {});
    const ended = new Promise((resolve, reject) => {
      child.once('error', reject);
      child.once('close', resolve);
    });
    child.stdin.end(world);
    const line = new Promise((resolve) => createInterface(child.stdout).once('line', resolve));
    const first = await Promise.race([line, ended]);
    if (typeof first !== 'string') throw new Error(log.trim() || `vnetdns ended with exit code ${first}`);
    return new Server(child, ended, world, JSON.parse(first));
  }

  /** A resolver that asks as a client of a network, or as one of none (`outside`): a `Resolver` of node:dns/promises. */
  resolver(network) {
    const from = this.clients[network];
    if (!from) throw new Error(`no network ${network}; there are ${Object.keys(this.clients).join(', ')}`);
    const resolver = new Resolver({ timeout: 5000, tries: 3 });
    resolver.setServers([this.address]);
    resolver.setLocalAddress(from);
    return resolver;
  }

  /** Why a client of a network gets its answer, in words: what `vnetdns explain` says. */
  explain(network, name, type = 'A') {
    // Outside all networks is an address that none of them has.
    const from = network === 'outside' ? '192.0.2.1' : network;
    const args = ['explain', '--config', '-', '--from', from, name, type];
    return new Promise((resolve, reject) => {
      const child = execFile(findProgram(), args, (error, output, log) => (error ? reject(new Error(log)) : resolve(output)));
      child.stdin.on('error', () => {});
      child.stdin.end(this.#world);
    });
  }

  /** Ends the server. */
  async stop() {
    this.#child.kill('SIGTERM');
    await this.#ended;
  }

  async [Symbol.asyncDispose ?? Symbol.for('Symbol.asyncDispose')]() {
    await this.stop();
  }
}
