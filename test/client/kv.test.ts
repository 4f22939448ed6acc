import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import {
  type KvClient,
  kv,
  kvExpected,
  kvExpiry,
  kvOperations as operations,
} from '../../src/client/index.ts';
import { cleanUp, createCluster, startAll } from '../node/support.ts';
import { closeClients, connectTo } from './support.ts';

let store: KvClient;

beforeAll(async () => {
  const cluster = await createCluster(1);
  await startAll(cluster);
  store = kv((await connectTo(cluster)).client);
});

afterAll(async () => {
  await closeClients();
  await cleanUp();
});

function text(bytes: Uint8Array | undefined): string | undefined {
  return bytes && Buffer.from(bytes).toString();
}

describe('the key-value store through a client', () => {
  it('puts, gets and deletes, whatever the bytes', async () => {
    const key = Uint8Array.of(0, 255, 10);
    const version = await store.put(key, Uint8Array.of(0, 1, 2));
    expect(await store.get(key)).toMatchObject({ version, value: Uint8Array.of(0, 1, 2) });
    expect(await store.delete(key)).toBe(true);
    expect(await store.delete(key)).toBe(false);
    expect(await store.get(key)).toBeUndefined();
  });

  it('compares and sets', async () => {
    const made = await store.compareAndSet('owner', kvExpected.absent, 'alice');
    expect(made.done).toBe(true);
    const version = made.done ? made.version : undefined;
    expect(await store.compareAndSet('owner', kvExpected.absent, 'bob')).toEqual({
      done: false,
      condition: 0,
      version,
    });
    expect(await store.compareAndSet('owner', kvExpected.value('alice'), 'bob')).toMatchObject({
      done: true,
    });
    expect(text((await store.get('owner'))?.value)).toBe('bob');
  });

  it('increments, and says why it cannot', async () => {
    expect(await store.increment('n')).toBe(1n);
    expect(await store.increment('n', -5)).toBe(-4n);
    await store.put('word', 'x');
    await expect(store.increment('word')).rejects.toMatchObject({ name: 'KvError', code: 'not-an-integer' });
  });

  it('does several operations or none', async () => {
    const parts = [operations.put('m1', 'a'), operations.increment('m2', 7)];
    expect(await store.multi(parts)).toMatchObject({ done: true, results: [{}, { value: 7n }] });
    const refused = store.multi([operations.put('m1', 'b'), operations.increment('word')]);
    await expect(refused).rejects.toThrow(/operation 1.*not a signed 64-bit/);
    expect(text((await store.get('m1'))?.value)).toBe('a');
    const conditions = [{ key: 'm1', condition: kvExpected.absent }];
    expect(await store.multi(parts, conditions)).toMatchObject({ done: false, condition: 0 });
  });

  it('expires', async () => {
    await store.put('brief', 'x');
    expect(await store.expire('brief', kvExpiry.at(1))).toBe(true);
    expect(await store.get('brief')).toBeUndefined();
    expect(await store.expire('brief', kvExpiry.never)).toBe(false);
  });

  it('scans page by page, all of a range and nothing twice', async () => {
    const keys = Array.from({ length: 25 }, (_, i) => `scan/${String(i).padStart(2, '0')}`);
    await Promise.all(keys.map((key) => store.put(key, key)));
    const sizes: number[] = [];
    for await (const page of store.pages({ prefix: 'scan/', limit: 10 })) sizes.push(page.length);
    expect(sizes).toEqual([10, 10, 5]);
    const found: (string | undefined)[] = [];
    for await (const { key, value } of store.scan({ prefix: 'scan/', limit: 4 })) {
      expect(value).toEqual(key);
      found.push(text(key));
    }
    expect(found).toEqual(keys);
    expect(await store.count({ prefix: 'scan/' })).toBe(25);
    expect(await store.count({ from: 'scan/05', to: 'scan/07' })).toBe(2);
  });

  it('scans with a lower bound within a prefix', async () => {
    const found: (string | undefined)[] = [];
    for await (const { key } of store.scan({ prefix: 'scan/', from: 'scan/23' })) found.push(text(key));
    expect(found).toEqual(['scan/23', 'scan/24']);
  });
});
