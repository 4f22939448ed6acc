/** Audits that begin at a trusted head: what lies below is taken as given, what lies above is held against it, and a head of another history is told. */

import { expect, it } from 'vitest';
import { type AuditOptions, type AuditReport, describeReport, outcomeOf } from '../../src/auditor/index.ts';
import { encodeEvidence, verifyEvidence } from '../../src/protocol/accountability/index.ts';
import type { EntryContent } from '../../src/protocol/messages/entry.ts';
import { type DurableRecord, recordSequenceNumber } from '../../src/protocol/records.ts';
import { kvService } from '../../src/services/kv/index.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/storage/record-frame.ts';
import { headOfReplicas } from '../protocol/support.ts';
import {
  auditFiles,
  kvCluster,
  type Told,
  tell,
  writeArchive,
  writeLeaves,
  writeSnapshot,
} from './support.ts';

const test = kvCluster();
const { context } = test;
const told = tell({ test, replica: 0, length: 14, votersOf: () => [0, 2, 3] });
const rival = tell({ test, replica: 1, length: 20, value: (s) => (s < 5 ? `value ${s}` : `other ${s}`) });
const FROM = 6;
const head = headOfReplicas(test, told.contents[FROM - 1]!, [0, 2, 3]);
const foreign = headOfReplicas(test, rival.contents[FROM - 1]!, [1, 2, 3]);

interface Given extends Partial<AuditOptions> {
  readonly records?: readonly DurableRecord[];
  /** Those of the archive's file of leaves; none without it. */
  readonly leavesOf?: Told | undefined;
  /** Where the archive has a snapshot. */
  readonly snapshotAt?: number;
  readonly change?: (entry: EntryContent) => EntryContent;
}

async function auditFrom({
  records = told.records,
  leavesOf,
  snapshotAt,
  change,
  ...options
}: Given): Promise<AuditReport> {
  const written = await writeArchive(test, 0, records);
  if (leavesOf !== undefined) {
    await writeLeaves(written, test, leavesOf);
  }
  if (snapshotAt !== undefined) await writeSnapshot(written, test, told, snapshotAt, change);
  return auditFiles(test, [written], { from: head, ...options });
}

/** The records, with the first of this type and s changed by one bit of what is signed or hashed. */
function tampered(s: number, type: 'body' | 'accepted' | 'committed' | 'executed'): readonly DurableRecord[] {
  const at = told.records.findIndex((each) => each.type === type && recordSequenceNumber(each) === s);
  return told.records.with(at, forged(told.records[at]!));
}

function forged(record: DurableRecord): DurableRecord {
  const other = new Uint8Array(32).fill(1);
  if (record.type === 'body')
    return { ...record, batch: { ...record.batch, timeMs: record.batch.timeMs + 1 } };
  if (record.type === 'accepted') return { ...record, header: { ...record.header, batchDigest: other } };
  if (record.type === 'executed') return { ...record, repliesRoot: other };
  if (record.type !== 'committed') return record;
  return { ...record, certificate: { ...record.certificate, hashChainDigest: other } };
}

function codesOf({ archives }: AuditReport): readonly (readonly [string, number | undefined])[] {
  return archives[0]!.findings.map(({ code, sequenceNumber }) => [code, sequenceNumber]);
}

it('an archive is certified from the head on, and the report says where it began and what was not computed', async () => {
  const report = await auditFrom({ leavesOf: told });
  expect(report.archives[0]).toMatchObject({
    from: FROM,
    committed: 14,
    executed: 0,
    batches: 8,
    stable: 12,
    gaps: [],
    findings: [],
  });
  expect(outcomeOf(report)).toBe('clean');
  const text = describeReport(context.cluster, report).join('\n');
  expect(text).toContain('begun       at the head of batch 6; what lies up to it was taken as given');
  expect(text).toContain('batches 7 to 14 are certified');
  expect(text).toContain('results above the head were not computed again, since');
});

it('what was changed below the head is ignored, what was changed above it is found', async () => {
  for (const type of ['body', 'accepted', 'committed', 'executed'] as const) {
    for (const s of [1, 5, FROM]) {
      expect([type, s, codesOf(await auditFrom({ records: tampered(s, type), leavesOf: told }))]).toEqual([
        type,
        s,
        [],
      ]);
    }
    for (const s of [FROM + 1, 11]) {
      const report = await auditFrom({ records: tampered(s, type), leavesOf: told });
      expect(codesOf(report)).not.toEqual([]);
      for (const [, at] of codesOf(report)) expect(at).toBeGreaterThanOrEqual(s);
      expect(outcomeOf(report)).toBe('damaged');
    }
  }
});

it('where nothing is executed L still has to grow by what each entry says', async () => {
  const report = await auditFrom({ records: tampered(14, 'executed'), leavesOf: told });
  expect(codesOf(report)).toEqual([['WRONG_RESULT', 14]]);
});

it('bytes below the head that are no record any more are passed over', async () => {
  const written = await writeArchive(test, 0, told.records);
  const file = await written.files.open(`${written.directory}/log/main-0000000001.log`, 'write');
  await file.write(SEGMENT_HEADER_BYTES, new Uint8Array(8).fill(0xff));
  await file.close();
  expect(codesOf(await auditFiles(test, [written])).length).toBeGreaterThan(0);
  expect(codesOf(await auditFiles(test, [written], { from: head }))).toEqual([]);
});

it('an archive that begins above the head has a gap, and one whose gap lies below it has none', async () => {
  const above = (s: number) => told.records.filter((record) => highestOf(record) > s);
  const whole = await auditFrom({ records: above(FROM) });
  expect([codesOf(whole), whole.archives[0]!.gaps, whole.archives[0]!.committed]).toEqual([[], [], 14]);
  const later = await auditFrom({ records: above(9) });
  expect(codesOf(later)).toEqual([]);
  expect(later.archives[0]!.gaps[0]).toMatchObject({ after: FROM });
  expect(later.archives[0]!.committed).toBe(14);
});

function highestOf(record: DurableRecord): number {
  if (record.type === 'checkpointed') return record.checkpoint.sequenceNumber;
  if (record.type === 'stable') return record.certificate.sequenceNumber;
  return recordSequenceNumber(record);
}

it('a head of another history is a fork, and the guilty are named where leaves or a checkpoint at the head prove it', async () => {
  const bare = await auditFrom({ from: foreign });
  expect(codesOf(bare)).toEqual([['FORKED', FROM]]);
  expect([outcomeOf(bare), bare.evidence]).toEqual(['forked', []]);

  const proved = await auditFrom({ from: foreign, leavesOf: told });
  expect(outcomeOf(proved)).toBe('forked');
  expect(proved.evidence.map(({ verdict }) => verdict.guilty)).toEqual([[2, 3]]);
  const [found] = proved.evidence;
  const verified = verifyEvidence(context, encodeEvidence(context.cluster, found!.evidence));
  expect(verified).toMatchObject({ ok: true, value: { verdict: found!.verdict } });

  const atCheckpoint = headOfReplicas(test, rival.contents[7]!, [1, 2, 3]);
  const same = await auditFrom({ from: atCheckpoint });
  expect(same.evidence.map(({ verdict }) => verdict.guilty)).toEqual([[2, 3]]);
});

it('without a certificate at the head itself, the next one shows the fork by its links', async () => {
  const records = told.records.flatMap((record): readonly DurableRecord[] => {
    if (record.type !== 'committed') return [record];
    const { certificate, links } = record;
    if (certificate.sequenceNumber === FROM) return [];
    if (certificate.sequenceNumber !== FROM + 1) return [record];
    const before = told.records.find(
      (each) => each.type === 'committed' && recordSequenceNumber(each) === FROM,
    );
    const first = before?.type === 'committed' ? before.links : [];
    return [{ ...record, after: FROM - 1, links: [...first, ...links] }];
  });
  expect(codesOf(await auditFrom({ records }))).toEqual([]);
  expect(codesOf(await auditFrom({ records, from: foreign }))).toEqual([['FORKED', FROM + 1]]);
});

it('a head beyond the end is said to be', async () => {
  const far = headOfReplicas(test, rival.contents[19]!, [1, 2, 3]);
  const report = await auditFrom({ from: far });
  expect(codesOf(report)).toEqual([['NOT_REACHED', undefined]]);
  expect(report.archives[0]!.findings[0]!.text).toContain('ends before batch 20');
  expect(outcomeOf(report)).toBe('damaged');
});

it('from a certified snapshot below the head results are computed again, and false ones are found', async () => {
  const state = { leavesOf: told, snapshotAt: 4 };
  const clean = await auditFrom(state);
  expect(clean.archives[0]).toMatchObject({
    notExecuted: undefined,
    executed: 14,
    entries: 8,
    checkpoints: 2,
    operations: 16,
    logRoot: told.contents.at(-1)!.logRoot,
    findings: [],
  });
  expect(describeReport(context.cluster, clean).join('\n')).toContain('executed    batches 7 to 14');
  const wrong = await auditFrom({ ...state, records: tampered(9, 'executed') });
  expect(codesOf(wrong)).toEqual([['WRONG_RESULT', 9]]);
  // At the checkpoint itself nothing below is needed.
  const atCheckpoint = headOfReplicas(test, told.contents[7]!, [0, 2, 3]);
  const exact = await auditFrom({ from: atCheckpoint, leavesOf: told, snapshotAt: 8 });
  expect(exact.archives[0]).toMatchObject({ from: 8, executed: 14, findings: [] });
});

it('a state that nothing proves is not used, and the report says why', async () => {
  const whyNot = async (given: Given): Promise<unknown> => {
    const { archives } = await auditFrom(given);
    expect(archives[0]).toMatchObject({ executed: 0, committed: 14, findings: [] });
    return archives[0]!.notExecuted;
  };
  const state = { leavesOf: told, snapshotAt: 4 };
  expect(await whyNot({ snapshotAt: 4 })).toBe('the file of leaves does not lead to the head');
  expect(await whyNot({ leavesOf: told })).toContain('no snapshot at or below the head');
  expect(await whyNot({ ...state, snapshotAt: 8 })).toContain('no snapshot at or below the head');
  expect(await whyNot({ ...state, service: undefined })).toBe('nothing was to be executed');
  const kvStore = kvService(context.crypto.hash);
  const otherService = () => Object.assign(kvStore(), { apply: () => new Uint8Array(1) });
  expect(await whyNot({ ...state, service: otherService })).toContain('does not lead to the head');
  const uncertified = told.records.filter(
    (each) => each.type !== 'stable' || each.certificate.sequenceNumber !== 4,
  );
  expect(await whyNot({ ...state, records: uncertified })).toContain('no stable checkpoint');
  const other = new Uint8Array(32);
  expect(await whyNot({ ...state, change: (entry) => ({ ...entry, logRoot: other }) })).toContain(
    'certifies',
  );
  expect(await whyNot({ ...state, change: (entry) => ({ ...entry, repliesRoot: other }) })).toContain(
    'window',
  );
  expect(await whyNot({ ...state, records: tampered(5, 'body') })).toContain('does not lead to the head');
});
