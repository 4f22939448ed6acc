/**
 * The names of things: byte strings of fixed length and the protocol's counters. The aliases carry meaning
 * for the reader; lengths are enforced where bytes come in (the codec) and by the length constants here.
 */

/** 32 bytes: SHA-256. */
export type Digest = Uint8Array;
/** 32 bytes: Ed25519 public key. */
export type PublicKey = Uint8Array;
/** 64 bytes: Ed25519 signature. */
export type Signature = Uint8Array;

export const DIGEST_BYTES = 32;
export const PUBLIC_KEY_BYTES = 32;
export const SIGNATURE_BYTES = 64;

/** 0…n−1, the index of a replica in the genesis configuration. */
export type ReplicaIndex = number;
/** 0-based; primary(v) = v mod n. */
export type View = number;
/** 1-based number of a batch; 0 stands for the genesis state. */
export type SequenceNumber = number;
