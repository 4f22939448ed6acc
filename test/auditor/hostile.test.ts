/** Archives made to exhaust or confuse whoever reads them: the cost stays bounded, nothing throws, and what is whole is checked all the same. */

import fc from 'fast-check';
import { expect, it } from 'vitest';
import { createAudit } from '../../src/auditor/audit.ts';
import { auditItem } from '../../src/auditor/records.ts';
import { createStatements } from '../../src/auditor/statements.ts';
import type { DurableRecord } from '../../src/protocol/records.ts';
import { kvService } from '../../src/services/kv/index.ts';
import { openLog } from '../../src/storage/log.ts';
import { SEGMENT_HEADER_BYTES } from '../../src/storage/record-frame.ts';
import { commitCertificate, digestOf, signCommit, signHeader } from '../protocol/support.ts';
import { auditFiles, auditRecords, kvCluster, tell, writeArchive } from './support.ts';

const test = kvCluster();
const told = tell({ test, replica: 0, length: 4 });

function freshAudit() {
  const { context } = test;
  const archive = { directory: 'none', replica: 0 };
  return createAudit(createStatements(context), archive, kvService(context.crypto.hash));
}

function give(audit: ReturnType<typeof freshAudit>, record: DurableRecord, offset = 0): void {
  auditItem(audit, { type: 'record', place: { file: 'main', offset }, record });
}

it('bytes of any kind in place of records', () =>
  fc.assert(
    fc.asyncProperty(fc.uint8Array({ maxLength: 2000 }), fc.nat(3000), async (bytes, at) => {
      const written = await writeArchive(test, 0, told.records);
      const path = `${written.directory}/log/main-0000000001.log`;
      const file = await written.files.open(path, 'write');
      await file.write(SEGMENT_HEADER_BYTES + at, bytes);
      await file.close();
      const { archives } = await auditFiles(test, [written]);
      expect(archives[0]!.committed).toBeLessThanOrEqual(4);
      if (bytes.length > 0 && at === 0) expect(archives[0]!.findingCount).toBeGreaterThan(0);
    }),
    { numRuns: 60 },
  ));

it('a record larger than any that a replica writes is skipped, and one that is none is named', async () => {
  const written = await writeArchive(test, 0, told.records.slice(0, 10));
  const { log } = await openLog(written.files, `${written.directory}/log`, { durability: 'memory' });
  log.append({ kind: 2, sequenceNumber: 3, payload: new Uint8Array(17 * 1024 * 1024), mirrored: false });
  log.append({ kind: 2, sequenceNumber: 3, payload: new Uint8Array(100).fill(0xff), mirrored: false });
  await log.close();
  const { archives } = await auditFiles(test, [written]);
  expect(archives[0]).toMatchObject({ committed: 2, executed: 2 });
  expect(archives[0]!.findings.map(({ code, sequenceNumber }) => [code, sequenceNumber])).toEqual([
    ['DAMAGED', 3],
    ['DAMAGED', 3],
  ]);
  expect(archives[0]!.findings[0]!.text).toContain('more than any that a replica writes');
});

it('a quorum of liars certifies a batch as far away as numbers go: a gap, and nothing else', async () => {
  const far = Number.MAX_SAFE_INTEGER;
  const { archives } = await auditRecords(test, [
    ...told.records,
    {
      type: 'committed',
      after: far - 1,
      links: [digestOf('link')],
      certificate: commitCertificate(test, 7, far, digestOf('far')),
    },
  ]);
  expect(archives[0]).toMatchObject({ committed: far, executed: 4, gaps: [{ after: 4, to: far }] });
});

it('remembers a bounded number of statements, entries, bodies and findings, however many are recorded', () => {
  const audit = freshAudit();
  for (let i = 1; i <= 20_000; i++) {
    give(audit, { type: 'executed', view: 0, ...told.contents[0]!, sequenceNumber: i + 1 }, i);
    give(audit, { type: 'accepted', header: signHeader(test, i % 5000, 1 + (i % 2), digestOf('x')) });
    if (i % 20 === 0) {
      give(audit, { type: 'accepted', header: signHeader(test, 0, i * 1000, digestOf('x')) });
      const vote = signCommit(test, 0, 0, i, digestOf('y'));
      const certificate = { header: signHeader(test, 0, i, digestOf('y')), prepares: [] };
      give(audit, { type: 'prepared', certificate, vote });
    }
  }
  const { statements, recorded, history, report } = audit;
  expect(recorded.size).toBeLessThanOrEqual(16_384);
  expect(history.claims.size).toBeLessThanOrEqual(16_384);
  expect(statements.slots.size).toBeLessThanOrEqual(16_384);
  expect(statements.slots.get(1)!.headers.size).toBeLessThanOrEqual(4096);
  expect(report.findings).toHaveLength(100);
  expect(report.findingCount).toBe(1000);

  // Bodies of batches that nobody commits, the last of which finds no room.
  const batch = { timeMs: 1, requests: [] };
  for (let i = 0; i < 100; i++) give(audit, { type: 'body', sequenceNumber: 10 ** 9 + i, batch });
  expect(audit.replay.bodyBytes).toBe(1200);
  audit.replay.bodyBytes = 256 * 1024 * 1024;
  give(audit, { type: 'body', sequenceNumber: 10 ** 10, batch });
  expect(audit.replay.bodies.size).toBe(100);
  expect(report.findingCount).toBe(1001);
});
