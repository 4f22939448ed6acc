import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import {
  encodeReceipt,
  type Receipt,
  readReceipt,
  rejectReceipt,
  verifyReceipt,
} from '../../src/protocol/accountability/index.ts';
import { headOf } from '../../src/protocol/version-vector.ts';
import { concatBytes, utf8 } from '../../src/types/bytes.ts';
import { signRequest } from '../protocol/support.ts';
import { makeFakeCluster } from '../support/fake-cluster.ts';

const cluster = makeFakeCluster(4);
const { context } = cluster;

function receiptOf(operations: readonly string[], operation = 0): Receipt {
  const signers = cluster.signers;
  const request = signRequest(
    { context, signers },
    'client',
    { sequenceNumber: 1, index: 0 },
    1,
    { sequenceNumber: 0, hashChainDigest: context.cluster.id },
    operations.map(utf8),
  );
  const executed = cluster.execute(request, { others: 5 });
  const head = headOf(
    [1, 2, 3].map((replica) => cluster.entry(replica, executed.content)),
    3,
  );
  const { status, results, index, size, path } = executed;
  return { operation, request, status, results, index, size, path, head };
}

const receipt = receiptOf(['put a', 'put b'], 1);
const file = encodeReceipt(context.cluster, receipt);
const codeOf = (bytes: Uint8Array) => {
  const result = verifyReceipt(context, bytes);
  return result.ok ? 'ok' : result.error.code;
};

describe('a receipt', () => {
  it('comes back from its file, and holds', () => {
    expect(verifyReceipt(context, file)).toEqual({ ok: true, value: receipt });
    expect(readReceipt(context.cluster, file)).toEqual({ ok: true, value: receipt });
    expect(receipt.results).toEqual([utf8('put a!'), utf8('put b!')]);
  });

  it('does not hold if anything in it is another', () => {
    const [{ head }, other] = [receipt, receiptOf(['put c', 'put d'])];
    const altered: readonly (readonly [Partial<Receipt>, string])[] = [
      [{ operation: 2 }, 'NO_SUCH_OPERATION'],
      [{ request: other.request }, 'NOT_IN_REPLIES_ROOT'],
      [{ results: other.results }, 'NOT_IN_REPLIES_ROOT'],
      [{ results: receipt.results.slice(1) }, 'WRONG_RESULTS'],
      [{ status: 'DENIED', results: [] }, 'NOT_IN_REPLIES_ROOT'],
      [{ index: receipt.index + 1 }, 'NOT_IN_REPLIES_ROOT'],
      [{ path: receipt.path.slice(1) }, 'NOT_IN_REPLIES_ROOT'],
      [{ head: other.head }, 'NOT_IN_REPLIES_ROOT'],
      [{ head: { ...head, sequenceNumber: head.sequenceNumber + 1 } }, 'BAD_SIGNATURE'],
      [{ head: { ...head, votes: head.votes.slice(1) } }, 'WRONG_VOTE_COUNT'],
      [{ head: { ...head, votes: [...head.votes].reverse() } }, 'SIGNERS_NOT_ASCENDING'],
    ];
    for (const [change, code] of altered) {
      const changed = encodeReceipt(context.cluster, { ...receipt, ...change });
      expect(codeOf(changed), JSON.stringify(Object.keys(change))).toBe(code);
    }
  });

  it('needs the client’s own signature: replicas alone cannot make a client say something', () => {
    const forged = receiptOf(['steal']);
    const request = { ...forged.request, signature: new Uint8Array(64) };
    const executed = cluster.execute(request);
    const head = headOf(
      [0, 1, 2].map((replica) => cluster.entry(replica, executed.content)),
      3,
    );
    const { status, results, index, size, path } = executed;
    expect(rejectReceipt(context, { operation: 0, request, status, results, index, size, path, head })).toBe(
      'BAD_REQUEST_SIGNATURE',
    );
  });

  it('of another cluster, kind or version is told apart', () => {
    const other = makeFakeCluster(7);
    expect(verifyReceipt(other.context, file)).toMatchObject({ error: { code: 'OTHER_CLUSTER' } });
    const version = file.slice();
    version[6] = '2'.charCodeAt(0);
    expect(codeOf(utf8('something else'))).toBe('NOT_SUCH_A_FILE');
    expect(codeOf(version.fill('2'.charCodeAt(0), 7, 8))).toBe('NOT_SUCH_A_FILE');
    expect(codeOf(file.subarray(0, 20))).toBe('OTHER_CLUSTER');
    expect(codeOf(file.subarray(0, 100))).toBe('MALFORMED');
    expect(codeOf(concatBytes(file, Uint8Array.of(0)))).toBe('MALFORMED');
    expect(codeOf(new Uint8Array(1024 * 1024))).toBe('TOO_LARGE');
  });

  it('with any one bit altered does not hold, and never throws', () => {
    fc.assert(
      fc.property(fc.nat(file.length - 1), fc.nat(7), (at, bit) => {
        const altered = file.slice();
        altered[at]! ^= 1 << bit;
        const result = verifyReceipt(context, altered);
        // The number of the operation it was made for is nobody's statement, and R does not say how many leaves it has.
        if (!result.ok) return;
        const { operation, size, ...rest } = result.value;
        expect(operation === receipt.operation || operation === 1 - receipt.operation).toBe(true);
        expect({ ...rest, operation: receipt.operation, size: receipt.size }).toEqual(receipt);
        expect(size).toBeGreaterThan(rest.index);
      }),
      { numRuns: 400 },
    );
  });
});
