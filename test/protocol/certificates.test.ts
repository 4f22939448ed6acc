import { describe, expect, it } from 'vitest';
import {
  isBodyOf,
  isRequestSigned,
  justifiesLeaving,
  rejectBatch,
  rejectCheckpointCertificate,
  rejectCommitCertificate,
  rejectHead,
  rejectPreparedCertificate,
} from '../../src/protocol/certificates.ts';
import { batchBytes, batchDigest } from '../../src/protocol/messages/batch.ts';
import {
  batchOf,
  checkpointCertificate,
  commitCertificate,
  digestOf,
  genesisSeen,
  headOfReplicas,
  makeTestCluster,
  prepareCertificate,
  signHeader,
  signOpen,
  signRequest,
  signSuspect,
} from './support.ts';

/** n = 7, f = 2, Q = 5. The primary of view 8 is replica 1. */
const test = makeTestCluster(7);
const elsewhere = makeTestCluster(7, { name: 'another cluster of the same keys' });
const { context } = test;
const D = digestOf('batch');
const content = { sequenceNumber: 9, hashChainDigest: D, repliesRoot: digestOf('R'), logRoot: digestOf('L') };
const checkpoint = {
  sequenceNumber: 9,
  hashChainDigest: D,
  logRoot: digestOf('L'),
  stateDigest: digestOf('Σ'),
};

interface Voted {
  readonly votes: readonly { readonly replica: number; readonly signature: Uint8Array }[];
}

/** The certificate with its votes changed by `change`. */
function withVotes<T extends Voted>(
  certificate: T,
  change: (vote: T['votes'][number], i: number) => T['votes'][number],
): T {
  return { ...certificate, votes: certificate.votes.map(change) };
}

/** What must be wrong about Q votes of one statement, whichever it is. */
function votesAreJudged<T extends Voted>(
  make: (replicas?: readonly number[], from?: typeof test) => T,
  reject: (certificate: T) => string | undefined,
): void {
  it('holds with any Q signers', () => {
    expect(reject(make())).toBeUndefined();
    expect(reject(make([2, 3, 4, 5, 6]))).toBeUndefined();
  });
  it('needs exactly Q votes: not Q−1, not Q+1, not none', () => {
    expect(reject(make([0, 1, 2, 3]))).toBe('WRONG_VOTE_COUNT');
    expect(reject(make([0, 1, 2, 3, 4, 5]))).toBe('WRONG_VOTE_COUNT');
    expect(reject(make([]))).toBe('WRONG_VOTE_COUNT');
  });
  it('counts no signer twice', () => {
    expect(reject(make([0, 1, 2, 3, 3]))).toBe('SIGNERS_NOT_ASCENDING');
    expect(reject(make([0, 1, 2, 4, 3]))).toBe('SIGNERS_NOT_ASCENDING');
  });
  it('refuses a signature of another replica, of another cluster, of nobody, and an altered one', () => {
    const lent = withVotes(make(), (vote, i) => (i === 4 ? { ...vote, replica: 5 } : vote));
    expect(reject(lent)).toBe('BAD_SIGNATURE');
    const stranger = withVotes(make(), (vote, i) => (i === 4 ? { ...vote, replica: 7 } : vote));
    expect(reject(stranger)).toBe('BAD_SIGNATURE');
    expect(reject(make(undefined, elsewhere))).toBe('BAD_SIGNATURE');
    const altered = withVotes(make(), (vote, i) =>
      i === 2 ? { ...vote, signature: new Uint8Array(64) } : vote,
    );
    expect(reject(altered)).toBe('BAD_SIGNATURE');
  });
}

describe('docs/protocol.md §3.7: commit certificates', () => {
  votesAreJudged(
    (replicas, from = test) => commitCertificate(from, 3, 9, D, replicas),
    (it) => rejectCommitCertificate(context, it),
  );

  it('speaks for one view, s and HCD only', () => {
    const certificate = commitCertificate(test, 3, 9, D);
    for (const change of [{ view: 4 }, { sequenceNumber: 10 }, { hashChainDigest: digestOf('other') }]) {
      expect(rejectCommitCertificate(context, { ...certificate, ...change })).toBe('BAD_SIGNATURE');
    }
  });
});

describe('PBFT §4.3: checkpoint certificates', () => {
  votesAreJudged(
    (replicas, from = test) => checkpointCertificate(from, checkpoint, replicas),
    (it) => rejectCheckpointCertificate(context, it),
  );

  it('speaks for one s, HCD, L and Σ only', () => {
    const certificate = checkpointCertificate(test, checkpoint);
    const other = digestOf('other');
    const changes = [
      { sequenceNumber: 8 },
      { hashChainDigest: other },
      { logRoot: other },
      { stateDigest: other },
    ];
    for (const change of changes) {
      expect(rejectCheckpointCertificate(context, { ...certificate, ...change })).toBe('BAD_SIGNATURE');
    }
  });
});

describe('docs/protocol.md §9: heads', () => {
  votesAreJudged(
    (replicas, from = test) => headOfReplicas(from, content, replicas),
    (it) => rejectHead(context, it),
  );

  it('lets the views of signers differ, and each vote hold for its own view only', () => {
    const head = headOfReplicas(test, content);
    expect(new Set(head.votes.map(({ view }) => view)).size).toBe(5);
    const shifted = withVotes(head, (vote) => ({ ...vote, view: vote.view + 1 }));
    expect(rejectHead(context, shifted)).toBe('BAD_SIGNATURE');
  });

  it('speaks for one s, HCD, R and L only', () => {
    const other = digestOf('other');
    const head = headOfReplicas(test, content);
    const changes = [
      { sequenceNumber: 8 },
      { hashChainDigest: other },
      { repliesRoot: other },
      { logRoot: other },
    ];
    for (const change of changes) expect(rejectHead(context, { ...head, ...change })).toBe('BAD_SIGNATURE');
  });
});

describe('PBFT §4.2: prepared certificates', () => {
  const good = prepareCertificate(test, 8, 9, D);
  const reject = (it: typeof good) => rejectPreparedCertificate(context, it);

  it('holds with the header and any Q−1 PREPAREs of backups', () => {
    expect(good.prepares).toHaveLength(4);
    expect(reject(good)).toBeUndefined();
    expect(reject(prepareCertificate(test, 8, 9, D, [3, 4, 5, 6]))).toBeUndefined();
  });

  it('does not count the primary among the backups: its header is its vote', () => {
    expect(reject(prepareCertificate(test, 8, 9, D, [0, 1, 2, 3]))).toBe('PRIMARY_AMONG_BACKUPS');
  });

  it('needs exactly Q−1 of them, all different', () => {
    expect(reject(prepareCertificate(test, 8, 9, D, [0, 2, 3]))).toBe('WRONG_VOTE_COUNT');
    expect(reject(prepareCertificate(test, 8, 9, D, [0, 2, 3, 4, 5]))).toBe('WRONG_VOTE_COUNT');
    expect(reject(prepareCertificate(test, 8, 9, D, [0, 2, 2, 3]))).toBe('SIGNERS_NOT_ASCENDING');
  });

  it('needs the signature of the primary of the view that the header names', () => {
    expect(reject({ ...good, header: { ...good.header, signature: new Uint8Array(64) } })).toBe(
      'BAD_HEADER_SIGNATURE',
    );
    expect(reject({ ...good, header: signHeader(elsewhere, 8, 9, D) })).toBe('BAD_HEADER_SIGNATURE');
    expect(reject({ ...good, header: { ...good.header, sequenceNumber: 10 } })).toBe('BAD_HEADER_SIGNATURE');
  });

  it('takes no PREPARE of another view, s or digest', () => {
    for (const other of [
      prepareCertificate(test, 15, 9, D),
      prepareCertificate(test, 8, 10, D),
      prepareCertificate(test, 8, 9, digestOf('other')),
    ]) {
      const prepares = [
        ...good.prepares.slice(0, 3),
        { ...other.prepares[3]!, replica: good.prepares[3]!.replica },
      ];
      expect(reject({ ...good, prepares })).toBe('BAD_SIGNATURE');
    }
  });
});

describe('docs/protocol.md §5.1: SUSPECTs that justify leaving', () => {
  const suspects = (replicas: readonly number[], view: number) =>
    replicas.map((r) => signSuspect(test, r, view));

  it('are Q, of different replicas, for the view or a later one', () => {
    expect(justifiesLeaving(context, suspects([0, 1, 2, 3, 4], 3), 3)).toBe(true);
    expect(justifiesLeaving(context, [...suspects([0, 1], 3), ...suspects([2, 3, 4], 9)], 3)).toBe(true);
    expect(justifiesLeaving(context, suspects([0, 1, 2, 3], 3), 3)).toBe(false);
    expect(justifiesLeaving(context, suspects([0, 1, 2, 3, 3, 3], 3), 3)).toBe(false);
    expect(justifiesLeaving(context, suspects([0, 1, 2, 3, 4], 2), 3)).toBe(false);
    const forged = suspects([0, 1, 2, 3, 4], 2).map((it) => ({ ...it, view: 3 }));
    expect(justifiesLeaving(context, forged, 3)).toBe(false);
  });
});

describe('docs/protocol.md §3.4: the static facts about a body', () => {
  const limits = {
    requestsPerBatchMax: 3,
    operationsPerRequestMax: 2,
    requestBytesMax: 20,
    batchBytesMax: 900,
  };
  const small = makeTestCluster(4, { limits });
  const session = { sequenceNumber: 1, index: 0 };
  const request = (timestamp: number, operations: readonly Uint8Array[] = [new Uint8Array(4)]) =>
    signRequest(small, 'alice', session, timestamp, genesisSeen(small), operations);
  const reject = (...requests: Parameters<typeof batchOf>[1][]) =>
    rejectBatch(small.context, batchOf(5, ...requests));

  it('accepts the null batch, OPENs and requests up to the limits', () => {
    expect(reject()).toBeUndefined();
    expect(reject(signOpen(small, 'bob', 1), request(1), request(2))).toBeUndefined();
    expect(reject(request(1, [new Uint8Array(10), new Uint8Array(10)]))).toBeUndefined();
  });

  it('refuses each excess by name', () => {
    expect(reject(request(1), request(2), request(3), request(4))).toBe('TOO_MANY_REQUESTS');
    expect(reject(request(1, []))).toBe('MALFORMED_REQUEST');
    expect(
      reject(
        request(
          1,
          [1, 2, 3].map(() => new Uint8Array(1)),
        ),
      ),
    ).toBe('MALFORMED_REQUEST');
    expect(reject(request(1, [new Uint8Array(21)]))).toBe('MALFORMED_REQUEST');
    expect(reject(request(1), request(1))).toBe('DUPLICATE_REQUEST');
    const tight = makeTestCluster(4, { limits: { batchBytesMax: 200 } });
    const two = batchOf(5, request(1), request(2));
    expect(batchBytes(two)).toBeGreaterThan(200);
    expect(rejectBatch(tight.context, two)).toBe('BATCH_TOO_LARGE');
  });

  it('refuses a request that its client did not sign for this cluster', () => {
    const forged = { ...request(1), timestamp: 2 };
    expect(reject(forged)).toBe('BAD_REQUEST_SIGNATURE');
    expect(isRequestSigned(small.context, forged)).toBe(false);
    expect(rejectBatch(context, batchOf(5, request(1)))).toBe('BAD_REQUEST_SIGNATURE');
  });

  it('every field of a request is signed', () => {
    const good = request(1);
    const other = digestOf('other');
    const changes = [
      { session: { sequenceNumber: 2, index: 0 } },
      { session: { sequenceNumber: 1, index: 1 } },
      { timestamp: 2 },
      { operations: [new Uint8Array(5)] },
      { operations: [new Uint8Array(2), new Uint8Array(2)] },
      { seen: { ...good.seen, sequenceNumber: 1 } },
      { seen: { ...good.seen, hashChainDigest: other } },
      { client: other },
    ];
    expect(isRequestSigned(small.context, good)).toBe(true);
    for (const change of changes) expect(isRequestSigned(small.context, { ...good, ...change })).toBe(false);
  });

  it('a body belongs to the header that names its digest', () => {
    const batch = batchOf(5, request(1));
    const { cluster, crypto } = small.context;
    const header = signHeader(small, 0, 1, batchDigest(cluster, crypto, batch));
    expect(isBodyOf(small.context, { header, batch })).toBe(true);
    expect(isBodyOf(small.context, { header, batch: undefined })).toBe(true);
    expect(isBodyOf(small.context, { header, batch: batchOf(6, request(1)) })).toBe(false);
  });
});
