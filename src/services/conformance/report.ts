/** What the suite found: for each rule that was broken, the first time it was. */

export const RULES = {
  throws: 'no operation, read or snapshot throws, whatever the bytes',
  determinism:
    'instances give the same results, digests and chunks for the same operations, however often snapshots are taken',
  'result-length': 'no result is longer than the context allows',
  'refusal-changes-nothing': 'an operation whose result says that it was refused leaves the digest as it was',
  'read-changes-nothing': 'a read leaves the state as it was',
  'snapshot-immutable': 'a snapshot is unaffected by what is applied later',
  prepare:
    'a snapshot prepared in slices, while operations go on, ends up with the digest and chunks of one that was not',
  'digest-tells-states-apart': 'digests are equal exactly if the chunks are',
  'chunk-length': 'no chunk is longer than CHUNK_BYTES_MAX',
  'chunk-digest': "a chunk's digest is the SHA-256 of its bytes",
  restore: 'a restored instance has the same digest and chunks and goes on in the same way',
  'bad-chunks': 'chunks that were altered are refused, by an Error, or give another digest',
  aliasing: 'bytes handed in may be reused by the caller, without effect on the state',
  'shared-state': 'every instance that the factory makes begins in the genesis state',
} as const;

export type Rule = keyof typeof RULES;

export interface Violation {
  readonly rule: Rule;
  /** What the rule demands. */
  readonly expected: string;
  /** How many operations had been applied. */
  readonly step: number;
  readonly detail: string;
}

export interface Report {
  step: number;
  readonly violations: Map<Rule, Violation>;
}

export function check(report: Report, rule: Rule, holds: boolean, detail: string): void {
  if (holds || report.violations.has(rule)) return;
  report.violations.set(rule, { rule, expected: RULES[rule], step: report.step, detail });
}

/** What `run` returns; undefined, and a violation, if it throws. */
export function attempt<T>(report: Report, what: string, run: () => T): T | undefined {
  try {
    return run();
  } catch (error) {
    check(report, 'throws', false, `${what}: ${String(error)}`);
    return undefined;
  }
}
