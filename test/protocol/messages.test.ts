import { describe, expect, it } from 'vitest';
import { decode, encode, type Schema } from '../../src/codec/index.ts';
import { evidenceSchema } from '../../src/protocol/accountability/evidence.ts';
import {
  rejectBatch,
  rejectCheckpointCertificate,
  rejectCommitCertificate,
  rejectHead,
  rejectPreparedCertificate,
} from '../../src/protocol/certificates.ts';
import { genesisSchema } from '../../src/protocol/genesis.ts';
import { batchSchema } from '../../src/protocol/messages/batch.ts';
import {
  checkpointCertificateSchema,
  commitCertificateSchema,
  preparedCertificateSchema,
} from '../../src/protocol/messages/certificates.ts';
import { headSchema } from '../../src/protocol/messages/entry.ts';
import { payloadSchema, wantSchema } from '../../src/protocol/messages/fetch.ts';
import { messageSchema } from '../../src/protocol/messages/index.ts';
import { clientRequestSchema, requestBytes } from '../../src/protocol/messages/request.ts';
import { justifiedViewChangeSchema, newViewSchema } from '../../src/protocol/messages/view-change.ts';
import { encodeRecord, recordSchema, recordSequenceNumber } from '../../src/protocol/records.ts';
import { rejectNewView, rejectViewChange } from '../../src/protocol/view-change-rules.ts';
import { makeTestCluster, randomFrom } from './support.ts';

/** Every schema that bytes from outside are held against, with how many generated values: large ones fewer. */
const schemas: readonly (readonly [string, Schema<unknown>, number])[] = [
  ['message', messageSchema, 400],
  ['record', recordSchema, 300],
  ['request', clientRequestSchema, 100],
  ['batch', batchSchema, 30],
  ['want', wantSchema, 100],
  ['payload', payloadSchema, 150],
  ['evidence', evidenceSchema, 100],
  ['genesis', genesisSchema, 50],
];

describe('schemas of messages and records', () => {
  it.each(schemas)(
    '%s: what is encoded is decoded to the same value and the same bytes',
    (_, schema, count) => {
      for (let seed = 0; seed < count; seed++) {
        const value = schema.generate(randomFrom(seed));
        const bytes = encode(schema, value);
        expect(bytes.length).toBeLessThanOrEqual(schema.bytesMax);
        expect(bytes.length).toBeGreaterThanOrEqual(schema.bytesMin);
        const decoded = decode(schema, bytes);
        if (!decoded.ok) throw new Error(`seed ${seed}: ${decoded.error.reason}`);
        expect(decoded.value).toEqual(value);
      }
    },
  );

  it.each(schemas)(
    '%s: altered, cut, extended and random bytes are refused or are canonical',
    (_, schema, count) => {
      for (let seed = 0; seed < count; seed++) {
        const random = randomFrom(seed);
        const bytes = encode(schema, schema.generate(random));
        if (bytes.length > 20_000) continue;
        const altered = bytes.slice();
        for (let i = 0; i <= random(3); i++) altered[random(bytes.length)]! ^= 1 << random(8);
        const inputs = [
          altered,
          bytes.slice(0, random(bytes.length)),
          Uint8Array.of(...bytes, random(256)),
          Uint8Array.from({ length: random(200) }, () => random(256)),
          Uint8Array.of(bytes[0]!, ...Uint8Array.from({ length: random(200) }, () => 255 - random(2) * 255)),
        ];
        for (const input of inputs) {
          const decoded = decode(schema, input);
          if (decoded.ok) expect(encode(schema, decoded.value)).toEqual(input);
          else expect(decoded.error.code).toBe('MALFORMED');
        }
      }
    },
  );

  it('every type of message and of record is generated', () => {
    const types = (schema: Schema<{ type: string }>, count: number) =>
      new Set(Array.from({ length: count }, (_, seed) => schema.generate(randomFrom(seed)).type)).size;
    expect(types(messageSchema, 300)).toBe(18);
    expect(types(recordSchema, 300)).toBe(13);
  });
});

describe('rules over generated certificates', () => {
  const { context } = makeTestCluster();
  const judges: readonly (readonly [string, (seed: number) => unknown])[] = [
    [
      'prepared',
      (seed) => rejectPreparedCertificate(context, preparedCertificateSchema.generate(randomFrom(seed))),
    ],
    [
      'commit',
      (seed) => rejectCommitCertificate(context, commitCertificateSchema.generate(randomFrom(seed))),
    ],
    [
      'checkpoint',
      (seed) => rejectCheckpointCertificate(context, checkpointCertificateSchema.generate(randomFrom(seed))),
    ],
    ['head', (seed) => rejectHead(context, headSchema.generate(randomFrom(seed)))],
    ['new view', (seed) => rejectNewView(context, newViewSchema.generate(randomFrom(seed)))],
    [
      'view change',
      (seed) => {
        const { viewChange, proofs } = justifiedViewChangeSchema.generate(randomFrom(seed));
        return rejectViewChange(context, viewChange, proofs);
      },
    ],
  ];

  it.each(judges)('%s: forged ones are refused with a reason and never by a throw', (_, judge) => {
    for (let seed = 0; seed < 60; seed++) expect(judge(seed)).toBeTypeOf('string');
  });

  it('batches: a body of generated requests is never accepted', () => {
    for (let seed = 0; seed < 30; seed++) {
      const batch = batchSchema.generate(randomFrom(seed));
      if (batch.requests.length > 0) expect(rejectBatch(context, batch)).toBeTypeOf('string');
    }
  });
});

describe('records', () => {
  it('are deleted by the s of what they are about', () => {
    for (let seed = 0; seed < 300; seed++) {
      const record = recordSchema.generate(randomFrom(seed));
      const decoded = decode(recordSchema, encodeRecord(record));
      expect(decoded).toEqual({ ok: true, value: record });
      const deletable = ['accepted', 'body', 'prepared', 'committed', 'executed'];
      if (!deletable.includes(record.type)) expect(recordSequenceNumber(record)).toBe(0);
    }
  });
});

it('the size that limits count for a request is at least its encoded size', () => {
  for (let seed = 0; seed < 200; seed++) {
    const request = clientRequestSchema.generate(randomFrom(seed));
    expect(requestBytes(request)).toBeGreaterThanOrEqual(encode(clientRequestSchema, request).length);
  }
});
