/**
 * HELLO, the first frame in each direction: who speaks, for which cluster, in which versions. The signature covers
 * the TLS exporter, a secret that only the two ends of this very connection can compute, so a recorded HELLO is
 * worthless on any other connection, even for someone who sits between the two.
 *
 * A side that does not like what it hears answers REFUSED with the reason instead, in words for the other operator.
 */

import {
  choice,
  decode,
  encode,
  fixed,
  list,
  struct,
  type TypeOf,
  text,
  u16,
  u32,
  union,
} from '../codec/index.ts';
import { concatBytes, equalBytes, toHex, u32Bytes, u64Bytes, utf8 } from '../types/bytes.ts';
import {
  DIGEST_BYTES,
  PUBLIC_KEY_BYTES,
  type PublicKey,
  type ReplicaIndex,
  SIGNATURE_BYTES,
} from '../types/identities.ts';
import { fail, ok, type Result } from '../types/result.ts';
import { type Identity, verifySignature } from './identity.ts';
import { NETWORK_ERROR_CODES, NetworkError } from './network-error.ts';

/** Versions of the wire protocol that this code speaks, each a u16. */
export const PROTOCOL_VERSIONS: readonly number[] = [1];

/** RFC 8446 §7.5; both sides get the same 32 bytes, no other connection does. */
export const EXPORTER_LABEL = 'EXPORTER-bft2f-hello';
export const EXPORTER_BYTES = 32;

/** No frame may be longer before HELLO is over: the parties are unknown until then. */
export const GREETING_BYTES_MAX = 1024;
const REASON_BYTES_MAX = 512;

const party = union('role', {
  replica: [0, struct({ index: u32 })],
  client: [1, struct({})],
});

const hello = struct({
  versions: list(u16, 16, 1),
  clusterId: fixed(DIGEST_BYTES),
  epoch: u32,
  party,
  publicKey: fixed(PUBLIC_KEY_BYTES),
  /** Most payload bytes of a frame that the sender of this HELLO accepts on this connection. */
  frameBytesMax: u32,
  signature: fixed(SIGNATURE_BYTES),
});

/** Tags and the layouts behind them stay what they are in every version: versions are agreed on by them. */
export const greetingSchema = union('type', {
  hello: [0, hello],
  refused: [1, struct({ code: choice(NETWORK_ERROR_CODES), reason: text(REASON_BYTES_MAX) })],
});

export type Hello = TypeOf<typeof hello>;
export type Party = TypeOf<typeof party>;

/** What this side says of itself, the same on each of its connections. */
export interface LocalParty {
  readonly identity: Identity;
  /** 32 bytes. */
  readonly clusterId: Uint8Array;
  readonly epoch: number;
  readonly party: Party;
  readonly versions: readonly number[];
}

/** A HELLO frame. `exporter`: what TLS derived for this connection. */
export function helloFrame(local: LocalParty, exporter: Uint8Array, frameBytesMax: number): Uint8Array {
  const unsigned = {
    versions: local.versions,
    clusterId: local.clusterId,
    epoch: local.epoch,
    party: local.party,
    publicKey: local.identity.publicKey,
    frameBytesMax,
  };
  const signature = local.identity.sign(signedBytes(unsigned, exporter));
  return encode(greetingSchema, { type: 'hello', ...unsigned, signature });
}

/** A REFUSED frame that tells the other side's operator why. */
export function refusalFrame(error: NetworkError): Uint8Array {
  // Three bytes of UTF-8 a character at the most; no half of a surrogate pair, which has no encoding.
  const reason = error.message.slice(0, Math.floor(REASON_BYTES_MAX / 3)).replace(/[^ -~…]/g, '?');
  return encode(greetingSchema, { type: 'refused', code: error.code, reason });
}

/**
 * The first frame of the other side, if it is a HELLO that holds on this connection: of our cluster, signed by the
 * key that TLS proved. Whether that party may connect here is the caller's question.
 */
export function checkGreeting(
  frame: Uint8Array,
  local: LocalParty,
  provenKey: PublicKey,
  exporter: Uint8Array,
): Result<Hello, NetworkError> {
  const greeting = decode(greetingSchema, frame);
  if (!greeting.ok) {
    return fail(new NetworkError('MALFORMED', `the first frame is no HELLO: ${greeting.error.reason}`));
  }
  if (greeting.value.type === 'refused') {
    const { code, reason } = greeting.value;
    return fail(new NetworkError('REFUSED', `the other side refused us, ${code}: ${printable(reason)}`));
  }
  const error = rejectHello(greeting.value, local, provenKey, exporter);
  return error === undefined ? ok(greeting.value) : fail(error);
}

function rejectHello(
  theirs: Hello,
  local: LocalParty,
  provenKey: PublicKey,
  exporter: Uint8Array,
): NetworkError | undefined {
  if (commonVersion(local.versions, theirs.versions) === undefined) {
    return new NetworkError(
      'NO_COMMON_VERSION',
      `no common protocol version: ours ${local.versions.join(', ')}, theirs ${theirs.versions.join(', ')}`,
    );
  }
  if (!equalBytes(theirs.clusterId, local.clusterId)) {
    return new NetworkError(
      'WRONG_CLUSTER',
      `wrong cluster: ours ${brief(local.clusterId)}, theirs ${brief(theirs.clusterId)}; compare the genesis files`,
    );
  }
  if (theirs.epoch !== local.epoch) {
    return new NetworkError('WRONG_EPOCH', `wrong epoch: ours ${local.epoch}, theirs ${theirs.epoch}`);
  }
  if (!equalBytes(theirs.publicKey, provenKey)) {
    return new NetworkError(
      'WRONG_KEY',
      `HELLO names the key ${brief(theirs.publicKey)}, TLS proved ${brief(provenKey)}`,
    );
  }
  if (!verifySignature(provenKey, signedBytes(theirs, exporter), theirs.signature)) {
    return new NetworkError('BAD_SIGNATURE', 'the signature of HELLO does not hold on this connection');
  }
  return undefined;
}

/** The highest version that both lists have: either side computes the same one. */
export function commonVersion(ours: readonly number[], theirs: readonly number[]): number | undefined {
  let highest: number | undefined;
  for (const version of ours) {
    if (theirs.includes(version) && (highest === undefined || version > highest)) highest = version;
  }
  return highest;
}

/**
 * The statement under a HELLO: the prefix that every signed statement of the project has (u8 length of the tag, the
 * tag, the cluster, the u32 epoch), then fields of fixed width, numbers as 8 bytes.
 */
function signedBytes(fields: Omit<Hello, 'signature'>, exporter: Uint8Array): Uint8Array {
  const tag = utf8('bft2f/1/hello');
  const replica = fields.party.role === 'replica';
  return concatBytes(
    Uint8Array.of(tag.length),
    tag,
    fields.clusterId,
    u32Bytes(fields.epoch),
    exporter,
    u64Bytes(replica ? 0 : 1),
    u64Bytes(fields.party.role === 'replica' ? fields.party.index : 0),
    fields.publicKey,
    u64Bytes(fields.frameBytesMax),
    u64Bytes(fields.versions.length),
    ...fields.versions.map(u64Bytes),
  );
}

/** For logs: enough of a key or digest to tell two apart. */
export function brief(bytes: Uint8Array): string {
  return `${toHex(bytes.subarray(0, 4))}…`;
}

/** A stranger's words, without what could move the cursor of the terminal that shows them. */
function printable(words: string): string {
  return words.replace(/\p{Control}/gu, ' ');
}

export function describeParty(speaker: Party): string {
  return speaker.role === 'replica' ? `replica ${speaker.index satisfies ReplicaIndex}` : 'a client';
}
