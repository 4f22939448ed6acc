/**
 * A second verifier of receipts, heads and evidence, written from docs/formats/ alone: node:crypto, and nothing of src/. What it needed and did not
 * find there was added there.
 */

import { createHash, createPublicKey, type KeyObject, verify } from 'node:crypto';

export interface Judge {
  readonly id: Buffer;
  readonly keys: readonly KeyObject[];
  readonly rawKeys: readonly Buffer[];
  readonly quorum: number;
  readonly window: number;
}

const sha256 = (...parts: readonly Uint8Array[]): Buffer => {
  const hash = createHash('sha256');
  for (const part of parts) hash.update(part);
  return hash.digest();
};
const u8 = (value: number): Buffer => Buffer.of(value);
const u32 = (value: number): Buffer => {
  const bytes = Buffer.alloc(4);
  bytes.writeUInt32BE(value);
  return bytes;
};
const u64 = (value: number): Buffer => {
  const bytes = Buffer.alloc(8);
  bytes.writeBigUInt64BE(BigInt(value));
  return bytes;
};

class Refused extends Error {}
function demand(condition: boolean, text: string): asserts condition {
  if (!condition) throw new Refused(text);
}

interface Reader {
  bytes(length: number): Buffer;
  u8(): number;
  u16(): number;
  u32(): number;
  u64(): number;
  list<T>(read: () => T): T[];
  end(): void;
}

function readerOf(file: Buffer): Reader {
  let at = 0;
  const reader: Reader = {
    bytes(length) {
      demand(at + length <= file.length, 'it is cut short');
      at += length;
      return file.subarray(at - length, at);
    },
    u8: () => reader.bytes(1).readUInt8(),
    u16: () => reader.bytes(2).readUInt16BE(),
    u32: () => reader.bytes(4).readUInt32BE(),
    u64: () => Number(reader.bytes(8).readBigUInt64BE()),
    list: (read) => Array.from({ length: reader.u32() }, read),
    end: () => demand(at === file.length, 'something stands behind it'),
  };
  return reader;
}

function keyOf(raw: Uint8Array): KeyObject {
  const x = Buffer.from(raw).toString('base64url');
  return createPublicKey({ format: 'jwk', key: { kty: 'OKP', crv: 'Ed25519', x } });
}

/** docs/formats/head.md: the canonical genesis, as far as verifying needs it. */
export function judgeOf(genesis: Buffer): Judge {
  const read = readerOf(genesis);
  const text = () => read.bytes(read.u32());
  text();
  text();
  const rawKeys = read.list(() => read.bytes(32));
  const quorum = read.u16();
  demand(read.u8() <= 1, 'a flag');
  read.list(() => read.bytes(32));
  const window = read.u32();
  const tag = 'bft2f/1/genesis';
  return {
    id: sha256(Buffer.from(tag), genesis),
    keys: rawKeys.map(keyOf),
    rawKeys,
    quorum,
    window,
  };
}

function statement(judge: Judge, kind: string, ...fields: readonly Uint8Array[]): Buffer {
  const tag = `bft2f/1/${kind}`;
  return Buffer.concat([u8(tag.length), Buffer.from(tag), judge.id, u32(0), ...fields]);
}

function demandSigned(judge: Judge, replica: number, bytes: Buffer, signature: Buffer): void {
  const key = judge.keys[replica];
  demand(key !== undefined && verify(null, bytes, key, signature), `the signature of replica ${replica}`);
}

function openFile(judge: Judge, kind: string, file: Buffer): Reader {
  const prefix = statement(judge, kind);
  demand(file.subarray(0, prefix.length).equals(prefix), 'the tag, the cluster or the epoch');
  return readerOf(file.subarray(prefix.length));
}

// --- RFC 6962 ---

const node = (left: Buffer, right: Buffer): Buffer => sha256(u8(1), left, right);

function treeRoot(leaves: readonly Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return sha256(u8(0), leaves[0]!);
  let k = 1;
  while (2 * k < leaves.length) k *= 2;
  return node(treeRoot(leaves.slice(0, k)), treeRoot(leaves.slice(k)));
}

/** The root to which the path leads from the leaf's hash. */
function rootFrom(leaf: Buffer, index: number, size: number, path: readonly Buffer[]): Buffer {
  if (size === 1) {
    demand(path.length === 0, 'the path is too long');
    return leaf;
  }
  let k = 1;
  while (2 * k < size) k *= 2;
  const sibling = path.at(-1);
  demand(sibling !== undefined, 'the path is too short');
  const rest = path.slice(0, -1);
  return index < k
    ? node(rootFrom(leaf, index, k, rest), sibling)
    : node(sibling, rootFrom(leaf, index - k, size - k, rest));
}

/** The two roots that a consistency proof implies, from its end: RFC 6962 §2.1.2, SUBPROOF. */
function impliedRoots(
  m: number,
  n: number,
  path: readonly Buffer[],
  isWhole: boolean,
  oldRoot: Buffer,
): readonly [Buffer, Buffer] {
  const last = path.at(-1);
  if (m === n) {
    if (isWhole) {
      demand(last === undefined, 'the path is too long');
      return [oldRoot, oldRoot];
    }
    demand(path.length === 1, 'the path');
    return [last!, last!];
  }
  demand(last !== undefined, 'the path is too short');
  let k = 1;
  while (2 * k < n) k *= 2;
  const rest = path.slice(0, -1);
  if (m <= k) {
    const [before, after] = impliedRoots(m, k, rest, isWhole, oldRoot);
    return [before, node(after, last)];
  }
  const [before, after] = impliedRoots(m - k, n - k, rest, false, oldRoot);
  return [node(last, before), node(last, after)];
}

function isConsistent(m: number, rootM: Buffer, n: number, rootN: Buffer, path: readonly Buffer[]): boolean {
  if (m < 1 || m > n) return false;
  const [before, after] = impliedRoots(m, n, path, true, rootM);
  return before.equals(rootM) && after.equals(rootN);
}

// --- What replicas sign ---

interface Entry {
  readonly s: number;
  readonly hcd: Buffer;
  readonly replies: Buffer;
  readonly log: Buffer;
}

function demandEntry(judge: Judge, replica: number, v: number, it: Entry, signature: Buffer): void {
  const fields = [u64(v), u64(it.s), it.hcd, it.replies, it.log];
  demandSigned(judge, replica, statement(judge, 'entry', ...fields), signature);
}

function demandQuorum(judge: Judge, replicas: readonly number[]): void {
  demand(replicas.length === judge.quorum, 'not exactly Q signatures');
  demand(
    replicas.every((replica, i) => i === 0 || replica > replicas[i - 1]!),
    'the order of the signers',
  );
}

function readHead(judge: Judge, read: Reader): Entry & { readonly signers: readonly number[] } {
  const it = { s: read.u64(), hcd: read.bytes(32), replies: read.bytes(32), log: read.bytes(32) };
  const votes = read.list(() => ({ replica: read.u8(), v: read.u64(), signature: read.bytes(64) }));
  const signers = votes.map(({ replica }) => replica);
  demandQuorum(judge, signers);
  for (const { replica, v, signature } of votes) demandEntry(judge, replica, v, it, signature);
  return { ...it, signers };
}

/** docs/formats/head.md. Answers s. */
export function verifyHead(judge: Judge, note: string): number {
  const split = note.lastIndexOf('\n\n');
  const origin = `bft2f/${judge.id.toString('hex')}`;
  const [first, size = '', root = '', hcd = '', replies = '', ...more] = note.slice(0, split).split('\n');
  demand(first === origin && more.length === 0, 'the text');
  demand(hcd.startsWith('hcd ') && replies.startsWith('replies '), 'the text');
  const decoded = [hcd.slice(4), replies.slice(8), root].map((each) => Buffer.from(each, 'base64'));
  const it = { s: Number(size), hcd: decoded[0]!, replies: decoded[1]!, log: decoded[2]! };
  const signers = new Set<number>();
  const lines = note.slice(split + 2).split('\n');
  demand(lines.pop() === '', 'the last newline');
  for (const line of lines) {
    const [dash, name = '', encoded = ''] = line.split(' ');
    demand(dash === '—', 'a signature line');
    const bytes = Buffer.from(encoded, 'base64');
    const replica = judge.rawKeys.findIndex((key, index) => {
      const type = Buffer.concat([u8(0xff), Buffer.from('bft2f/1/entry')]);
      const id = sha256(Buffer.from(`${origin}/${index}\n`), type, key).subarray(0, 4);
      return name === `${origin}/${index}` && id.equals(bytes.subarray(0, 4));
    });
    if (replica < 0) continue;
    demand(!signers.has(replica) && bytes.length === 76, 'a signature line');
    demandEntry(judge, replica, Number(bytes.readBigUInt64BE(4)), it, bytes.subarray(12));
    signers.add(replica);
  }
  demand(signers.size >= judge.quorum, 'too few signatures');
  return it.s;
}

/** docs/formats/receipt.md. Answers s and the result that it was made for. */
export function verifyReceipt(judge: Judge, file: Buffer): { readonly s: number; readonly result: Buffer } {
  const read = openFile(judge, 'receipt', file);
  const operation = read.u32();
  const kind = read.u8();
  const client = read.bytes(32);
  const named = kind === 1 ? [u64(read.u64()), u64(read.u32()), u64(read.u64())] : [read.bytes(16)];
  const operations = kind === 1 ? read.list(() => read.bytes(read.u32())) : [Buffer.alloc(0)];
  const seen = [u64(read.u64()), read.bytes(32)];
  const signature = read.bytes(64);
  const listed = [u32(operations.length), ...operations.flatMap((each) => [u32(each.length), each])];
  const signed =
    kind === 1
      ? statement(judge, 'request', client, ...named, sha256(...listed), ...seen)
      : statement(judge, 'open', client, ...named, ...seen);
  const status = read.u8();
  const results = read.list(() => read.bytes(read.u32()));
  const [index, size] = [read.u32(), read.u32()];
  const path = read.list(() => read.bytes(32));
  const head = readHead(judge, read);
  read.end();
  demand(operation < operations.length && index < size, 'a number');
  demand(results.length === (status === 0 ? operations.length : 0), 'the number of results');
  const leaf = sha256(u8(0), sha256(signed, signature), u8(status), treeRoot(results));
  demand(rootFrom(leaf, index, size, path).equals(head.replies), 'the path');
  demand(verify(null, signed, keyOf(client), signature), 'the signature of the client');
  return { s: head.s, result: results[operation]! };
}

/** docs/formats/evidence.md. Answers the guilty. */
export function verifyEvidence(judge: Judge, file: Buffer): readonly number[] {
  const read = openFile(judge, 'evidence', file);
  const digest = () => read.bytes(32);
  const differ = (condition: boolean) => demand(condition, 'the two do not contradict each other');
  const header = () => {
    const it = { v: read.u64(), s: read.u64(), digest: digest(), signature: read.bytes(64) };
    const replica = it.v % judge.keys.length;
    demandSigned(
      judge,
      replica,
      statement(judge, 'pre-prepare', u64(it.v), u64(it.s), it.digest),
      it.signature,
    );
    return { ...it, replica };
  };
  const vote = (kind: 'prepare' | 'commit') => {
    const it = {
      v: read.u64(),
      s: read.u64(),
      digest: digest(),
      replica: read.u8(),
      signature: read.bytes(64),
    };
    demandSigned(judge, it.replica, statement(judge, kind, u64(it.v), u64(it.s), it.digest), it.signature);
    return it;
  };
  const entry = () => {
    const v = read.u64();
    const it = { s: read.u64(), hcd: digest(), replies: digest(), log: digest() };
    const replica = read.u8();
    demandEntry(judge, replica, v, it, read.bytes(64));
    return { ...it, signers: [replica] };
  };
  const checkpointed = () => ({ s: read.u64(), hcd: digest(), log: digest(), state: digest() });
  const demandCheckpoint = (it: ReturnType<typeof checkpointed>, replica: number, signature: Buffer) =>
    demandSigned(
      judge,
      replica,
      statement(judge, 'checkpoint', u64(it.s), it.hcd, it.log, it.state),
      signature,
    );
  const checkpoint = () => {
    const it = checkpointed();
    const replica = read.u8();
    demandCheckpoint(it, replica, read.bytes(64));
    return { ...it, signers: [replica] };
  };
  const stable = () => {
    const it = checkpointed();
    const votes = read.list(() => ({ replica: read.u8(), signature: read.bytes(64) }));
    const signers = votes.map(({ replica }) => replica);
    demandQuorum(judge, signers);
    for (const { replica, signature } of votes) demandCheckpoint(it, replica, signature);
    return { ...it, signers };
  };
  const certificate = () => {
    const it = { v: read.u64(), s: read.u64(), hcd: digest() };
    const votes = read.list(() => ({ replica: read.u8(), signature: read.bytes(64) }));
    const signers = votes.map(({ replica }) => replica);
    demandQuorum(judge, signers);
    for (const { replica, signature } of votes) {
      demandSigned(judge, replica, statement(judge, 'commit', u64(it.v), u64(it.s), it.hcd), signature);
    }
    return { ...it, signers };
  };
  const viewChange = () => {
    const v = read.u64();
    const [kind, view, s, hcd] = [read.u8(), read.u64(), read.u64(), digest()];
    const claims = read.list(() => ({ view: read.u64(), s: read.u64(), digest: digest() }));
    const replica = read.u8();
    const hashed = claims.map((it) => statement(judge, 'view-change', u64(it.view), u64(it.s), it.digest));
    const fields = [
      u64(v),
      u64(replica),
      u64(kind),
      u64(view),
      u64(s),
      hcd,
      u64(claims.length),
      sha256(...hashed),
    ];
    const bytes = statement(judge, 'view-change', ...fields);
    const [key, signature] = [judge.keys[replica], read.bytes(64)];
    const isSigned = key !== undefined && verify(null, bytes, key, signature);
    return { v, s, claims, replica, isSigned };
  };
  const withholds = (voted: { readonly v: number; readonly s: number }, it: ReturnType<typeof viewChange>) =>
    it.isSigned &&
    voted.v < it.v &&
    it.s < voted.s &&
    voted.s <= it.s + 2 * judge.window &&
    !it.claims.some((claim) => claim.s === voted.s && claim.view >= voted.v);
  const point = () => {
    const kind = read.u8();
    if (kind === 1) return { state: undefined, ...entry() };
    if (kind === 2) return { replies: undefined, ...checkpoint() };
    if (kind === 3) return { state: undefined, ...readHead(judge, read) };
    demand(kind === 4, 'the kind of a point');
    return { replies: undefined, ...stable() };
  };

  const kind = read.u8();
  let guilty: readonly number[];
  if (kind <= 3) {
    const one = () => (kind === 1 ? header() : vote(kind === 2 ? 'prepare' : 'commit'));
    const [a, b] = [one(), one()];
    differ(a.replica === b.replica && a.v === b.v && a.s === b.s && !a.digest.equals(b.digest));
    guilty = [a.replica];
  } else if (kind === 4) {
    const [a, b] = [entry(), entry()];
    const isSame = a.hcd.equals(b.hcd) && a.replies.equals(b.replies) && a.log.equals(b.log);
    differ(a.signers[0] === b.signers[0] && a.s === b.s && !isSame);
    guilty = a.signers;
  } else if (kind === 5) {
    const [a, b] = [checkpoint(), checkpoint()];
    const isSame = a.hcd.equals(b.hcd) && a.state.equals(b.state) && a.log.equals(b.log);
    differ(a.signers[0] === b.signers[0] && a.s === b.s && !isSame);
    guilty = a.signers;
  } else if (kind === 6) {
    const [a, b] = [certificate(), certificate()];
    const before = digest();
    const links = read.list(digest);
    const viewChanges = read.list(viewChange);
    let hcd = before;
    for (const link of links) hcd = sha256(link, hcd);
    differ(links.length === b.s - a.s && !before.equals(a.hcd) && hcd.equals(b.hcd));
    const lower = a.v < b.v ? a : b;
    const others =
      a.v === b.v ? b.signers : viewChanges.filter((it) => withholds(lower, it)).map((it) => it.replica);
    guilty = (a.v === b.v ? a : lower).signers.filter((replica) => others.includes(replica));
  } else if (kind === 7) {
    const [a, b] = [point(), point()];
    const root = digest();
    const path = read.list(digest);
    differ(isConsistent(a.s, root, b.s, b.log, path));
    const isOther = (x: Buffer | undefined, y: Buffer | undefined) =>
      x !== undefined && y !== undefined && !x.equals(y);
    const differAtOne = !a.hcd.equals(b.hcd) || isOther(a.replies, b.replies) || isOther(a.state, b.state);
    differ(!root.equals(a.log) || (a.s === b.s && differAtOne));
    guilty = a.signers.filter((replica) => b.signers.includes(replica));
    differ(guilty.length > 0);
  } else {
    demand(kind === 8, 'the kind');
    const [voted, it] = [vote('commit'), viewChange()];
    differ(voted.replica === it.replica && withholds(voted, it));
    guilty = [voted.replica];
  }
  read.end();
  return guilty;
}
