/** What `connect` is told, with the defaults, and what is wrong with it, in words that say what to give instead. */

import { SEED_BYTES } from '../crypto/seed.ts';
import { sodiumCrypto } from '../crypto/sodium-native.ts';
import type { NetworkLimits } from '../network/limits.ts';
import { type ProvedEvidence, parseVerifierKey } from '../protocol/accountability/index.ts';
import type { ClientEvent, ClientLimits, Outcome } from '../protocol/client/index.ts';
import type { Genesis } from '../protocol/genesis.ts';
import type { ReplicaIndex } from '../types/identities.ts';
import { invalid } from './client-error.ts';
import type { Witness } from './witnessing.ts';

export interface ConnectOptions {
  /** What the replicas were made with; its hash is the cluster's identity. */
  readonly genesis: Genesis;
  /** Where each replica listens, in the order of the genesis. */
  readonly replicas: readonly { readonly host: string; readonly port: number }[];
  /** 32 bytes: the seed of the client's Ed25519 key, its secret. */
  readonly key: Uint8Array;
  /**
   * How many requests may be in flight at once, 1…64 (default 1). Each session is what docs/protocol.md §1 calls a client: it sees its own
   * operations in order whatever happens; between two sessions that holds only while the service is linearizable.
   */
  readonly sessions?: number;
  /** A directory of this key alone. Without it, nothing outlives the process. */
  readonly stateDirectory?: string;
  /**
   * Whether requests are stored before they are sent, so that a later process ends what this one began. Default: whether there is a
   * `stateDirectory`. If not, only the last accepted head is kept there.
   */
  readonly durable?: boolean;
  /** How long a call waits unless it says otherwise; milliseconds, default 30,000. */
  readonly deadlineMs?: number;
  /**
   * How long a call waits while fewer replicas than a quorum can be reached, if that is shorter than its deadline; milliseconds, default
   * 10,000. Nothing is lost by being patient: what was not sent goes out as soon as a quorum is back.
   */
  readonly noQuorumMs?: number;
  /** Witnesses of the cluster (docs/witness.md): each is shown the heads of what is ordered. */
  readonly witnesses?: readonly WitnessOption[];
  /**
   * How many of the witnesses must have cosigned the history of an ordered operation, or one that extends it, before its result is handed out.
   * Default: all of them. 0: nobody waits for them.
   */
  readonly cosignaturesNeeded?: number;
  /** Facts about the sessions and links, for logs. Must not throw. */
  readonly onEvent?: (event: ClientNotice) => void;
  readonly limits?: Partial<ClientLimits>;
  readonly networkLimits?: Partial<NetworkLimits>;
}

export interface WitnessOption {
  /** Where it serves HTTP, such as `https://witness.example.org`. */
  readonly url: string;
  /** Its verifier key, as `bft2f witness --format` prints it. */
  readonly key: string;
}

export type ClientNotice =
  | (ClientEvent & { readonly sessionIndex: number })
  /** What became of the operation with this place in the request that an earlier process left in flight. */
  | {
      readonly type: 'restoredOutcome';
      readonly sessionIndex: number;
      readonly place: number;
      readonly outcome: Outcome;
    }
  | { readonly type: 'linkUp'; readonly replica: ReplicaIndex }
  | { readonly type: 'linkDown'; readonly replica: ReplicaIndex; readonly reason: string }
  /** The number of replicas that can be reached has changed; while it is below `needed`, nothing new is sent. */
  | { readonly type: 'reach'; readonly reachable: number; readonly needed: number }
  /** A witness has proved that the cluster has forked; this client takes nothing more. */
  | ({ readonly type: 'witnessedFork' } & ProvedEvidence)
  /** A replica sent bytes that are no message. */
  | { readonly type: 'malformed'; readonly from: ReplicaIndex };

export const SESSIONS_MAX = 64;
export const DEFAULT_DEADLINE_MS = 30_000;
export const DEFAULT_NO_QUORUM_MS = 10_000;
/** Node's timers cannot wait longer. */
const DEADLINE_MAX_MS = 2 ** 31 - 1;

/** @throws ClientError INVALID */
export function assertOptions(options: ConnectOptions): void {
  const { genesis, replicas, key, sessions = 1, stateDirectory, durable } = options;
  const n = genesis.replicas.length;
  if (replicas.length !== n) {
    throw invalid(
      `replicas has ${replicas.length} addresses; the genesis has ${n} replicas: give the address of each, in its order`,
    );
  }
  for (const [i, { host, port }] of replicas.entries()) {
    if (typeof host !== 'string' || host === '' || !Number.isInteger(port) || port < 1 || port > 65_535) {
      throw invalid(`replicas[${i}] is ${host}:${port}; expected a host name and a port from 1 to 65535`);
    }
  }
  if (!(key instanceof Uint8Array) || key.length !== SEED_BYTES) {
    throw invalid(`key must be the ${SEED_BYTES} bytes of a key's seed; make one with "bft2f keygen"`);
  }
  if (!Number.isInteger(sessions) || sessions < 1 || sessions > SESSIONS_MAX) {
    throw invalid(`sessions is ${sessions}; expected an integer from 1 to ${SESSIONS_MAX}`);
  }
  if (durable === true && stateDirectory === undefined) {
    throw invalid('a durable session needs a stateDirectory to be kept in');
  }
  assertDeadline(options.deadlineMs);
  assertDeadline(options.noQuorumMs, 'noQuorumMs');
  witnessesOf(options);
}

/** @throws ClientError INVALID */
export function assertDeadline(timeMs: number | undefined, name = 'deadlineMs'): void {
  if (timeMs === undefined) return;
  if (!(timeMs > 0 && timeMs <= DEADLINE_MAX_MS)) {
    throw invalid(`${name} is ${timeMs}; expected milliseconds above 0 and at most ${DEADLINE_MAX_MS}`);
  }
}

/** @throws ClientError INVALID */
export function witnessesOf({ witnesses = [], cosignaturesNeeded }: ConnectOptions): {
  readonly witnesses: readonly Witness[];
  readonly needed: number;
} {
  const needed = cosignaturesNeeded ?? witnesses.length;
  if (!Number.isInteger(needed) || needed < 0 || needed > witnesses.length) {
    throw invalid(
      `cosignaturesNeeded is ${needed}; expected an integer from 0 to ${witnesses.length}, the number of witnesses`,
    );
  }
  return { witnesses: witnesses.map(witnessOf), needed };
}

function witnessOf({ url, key }: WitnessOption, i: number): Witness {
  const protocol = URL.canParse(url) ? new URL(url).protocol : '';
  if (protocol !== 'http:' && protocol !== 'https:') {
    throw invalid(`witnesses[${i}].url is ${url}; expected an http or https URL`);
  }
  const cosigner = parseVerifierKey(sodiumCrypto, key);
  if (cosigner === undefined) {
    throw invalid(
      `witnesses[${i}].key is not a verifier key, "<name>+<8 hexadecimal digits>+<base 64>", as "bft2f witness --format" prints it`,
    );
  }
  return { url: url.replace(/\/+$/, ''), cosigner };
}
