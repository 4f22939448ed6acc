/** Histories that were told two replicas differently: the fork is found, its first batch named, and so are the guilty, and never a correct one. */

import { describe, expect, it } from 'vitest';
import { type AuditReport, describeReport, outcomeOf } from '../../src/auditor/index.ts';
import { encodeEvidence, verifyEvidence } from '../../src/protocol/accountability/index.ts';
import type { DurableRecord } from '../../src/protocol/records.ts';
import {
  commitCertificate,
  digestOf,
  headOfReplicas,
  signHeader,
  signNewView,
  signViewChange,
} from '../protocol/support.ts';
import { auditFiles, auditRecords, kvCluster, type Story, tell, writeArchive } from './support.ts';

const test = kvCluster();
const LENGTH = 10;
const FORK = 6;

/** Replicas 2 and 3 serve both sides: replica 0 sees one history, replica 1 another from batch 6 on. */
const story: Omit<Story, 'replica'> = { test, length: LENGTH };
const ours = tell({ ...story, replica: 0, votersOf: (s) => (s < FORK ? [0, 1, 2] : [0, 2, 3]) });
const rival: Story = {
  ...story,
  replica: 1,
  value: (s) => (s < FORK ? `value ${s}` : `other ${s}`),
  votersOf: (s) => (s < FORK ? [0, 1, 2] : [1, 2, 3]),
};

async function auditBoth(
  first: readonly DurableRecord[],
  second: readonly DurableRecord[],
): Promise<AuditReport> {
  const written = await Promise.all([writeArchive(test, 0, first), writeArchive(test, 1, second)]);
  return auditFiles(test, written);
}

function guiltyIn({ evidence }: AuditReport, type: string): readonly number[] {
  const pieces = evidence.filter((found) => found.evidence.type === type);
  return [...new Set(pieces.flatMap(({ verdict }) => verdict.guilty))].sort();
}

function without(records: readonly DurableRecord[], ...types: readonly string[]): readonly DurableRecord[] {
  return records.filter(({ type }) => !types.includes(type));
}

/** Whoever has the genesis believes it without us, from the file. */
function expectEvidenceToVerify({ evidence }: AuditReport): void {
  for (const each of evidence) {
    const verified = verifyEvidence(test.context, encodeEvidence(test.context.cluster, each.evidence));
    expect(verified).toMatchObject({ ok: true, value: { verdict: each.verdict } });
  }
}

describe('two archives', () => {
  it('of one history are equal up to where the shorter ends', async () => {
    const shorter = tell({ ...story, replica: 1, length: 7, votersOf: () => [1, 2, 3] });
    const report = await auditBoth(tell({ ...story, replica: 0 }).records, shorter.records);
    expect(report.comparison).toEqual({ type: 'EQUAL_UP_TO', sequenceNumber: 7 });
    expect(report.evidence).toEqual([]);
    expect(outcomeOf(report)).toBe('clean');
  });

  it('that were forked in one view: whoever voted for both is named', async () => {
    const report = await auditBoth(ours.records, tell(rival).records);
    expect(report.comparison).toEqual({ type: 'FORKED_AT', sequenceNumber: FORK });
    expect(outcomeOf(report)).toBe('forked');
    expect(guiltyIn(report, 'fork')).toEqual([2, 3]);
    expect(guiltyIn(report, 'commits')).toEqual([2, 3]);
    expect(guiltyIn(report, 'checkpoints')).toEqual([2, 3]);
    expectEvidenceToVerify(report);
    // Either archive alone holds: only together they show it.
    expect(report.archives.map(({ findingCount }) => findingCount)).toEqual([0, 0]);
    const text = describeReport(test.context.cluster, report).join('\n');
    expect(text).toContain('FORK: the histories differ from batch 6 on');
    expect(text).toContain('Guilty: replica 2');
  });

  it('that were forked across views: checkpoints at different places name whoever signed both histories', async () => {
    const later = tell({ ...rival, viewOf: (s) => (s < FORK ? 0 : 1), length: 12 });
    const isAt8 = (record: DurableRecord) =>
      (record.type === 'stable' && record.certificate.sequenceNumber === 8) ||
      (record.type === 'checkpointed' && record.checkpoint.sequenceNumber === 8);
    const report = await auditBoth(
      ours.records,
      later.records.filter((record) => !isAt8(record)),
    );
    expect(guiltyIn(report, 'histories')).toEqual([2, 3]);
    expect(guiltyIn(report, 'commits')).toEqual([]);
    expectEvidenceToVerify(report);
  });

  it('that were forked across views between checkpoints: VIEW-CHANGEs that withhold name the guilty', async () => {
    const parts = tell({ ...rival, viewOf: (s) => (s < FORK ? 0 : 1) });
    const base = {
      kind: 'commit',
      view: 0,
      sequenceNumber: FORK - 1,
      hashChainDigest: ours.contents[FORK - 2]!.hashChainDigest,
    } as const;
    // What was said on leaving view 0: nothing prepared above batch 5, although 2 and 3 had voted for batch 6 of the other history.
    const viewChanges = [1, 2, 3].map((replica) => signViewChange(test, replica, 1, base, []));
    // Beside the certificate that they name the liars send forged ones, to take the place of what was truly signed.
    const forged = [6, 7, 8, 9, 10].map((s) => {
      const certificate = commitCertificate(test, 0, s, digestOf('forged'), [0, 2, 3]);
      const votes = certificate.votes.map((vote) => ({ ...vote, signature: new Uint8Array(64) }));
      return { ...certificate, votes };
    });
    const commits = [commitCertificate(test, 0, FORK - 1, base.hashChainDigest), ...forged];
    const newView = signNewView(test, 1, viewChanges, [], { commits, checkpoints: [], prepared: [] });
    const records = without(parts.records, 'stable', 'checkpointed');
    const at = records.findIndex((record) => record.type === 'body' && record.sequenceNumber === FORK);
    const entered = [...records.slice(0, at), { type: 'entered', newView } as const, ...records.slice(at)];
    const written = [
      await writeArchive(test, 0, without(ours.records, 'stable', 'checkpointed')),
      await writeArchive(test, 1, entered),
    ];
    // Whichever is read first: votes may be met before the VIEW-CHANGEs that deny them, or after.
    for (const order of [written, [...written].reverse()]) {
      const report = await auditFiles(test, order);
      expect(report.comparison).toEqual({ type: 'FORKED_AT', sequenceNumber: FORK });
      expect(report.archives.map(({ findingCount }) => findingCount)).toEqual([0, 0]);
      expect(guiltyIn(report, 'withheld')).toEqual([2, 3]);
      expect(guiltyIn(report, 'fork')).toEqual([2, 3]);
      expectEvidenceToVerify(report);
    }
  });
});

describe('one archive', () => {
  it('in which a primary proposed two batches for one place', async () => {
    const second: DurableRecord = { type: 'accepted', header: signHeader(test, 0, 7, new Uint8Array(32)) };
    const report = await auditRecords(test, [...ours.records, second]);
    expect(guiltyIn(report, 'headers')).toEqual([0]);
    expect(outcomeOf(report)).toBe('misbehaved');
    expectEvidenceToVerify(report);
  });
});

describe('heads that were kept elsewhere', () => {
  it('are contained, or contradicted, or beyond the end', async () => {
    const head = headOfReplicas(test, ours.contents[6]!, [0, 2, 3]);
    const written = await writeArchive(test, 0, ours.records);
    const clean = await auditFiles(test, [written], { heads: [head] });
    expect(clean.heads).toEqual([{ sequenceNumber: 7, verdicts: [{ type: 'CONTAINED' }] }]);
    expect(outcomeOf(clean)).toBe('clean');

    const others = tell({ ...rival, length: 20 });
    const foreign = headOfReplicas(test, others.contents[6]!, [1, 2, 3]);
    const far = headOfReplicas(test, others.contents[19]!, [1, 2, 3]);
    const forked = await auditFiles(test, [written], { heads: [foreign, far] });
    expect(forked.heads.map(({ verdicts }) => verdicts[0]!.type)).toEqual(['CONTRADICTED', 'NOT_REACHED']);
    expect(guiltyIn(forked, 'histories')).toEqual([2, 3]);
    expect(outcomeOf(forked)).toBe('forked');
    expectEvidenceToVerify(forked);
  });
});
