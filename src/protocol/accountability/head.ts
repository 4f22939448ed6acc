/**
 * A head as a text that travels (docs/formats/head.md): a C2SP tlog-checkpoint in a signed note, so that tools for transparency logs can
 * carry, store and compare it. The replicas' signatures in it are those of their executed entries, over the entry's statement and not over
 * the text; they stand under a type of our own, which other tools pass over.
 */

import { fromBase64, toBase64 } from '../../types/base64.ts';
import { concatBytes, equalBytes, toHex, u64Bytes, utf8 } from '../../types/bytes.ts';
import { DIGEST_BYTES, type ReplicaIndex, SIGNATURE_BYTES } from '../../types/identities.ts';
import { fail, ok, type Result } from '../../types/result.ts';
import { type Context, replicaKey, signedBy } from '../context.ts';
import type { Cluster } from '../genesis.ts';
import { type EntryContent, entryStatement, type Head } from '../messages/entry.ts';
import type { Refusal } from './refusal.ts';
import { formatNote, type NoteSignature, noteKeyId, parseNote } from './signed-note.ts';

export type HeadError =
  | 'MALFORMED'
  | 'OTHER_CLUSTER'
  | 'DOUBLE_SIGNATURE'
  | 'BAD_SIGNATURE'
  | 'TOO_FEW_SIGNATURES';

/** Type 0xff, "without an identifier byte assigned", and a name of our own behind it, as signed-note recommends. */
const ENTRY_SIGNATURE_TYPE = concatBytes(Uint8Array.of(0xff), utf8('bft2f/1/entry'));

/** The origin line: what log this is the head of. */
export function originOf(cluster: Pick<Cluster, 'id'>): string {
  return `bft2f/${toHex(cluster.id)}`;
}

/** The key name of a replica in signature lines. */
export function replicaKeyName(cluster: Pick<Cluster, 'id'>, replica: ReplicaIndex): string {
  return `${originOf(cluster)}/${replica}`;
}

function entryKeyId(context: Context, replica: ReplicaIndex): Uint8Array {
  const name = replicaKeyName(context.cluster, replica);
  return noteKeyId(context.crypto, name, ENTRY_SIGNATURE_TYPE, replicaKey(context, replica)!);
}

/** The text that a head's note begins with, up to the empty line. Cosigners sign it. */
export function headText(cluster: Pick<Cluster, 'id'>, content: EntryContent): string {
  const { sequenceNumber, hashChainDigest, repliesRoot, logRoot } = content;
  const lines = [
    originOf(cluster),
    String(sequenceNumber),
    toBase64(logRoot),
    `hcd ${toBase64(hashChainDigest)}`,
    `replies ${toBase64(repliesRoot)}`,
  ];
  return `${lines.join('\n')}\n`;
}

/** The head as a note. `head` must hold: whoever got it from elsewhere verifies it first. */
export function formatHead(context: Context, head: Head): string {
  return formatNote({
    text: headText(context.cluster, head),
    signatures: head.votes.map(({ replica, view, signature }) => ({
      name: replicaKeyName(context.cluster, replica),
      keyId: entryKeyId(context, replica),
      signature: concatBytes(u64Bytes(view), signature),
    })),
  });
}

/**
 * The head that a note proves: a checkpoint of this cluster that Q replicas have signed as executed. Signatures of other keys and types,
 * such as witnesses', are passed over; of ours each must hold.
 */
export function verifyHead(context: Context, note: Uint8Array): Result<Head, Refusal<HeadError>> {
  const parsed = parseNote(note);
  if (!parsed.ok) return refused('MALFORMED', `this is no signed note: ${parsed.error}`);
  const { text, signatures } = parsed.value;
  const origin = originOf(context.cluster);
  if (!text.startsWith(`${origin}\n`)) {
    return refused('OTHER_CLUSTER', `the first line is not ${origin}, this cluster's`);
  }
  const content = parseText(context.cluster, text);
  if (content === undefined) {
    return refused('MALFORMED', 'the text is not origin, size, root, "hcd …" and "replies …", a line each');
  }
  const votes = new Map<ReplicaIndex, Head['votes'][number]>();
  for (const each of signatures) {
    const replica = signerOf(context, each);
    if (replica === undefined) continue;
    if (votes.has(replica)) return refused('DOUBLE_SIGNATURE', `replica ${replica} has signed twice`);
    const vote = readVote(replica, each.signature);
    const isSigned =
      vote !== undefined &&
      signedBy(
        context,
        replica,
        entryStatement(context.cluster, { ...content, view: vote.view }),
        vote.signature,
      );
    if (!isSigned) return refused('BAD_SIGNATURE', `the signature of replica ${replica} does not hold`);
    votes.set(replica, vote);
  }
  const { quorumSize } = context.cluster.thresholds;
  if (votes.size < quorumSize) {
    return refused('TOO_FEW_SIGNATURES', `${votes.size} replicas have signed it; ${quorumSize} must`);
  }
  const first = [...votes.values()].sort((a, b) => a.replica - b.replica).slice(0, quorumSize);
  return ok({ ...content, votes: first });
}

function refused(code: HeadError, text: string): Result<never, Refusal<HeadError>> {
  return fail({ code, text });
}

/** The content whose text this is, to the byte. */
function parseText(cluster: Cluster, text: string): EntryContent | undefined {
  const [, size = '', root = '', hcd = '', replies = ''] = text.split('\n');
  const digests = [root, /^hcd (.*)$/.exec(hcd)?.[1], /^replies (.*)$/.exec(replies)?.[1]].map((each) =>
    each?.length === 44 ? fromBase64(each) : undefined,
  );
  const [logRoot, hashChainDigest, repliesRoot] = digests;
  const sequenceNumber = Number(size);
  if (!Number.isSafeInteger(sequenceNumber) || sequenceNumber < 1) return undefined;
  for (const digest of digests) if (digest?.length !== DIGEST_BYTES) return undefined;
  const content = {
    sequenceNumber,
    hashChainDigest: hashChainDigest!,
    repliesRoot: repliesRoot!,
    logRoot: logRoot!,
  };
  // Whatever else could be spelled in two ways, or stands behind, shows here.
  return headText(cluster, content) === text ? content : undefined;
}

/** The replica whose name and key ID these are. */
function signerOf(context: Context, { name, keyId }: NoteSignature): ReplicaIndex | undefined {
  const prefix = `${originOf(context.cluster)}/`;
  const number = name.startsWith(prefix) ? name.slice(prefix.length) : '';
  if (!/^(?:0|[1-9]\d?)$/.test(number)) return undefined;
  const replica = Number(number);
  if (replicaKey(context, replica) === undefined) return undefined;
  return equalBytes(entryKeyId(context, replica), keyId) ? replica : undefined;
}

function readVote(replica: ReplicaIndex, payload: Uint8Array): Head['votes'][number] | undefined {
  if (payload.length !== 8 + SIGNATURE_BYTES) return undefined;
  const bytes = new DataView(payload.buffer, payload.byteOffset, 8);
  const view = bytes.getUint32(0) * 0x1_0000_0000 + bytes.getUint32(4);
  return Number.isSafeInteger(view) ? { replica, view, signature: payload.slice(8) } : undefined;
}
