/**
 * Networks that fall apart. In network namespaces what is cut vanishes without a word; through proxies connections break and are refused:
 * two ways in which networks fail.
 */

import { afterEach, describe, expect, test } from 'vitest';
import { type ClientError, kv } from '../../src/client/index.ts';
import { cleanUp } from './support/cleanup.ts';
import { createCluster, REPLICAS } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { connectTo, startLoad } from './support/load.ts';
import { canDivide, namespaceNetwork } from './support/networks/namespaces.ts';
import type { Divisible } from './support/networks/network.ts';
import { proxiedNetwork } from './support/networks/proxies.ts';
import { bft2f } from './support/program.ts';
import { until } from './support/wait.ts';

afterEach(cleanUp);

interface Kind {
  readonly name: string;
  readonly make: () => Divisible | Promise<Divisible>;
}

const KINDS: readonly Kind[] = [
  { name: 'proxies', make: () => proxiedNetwork(REPLICAS) },
  ...(canDivide() ? [{ name: 'namespaces', make: () => namespaceNetwork(REPLICAS) }] : []),
];

describe.each(KINDS)('in a network of $name', ({ make }) => {
  test('the primary is cut off: the majority goes on, and it joins when the network is whole', async () => {
    const network = await make();
    const cluster = await createCluster('minority', { network });
    await cluster.startAll();
    const load = await startLoad(cluster);
    await load.progress();
    const { index, view } = await cluster.primary();
    network.separate([index]);
    await load.progress();
    network.heal();
    await cluster.until(index, 'is in the new view', (status) => status.ready && status.view > view);
    await load.progress();
    await judge(cluster, load);
  });

  test('two and two: nothing is answered, clients hear so in time, and it resumes by itself', async () => {
    const network = await make();
    const cluster = await createCluster('halves', { network });
    await cluster.startAll();
    const load = await startLoad(cluster, { deadlineMs: 2_000 });
    await load.progress();
    network.separate([0, 1]);
    const before = performance.now();
    await until('the clients have heard of it', () => load.failures.length >= 3 || undefined);
    expect(performance.now() - before).toBeLessThan(20_000);
    network.heal();
    const patient = await connectTo(cluster);
    await kv(patient).put('after', '1');
    await patient.close();
    await load.progress();
    await judge(cluster, load, { unanswered: true });
  });

  test('a client that reaches no quorum hears so by its deadline, and goes on when it does', async () => {
    const network = await make();
    const cluster = await createCluster('unreachable', { network });
    await cluster.startAll();
    const client = await connectTo(cluster);
    await kv(client).put('a', '1');
    network.separate([0, 1, 2]);
    const put = (key: string) =>
      kv(client)
        .put(key, '2', { deadlineMs: 1_500 })
        .then(() => undefined)
        .catch((error: ClientError) => error);
    // Whether it was sent depends on when the client learned of the cut; what is told fits what was done.
    const first = await put('b');
    expect(first?.code).toBe(first?.outcome === 'unknown' ? 'OUTCOME_UNKNOWN' : 'NO_QUORUM');
    expect(String(first)).toMatch(
      /no answer of a quorum within 1500 ms: 1 of 4 replicas can be reached, 3 must answer/,
    );
    expect(await put('b')).toMatchObject({
      code: 'NO_QUORUM',
      outcome: 'not-applied',
      reachable: 1,
      needed: 3,
    });
    network.heal();
    await kv(client).put('c', '3');
    expect(Buffer.from((await kv(client).get('c'))!.value).toString()).toBe('3');
    await client.close();
  });
});

test.runIf(canDivide())('the command line on the machine of a replica that is cut off', async () => {
  const network = namespaceNetwork(REPLICAS);
  const cluster = await createCluster('inside', { network });
  await cluster.startAll();
  const put = (key: string) =>
    bft2f(
      ['kv', 'put', key, '1', '--deadline', '3000', '--directory', cluster.paths.directory],
      network.prefix(3),
    );
  expect(await put('before')).toMatchObject({ code: 0 });
  network.separate([3]);
  const refused = await put('during');
  expect([11, 12]).toContain(refused.code);
  expect(refused.err).toMatch(/1 of 4 replicas can be reached, 3 must answer/);
  network.heal();
  await until('the command succeeds again', async () => ((await put('after')).code === 0 ? true : undefined));
});
