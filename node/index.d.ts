import type { Resolver } from 'node:dns/promises';

/** The program: that of VNETDNS_BIN, that of this package, or the one on the PATH. */
export function findProgram(): string;

/** A server; `Server.start` makes one, `stop` ends it. */
export class Server {
  /** Serves a topology (TOML) and waits until it is answered. */
  static start(world: string): Promise<Server>;
  /** Where it answers, `HOST:PORT`. */
  readonly address: string;
  /** An address for each network, and one for `outside`: whoever asks from there is its client. */
  readonly clients: Readonly<Record<string, string>>;
  /** A resolver that asks as a client of a network, or as one of none (`outside`). */
  resolver(network: string): Resolver;
  /** Why a client of a network gets its answer, in words. */
  explain(network: string, name: string, type?: string): Promise<string>;
  /** Ends the server. */
  stop(): Promise<void>;
}
