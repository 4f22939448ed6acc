/** Archives that hold what replicas wrote, and archives that do not: the first thing that is wrong is named, with its place. */

import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { outcomeOf } from '../../src/auditor/index.ts';
import type { ArchiveReport } from '../../src/auditor/report.ts';
import { stateDigestOf } from '../../src/protocol/ledger.ts';
import type { DurableRecord } from '../../src/protocol/records.ts';
import { readWhole } from '../../src/storage/file-layer.ts';
import {
  decodeRecordHeader,
  RECORD_HEADER_BYTES,
  SEGMENT_HEADER_BYTES,
} from '../../src/storage/record-frame.ts';
import { checkpointCertificate, signNewView } from '../protocol/support.ts';
import { auditFiles, auditRecords, K, kvCluster, tell, type Written, writeArchive } from './support.ts';

const test = kvCluster();
const told = tell({ test, replica: 0, length: 10 });

type RecordOf<Type extends DurableRecord['type']> = Extract<DurableRecord, { type: Type }>;

/** The records with the one of this type and s replaced; left out by an empty list. */
function replace<Type extends DurableRecord['type']>(
  type: Type,
  s: number,
  change: (record: RecordOf<Type>) => readonly DurableRecord[],
): readonly DurableRecord[] {
  let found = 0;
  const records = told.records.flatMap((record) => {
    if (record.type !== type || placeOf(record) !== s) return [record];
    found++;
    return change(record as RecordOf<Type>);
  });
  expect(found).toBe(1);
  return records;
}

function placeOf(record: DurableRecord): number | undefined {
  if (record.type === 'body' || record.type === 'executed') return record.sequenceNumber;
  if (record.type === 'accepted') return record.header.sequenceNumber;
  if (record.type === 'prepared') return record.vote.sequenceNumber;
  if (record.type === 'committed' || record.type === 'stable') return record.certificate.sequenceNumber;
  if (record.type === 'checkpointed') return record.checkpoint.sequenceNumber;
  return undefined;
}

function flipped(bytes: Uint8Array, at = 0): Uint8Array {
  const other = bytes.slice();
  other[at]! ^= 1;
  return other;
}

async function findingsOf(records: readonly DurableRecord[]): Promise<ArchiveReport['findings']> {
  const { archives } = await auditRecords(test, records);
  return archives[0]!.findings;
}

describe('an archive as its replica wrote it', () => {
  it('holds: every batch is certified and executed again, every entry and checkpoint comes out', async () => {
    const report = await auditRecords(test, told.records);
    expect(report.archives[0]).toMatchObject({
      committed: 10,
      executed: 10,
      batches: 10,
      requests: 10,
      operations: 18,
      entries: 10,
      checkpoints: 2,
      stable: 8,
      gaps: [],
      findings: [],
      tailBytes: 0,
      records: told.records.length,
      logRoot: told.contents.at(-1)!.logRoot,
    });
    expect(outcomeOf(report)).toBe('clean');
    expect(report.evidence).toEqual([]);
    expect(report.signatures).toBeGreaterThan(60);
  });

  it('over several segments, some of them moved to the archive', async () => {
    const written = await writeArchive(test, 0, told.records, { rotateAt: (i) => i % 7 === 0 });
    const { files, directory } = written;
    await files.makeDirectory(`${directory}/archive`);
    for (const number of [1, 2, 3]) {
      const name = `main-000000000${number}.log`;
      await files.link(`${directory}/log/${name}`, `${directory}/archive/${name}`);
      await files.unlink(`${directory}/log/${name}`);
    }
    const report = await auditFiles(test, [written]);
    expect(report.archives[0]).toMatchObject({ executed: 10, findings: [], entries: 10 });
  });

  it('whose commit certificate is lost is certified by the next one', async () => {
    const report = await auditRecords(
      test,
      replace('committed', 5, () => []),
    );
    expect(report.archives[0]).toMatchObject({ executed: 10, gaps: [], findings: [] });
  });

  it('that begins late, or jumps over a state transfer, says from where to where only hashes are known', async () => {
    const without = told.records.filter((record) => {
      const s = placeOf(record);
      const isKept = record.type === 'stable' || s === undefined || s < 3 || s > K;
      return isKept;
    });
    const { archives } = await auditRecords(test, without);
    expect(archives[0]).toMatchObject({
      committed: 10,
      executed: 2,
      batches: 8,
      gaps: [{ after: 2, to: 4 }],
      findings: [],
    });
  });

  it('that jumps, with a false claim of where to: the next certificate is all that is believed', async () => {
    const without = told.records.flatMap((record): readonly DurableRecord[] => {
      const s = placeOf(record) ?? 0;
      if (s < 3 || s > K) return [record];
      return record.type === 'executed' && s === K
        ? [{ ...record, hashChainDigest: flipped(record.hashChainDigest) }]
        : [];
    });
    const { archives } = await auditRecords(test, without);
    expect(archives[0]).toMatchObject({ committed: 10, gaps: [{ after: 2, to: 5 }], findings: [] });
  });

  it('that ends with a state that was taken over is certified by its stable checkpoint', async () => {
    const stable = told.records.findIndex((record) => record.type === 'stable' && placeOf(record) === 8);
    const carried = told.records.filter((record) => record.type === 'executed' && placeOf(record) === 8);
    const { archives } = await auditRecords(test, [
      ...told.records.slice(0, 5),
      told.records[stable]!,
      ...carried,
    ]);
    expect(archives[0]).toMatchObject({
      committed: 8,
      executed: 1,
      gaps: [{ after: 1, to: 8 }],
      findings: [],
    });
  });

  it('is checked without executing anything, too', async () => {
    const report = await auditFiles(test, [await writeArchive(test, 0, told.records)], {
      service: undefined,
    });
    expect(report.archives[0]).toMatchObject({ committed: 10, executed: 0, batches: 10, findings: [] });
    const withoutBody = await writeArchive(
      test,
      0,
      replace('body', 6, () => []),
    );
    const other = await auditFiles(test, [withoutBody], { service: undefined });
    expect(other.archives[0]!.findings).toMatchObject([{ code: 'NO_BODY', sequenceNumber: 6 }]);
  });

  it('of another cluster is refused', async () => {
    const written = await writeArchive(test, 0, told.records);
    await expect(auditFiles(kvCluster('another'), [written])).rejects.toMatchObject({ code: 'CONFIG' });
  });
});

describe('records that were changed, with checksums that fit', () => {
  const cases: readonly (readonly [string, readonly DurableRecord[], object])[] = [
    [
      'another operation in a body',
      replace('body', 6, (record) => {
        const [request] = record.batch.requests;
        if (request?.type !== 'request') throw new Error('not a request');
        const operations = request.operations.map((operation) => flipped(operation, operation.length - 1));
        return [{ ...record, batch: { ...record.batch, requests: [{ ...request, operations }] } }];
      }),
      { code: 'BAD_REQUEST', sequenceNumber: 6 },
    ],
    [
      'another time of a batch',
      replace('body', 6, (record) => [{ ...record, batch: { ...record.batch, timeMs: 5 } }]),
      { code: 'NO_BODY', sequenceNumber: 6 },
    ],
    ['a body left out', replace('body', 6, () => []), { code: 'NO_BODY', sequenceNumber: 6 }],
    [
      'a proposal that the primary has not signed',
      replace('accepted', 6, ({ header, ...rest }) => [
        { ...rest, header: { ...header, signature: flipped(header.signature) } },
      ]),
      { code: 'NOT_SIGNED', sequenceNumber: 6 },
    ],
    [
      'a PREPARE that its backup has not signed',
      replace('prepared', 6, ({ certificate, ...rest }) => {
        const [first, second] = certificate.prepares;
        const prepares = [first!, { ...second!, signature: flipped(second!.signature) }];
        return [{ ...rest, certificate: { ...certificate, prepares } }];
      }),
      { code: 'NOT_SIGNED', sequenceNumber: 6 },
    ],
    [
      'a commit vote of its own that it has not signed',
      replace('prepared', 6, ({ vote, ...rest }) => [
        { ...rest, vote: { ...vote, signature: flipped(vote.signature) } },
      ]),
      { code: 'NOT_SIGNED', sequenceNumber: 6 },
    ],
    [
      'a commit vote of another replica as its own',
      replace('prepared', 6, ({ vote, ...rest }) => [{ ...rest, vote: { ...vote, replica: 1 } }]),
      { code: 'NOT_ITS_OWN', sequenceNumber: 6 },
    ],
    [
      'a vote of a certificate',
      replace('committed', 6, ({ certificate, ...rest }) => {
        const [first, ...others] = certificate.votes;
        const votes = [{ ...first!, signature: flipped(first!.signature) }, ...others];
        return [{ ...rest, certificate: { ...certificate, votes } }];
      }),
      { code: 'NOT_SIGNED', sequenceNumber: 6 },
    ],
    [
      'a certificate with a vote less',
      replace('committed', 6, ({ certificate, ...rest }) => [
        { ...rest, certificate: { ...certificate, votes: certificate.votes.slice(1) } },
      ]),
      { code: 'NOT_SIGNED', sequenceNumber: 6 },
    ],
    [
      'a link',
      replace('committed', 6, ({ links, ...rest }) => [{ ...rest, links: [flipped(links[0]!)] }]),
      { code: 'WRONG_LINKS', sequenceNumber: 6 },
    ],
    [
      'the results of an entry',
      replace('executed', 6, (record) => [{ ...record, repliesRoot: flipped(record.repliesRoot) }]),
      { code: 'WRONG_RESULT', sequenceNumber: 6 },
    ],
    [
      'the log root of an entry',
      replace('executed', 6, (record) => [{ ...record, logRoot: flipped(record.logRoot) }]),
      { code: 'WRONG_RESULT', sequenceNumber: 6 },
    ],
    [
      'the history of an entry',
      replace('executed', 6, (record) => [{ ...record, hashChainDigest: flipped(record.hashChainDigest) }]),
      { code: 'WRONG_RESULT', sequenceNumber: 6 },
    ],
    [
      'an entry of what nobody committed',
      [...told.records, { type: 'executed', view: 0, ...told.contents[9]!, sequenceNumber: 11 }],
      { code: 'NOT_COMMITTED', sequenceNumber: 11 },
    ],
    [
      'the state of its own CHECKPOINT',
      replace('checkpointed', 8, ({ checkpoint, ...rest }) => [
        { ...rest, checkpoint: { ...checkpoint, stateDigest: flipped(checkpoint.stateDigest) } },
      ]),
      { code: 'NOT_SIGNED', sequenceNumber: 8 },
    ],
    [
      'a state that a quorum signed, of the right history, and that is not what executing gives',
      replace('stable', 8, (record) => {
        const summary = { ...record.summary, serviceDigest: flipped(record.summary.serviceDigest) };
        const stateDigest = stateDigestOf(test.context, 8, summary);
        return [
          {
            ...record,
            summary,
            certificate: checkpointCertificate(test, { ...record.certificate, stateDigest }),
          },
        ];
      }),
      {
        code: 'WRONG_RESULT',
        sequenceNumber: 8,
        text: 'the checkpoint is of another state than executing again gives',
      },
    ],
    [
      'a NEW-VIEW that its primary has not signed',
      (() => {
        const newView = signNewView(test, 1, [], [], { commits: [], checkpoints: [], prepared: [] });
        return [...told.records, { type: 'entered', newView }];
      })(),
      { code: 'NOT_SIGNED', sequenceNumber: undefined },
    ],
    [
      'the description of a stable state',
      replace('stable', 8, ({ summary, ...rest }) => [
        { ...rest, summary: { ...summary, serviceDigest: flipped(summary.serviceDigest) } },
      ]),
      { code: 'WRONG_RESULT', sequenceNumber: 8 },
    ],
    [
      'two batches that change places',
      replace('committed', 6, (record) => [{ ...record, after: 6 }]),
      { code: 'WRONG_LINKS', sequenceNumber: 6 },
    ],
  ];

  it.each(cases)('%s', async (_, records, first) => {
    const findings = await findingsOf(records);
    expect(findings[0]).toMatchObject(first);
    expect(findings[0]!.place).toMatchObject({ file: 'main-0000000001.log' });
    expect(findings[0]!.place.offset).toBeGreaterThan(SEGMENT_HEADER_BYTES);
  });

  it('and everything before and behind is checked all the same', async () => {
    const { archives } = await auditRecords(
      test,
      replace('executed', 6, (record) => [{ ...record, repliesRoot: flipped(record.repliesRoot) }]),
    );
    expect(archives[0]).toMatchObject({ findingCount: 1, executed: 10, entries: 9, checkpoints: 2 });
  });

  it('a checkpoint that a quorum signed for another history is a fork, even where it names nobody', async () => {
    const other = tell({ test, replica: 0, length: 10, value: (s) => (s === 3 ? 'another' : `value ${s}`) });
    const records = [
      ...told.records.filter(({ type }) => type !== 'stable' && type !== 'checkpointed'),
      ...other.records.filter(({ type }) => type === 'stable'),
    ];
    const report = await auditRecords(test, records);
    expect(report.archives[0]!.findings[0]).toMatchObject({ code: 'FORKED', sequenceNumber: 4 });
    expect(outcomeOf(report)).toBe('forked');
  });
});

/** Where each record begins. */
async function offsetsOf({ files, directory }: Written, number = 1): Promise<readonly number[]> {
  const bytes = (await readWhole(files, `${directory}/log/main-000000000${number}.log`))!;
  const offsets: number[] = [];
  for (let at = SEGMENT_HEADER_BYTES; at < bytes.length; ) {
    offsets.push(at);
    at += RECORD_HEADER_BYTES + decodeRecordHeader(bytes, at, 7)!.payloadBytes;
  }
  return offsets;
}

async function rewrite(
  { files, directory }: Written,
  change: (bytes: Uint8Array) => Uint8Array,
  number = 1,
): Promise<void> {
  const path = `${directory}/log/main-000000000${number}.log`;
  const bytes = change((await readWhole(files, path))!);
  const file = await files.open(path, 'create');
  await file.write(0, bytes);
  await file.close();
}

describe('bytes that were changed', () => {
  const indexOf = (type: DurableRecord['type'], s: number) =>
    told.records.findIndex((record) => record.type === type && placeOf(record) === s);

  it.each(['body', 'accepted', 'prepared', 'committed', 'executed', 'stable'] as const)(
    'one bit of a %s record',
    async (type) => {
      const written = await writeArchive(test, 0, told.records);
      const index = indexOf(type, type === 'stable' ? 4 : 6);
      const offset = (await offsetsOf(written))[index]!;
      written.files.flipBit(`${written.directory}/log/main-0000000001.log`, 8 * (offset + 60));
      const report = await auditFiles(test, [written]);
      const [first] = report.archives[0]!.findings;
      const s = type === 'stable' ? undefined : 6;
      expect(first).toMatchObject({ code: 'DAMAGED', sequenceNumber: s, place: { offset } });
      expect(outcomeOf(report)).toBe('damaged');
      // What was damaged does not end the audit.
      expect(report.archives[0]).toMatchObject({ committed: 10, executed: type === 'body' ? 5 : 10 });
    },
  );

  it('any bit', () =>
    fc.assert(
      fc.asyncProperty(fc.nat(), fc.nat(7), async (place, bit) => {
        const written = await writeArchive(test, 0, told.records);
        const offsets = await offsetsOf(written);
        // The last record may be one that is being written.
        const byte = place % offsets.at(-1)!;
        written.files.flipBit(`${written.directory}/log/main-0000000001.log`, 8 * byte + bit);
        if (byte < SEGMENT_HEADER_BYTES) {
          // The only segment: without its header nothing can be read.
          await expect(auditFiles(test, [written])).rejects.toMatchObject({ code: 'CORRUPT' });
          return;
        }
        const { archives } = await auditFiles(test, [written]);
        const hit = offsets.findLast((offset) => offset <= byte)!;
        expect(archives[0]!.findings[0]).toMatchObject({ code: 'DAMAGED', place: { offset: hit } });
      }),
      { numRuns: 60 },
    ));

  it('a record cut out', async () => {
    const written = await writeArchive(test, 0, told.records);
    const offsets = await offsetsOf(written);
    const index = indexOf('prepared', 6);
    const [from, to] = [offsets[index]!, offsets[index + 1]!];
    await rewrite(written, (bytes) => {
      const rest = bytes.slice();
      rest.copyWithin(from, to);
      return rest.subarray(0, bytes.length - (to - from));
    });
    const { archives } = await auditFiles(test, [written]);
    expect(archives[0]!.findings).toMatchObject([
      {
        code: 'DAMAGED',
        sequenceNumber: 6,
        place: { offset: from },
        text: '1 record is missing before this one',
      },
    ]);
  });

  it('two records in the place of each other', async () => {
    const written = await writeArchive(test, 0, told.records);
    const offsets = await offsetsOf(written);
    const index = indexOf('prepared', 6);
    const [from, middle, to] = [offsets[index]!, offsets[index + 1]!, offsets[index + 2]!];
    await rewrite(written, (bytes) => {
      const other = bytes.slice();
      other.set(bytes.subarray(middle, to), from);
      other.set(bytes.subarray(from, middle), from + to - middle);
      return other;
    });
    const { archives } = await auditFiles(test, [written]);
    expect(archives[0]!.findings[0]).toMatchObject({ code: 'DAMAGED', place: { offset: from } });
    expect(archives[0]).toMatchObject({ executed: 10 });
  });

  it('a segment that was cut short, and one that is missing', async () => {
    const rotateAt = (i: number) => i === 20 || i === 40;
    const short = await writeArchive(test, 0, told.records, { rotateAt });
    await rewrite(short, (bytes) => bytes.subarray(0, bytes.length - 100), 2);
    const [cut] = (await auditFiles(test, [short])).archives;
    expect(cut!.findings[0]).toMatchObject({ code: 'DAMAGED', place: { file: 'main-0000000002.log' } });

    const holed = await writeArchive(test, 0, told.records, { rotateAt });
    await holed.files.unlink(`${holed.directory}/log/main-0000000002.log`);
    const [missing] = (await auditFiles(test, [holed])).archives;
    expect(missing!.findings[0]).toMatchObject({
      code: 'DAMAGED',
      text: 'segments 2 to 2 of the log are missing',
    });
  });

  it('an unfinished write at the end is no damage', async () => {
    const written = await writeArchive(test, 0, told.records);
    await rewrite(written, (bytes) => bytes.subarray(0, bytes.length - 10));
    const { archives } = await auditFiles(test, [written]);
    expect(archives[0]).toMatchObject({ findings: [], committed: 10 });
    expect(archives[0]!.tailBytes).toBeGreaterThan(0);
  });
});
