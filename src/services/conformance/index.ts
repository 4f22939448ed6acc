/**
 * A conformance suite for services: what BFT2F relies on, tried on random operations. It needs no test framework:
 *
 *     expect(checkService(factory, { operation: (random) => … })).toEqual([]);
 *
 * Nothing found is no proof: the operations decide how much of the service is reached.
 */

import type { Random } from '../../codec/index.ts';
import type { Crypto } from '../../crypto/port.ts';
import { sha256 } from '../../crypto/sha256.ts';
import { equalBytes } from '../../types/bytes.ts';
import type { ExecutionContext, Service, ServiceFactory } from '../service.ts';
import { GENESIS_CONTEXT, nextContext, randomFrom, someOperation } from './operations.ts';
import { attempt, check, type Report, type Violation } from './report.ts';
import {
  checkBadChunks,
  checkPrepared,
  checkUnchanged,
  compareImpressions,
  type Impression,
  impressionOf,
  type Preparation,
  prepareSlice,
  restored,
  sameChunks,
} from './snapshots.ts';

export { RULES, type Rule, type Violation } from './report.ts';

export interface ConformanceOptions {
  /** A random operation, to be applied or read; `random(bound)` is an integer in 0…bound−1. */
  readonly operation: (random: Random) => Uint8Array;
  /** Whether this result says that the operation was refused, so that it must have changed nothing. */
  readonly isRefusal?: (result: Uint8Array) => boolean;
  /** How many operations; 300 by default. */
  readonly steps?: number;
  /** The same seed, the same operations; 1 by default. */
  readonly seed?: number;
  /** The hash that the service was made with; SHA-256 by default. */
  readonly hash?: Crypto['hash'];
}

/** Operations between the moments at which everything is compared. */
const INTERVAL = 10;

/** The rules that the service broke, each with its first occasion; empty if none. */
export function checkService(factory: ServiceFactory, options: ConformanceOptions): readonly Violation[] {
  const { hash = sha256, steps = 300, seed = 1 } = options;
  const report: Report = { step: 0, violations: new Map() };
  const random = randomFrom(seed);
  // One is asked for its snapshot after each operation, as a replica does; the twin only when all are compared.
  const service = factory();
  const twin = factory();
  let heir: Service | undefined;
  let preparation: Preparation | undefined;
  const genesis = impressionOf(report, hash, service);
  compareImpressions(report, 'shared-state', genesis, impressionOf(report, hash, factory()));
  const kept: Impression[] = genesis === undefined ? [] : [genesis];
  let context = GENESIS_CONTEXT;

  for (; report.step < steps; report.step++) {
    context = nextContext(random, context);
    const operation = someOperation(random, options.operation);
    const result = applyChecked(report, service, operation, context, options);
    for (const [rule, other] of [
      ['determinism', twin],
      ['restore', heir],
    ] as const) {
      const same =
        other === undefined || equalResults(result, applyAndScribble(report, other, operation, context));
      check(report, rule, same, 'the results differ');
    }
    if (preparation !== undefined) prepareSlice(report, preparation);
    checkRead(report, service, someOperation(random, options.operation), context);

    if (report.step % INTERVAL === INTERVAL / 2) {
      const expected = impressionOf(report, hash, service);
      preparation = attempt(report, 'snapshot', () => ({ snapshot: twin.snapshot(), expected }));
    }
    if (report.step % INTERVAL === INTERVAL - 1) {
      if (preparation !== undefined) checkPrepared(report, hash, preparation);
      const now = impressionOf(report, hash, service);
      compareImpressions(report, 'determinism', now, impressionOf(report, hash, twin));
      if (heir !== undefined) compareImpressions(report, 'restore', now, impressionOf(report, hash, heir));
      if (now === undefined) continue;
      kept.push(now);
      if (random(3) === 0) heir = restored(report, hash, factory, now);
    }
  }

  for (const impression of kept) checkUnchanged(report, hash, impression);
  checkDigests(report, kept);
  const last = kept.at(-1);
  if (last !== undefined) checkBadChunks(report, factory, last);
  compareImpressions(report, 'shared-state', genesis, impressionOf(report, hash, factory()));
  return [...report.violations.values()];
}

function applyChecked(
  report: Report,
  service: Service,
  operation: Uint8Array,
  context: ExecutionContext,
  { isRefusal }: ConformanceOptions,
): Uint8Array | undefined {
  const digestNow = () => attempt(report, 'digest', () => service.snapshot().digest().slice());
  const before = digestNow();
  const result = attempt(report, 'apply', () => service.apply(operation.slice(), context));
  const after = digestNow();
  if (result === undefined || before === undefined || after === undefined) return result;
  check(report, 'result-length', result.length <= context.resultBytesMax, `apply: ${result.length} bytes`);
  const isClean = isRefusal?.(result) !== true || equalBytes(before, after);
  check(report, 'refusal-changes-nothing', isClean, 'the digest changed');
  return result.slice();
}

/** Gives the operation in an array that is overwritten afterwards, as a network buffer is. */
function applyAndScribble(
  report: Report,
  service: Service,
  operation: Uint8Array,
  context: ExecutionContext,
): Uint8Array | undefined {
  const buffer = operation.slice();
  const result = attempt(report, 'apply', () => service.apply(buffer, context).slice());
  buffer.fill(0xaa);
  return result;
}

function checkRead(report: Report, service: Service, operation: Uint8Array, context: ExecutionContext): void {
  attempt(report, 'read', () => {
    const snapshot = service.snapshot();
    const before = snapshot.digest().slice();
    const answer = snapshot.read(operation.slice(), context).slice();
    check(report, 'result-length', answer.length <= context.resultBytesMax, `read: ${answer.length} bytes`);
    check(
      report,
      'read-changes-nothing',
      equalBytes(before, service.snapshot().digest()),
      'the digest changed',
    );
    const again = snapshot.read(operation.slice(), context);
    check(report, 'determinism', equalBytes(answer, again), 'the same read gives two answers');
  });
}

/** Equal digests and equal chunks must go together, for whatever states were met. */
function checkDigests(report: Report, kept: readonly Impression[]): void {
  for (const a of kept) {
    for (const b of kept) {
      const agree = equalBytes(a.digest, b.digest) === sameChunks(a, b);
      check(report, 'digest-tells-states-apart', agree, 'equal digests with other chunks, or the reverse');
    }
  }
}

function equalResults(a: Uint8Array | undefined, b: Uint8Array | undefined): boolean {
  return a === undefined || b === undefined ? a === b : equalBytes(a, b);
}
