/** Mistakes of operators: each ends the process at once, with words that name the thing and the way out, and the exit code for its kind. */

import { once } from 'node:events';
import { chmodSync, copyFileSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { afterEach, expect, test } from 'vitest';
import { EXIT_STATUS } from '../../src/node/index.ts';
import { cleanUp, onCleanUp } from './support/cleanup.ts';
import { type Cluster, createCluster } from './support/cluster.ts';
import { judge } from './support/judge.ts';
import { startLoad } from './support/load.ts';

afterEach(cleanUp);

const WRONG = 3;

interface Mistake {
  readonly name: string;
  readonly make: (cluster: Cluster, other: Cluster) => unknown;
  readonly code: number;
  readonly words: RegExp;
}

const MISTAKES: readonly Mistake[] = [
  {
    name: 'the key of another replica',
    make: ({ paths }) => copyFileSync(paths.replica(2).key, paths.replica(WRONG).key),
    code: EXIT_STATUS.CONFIG,
    words:
      /index is 3, but the public key \w+ is that of replica 2; correct the index or the path of the key/,
  },
  {
    name: 'a key that is not in the genesis',
    make: ({ paths }, other) => copyFileSync(other.paths.replica(0).key, paths.replica(WRONG).key),
    code: EXIT_STATUS.CONFIG,
    words: /is not in the genesis/,
  },
  {
    name: 'a wrong index',
    make: (cluster) => change(cluster, 'index', 1),
    code: EXIT_STATUS.CONFIG,
    words: /index is 1, but the public key \w+ is that of replica 3/,
  },
  {
    name: 'an index that does not exist',
    make: (cluster) => change(cluster, 'index', 4),
    code: EXIT_STATUS.CONFIG,
    words: /index is 4/,
  },
  {
    name: 'the genesis of another cluster',
    make: ({ paths }, other) => copyFileSync(other.paths.genesis, paths.genesis),
    code: EXIT_STATUS.CONFIG,
    words: /is not in the genesis/,
  },
  {
    name: 'the data directory of another replica',
    make: (cluster) => change(cluster, 'data', cluster.paths.replica(2).data),
    code: EXIT_STATUS.STORAGE,
    words: /belongs to replica 2 .* correct the path of the data directory/,
  },
  {
    name: 'a genesis with other limits: another cluster',
    make: ({ paths }) => {
      const genesis = JSON.parse(readFileSync(paths.genesis, 'utf8'));
      genesis.limits.checkpointInterval = 100;
      writeFileSync(paths.genesis, JSON.stringify(genesis));
    },
    code: EXIT_STATUS.STORAGE,
    words: /belongs to replica 3 of the cluster/,
  },
  {
    name: 'a key that others can read',
    make: ({ paths }) => chmodSync(paths.replica(WRONG).key, 0o644),
    code: EXIT_STATUS.CONFIG,
    words: /has mode 0644.*chmod 600/,
  },
  {
    name: 'no key',
    make: ({ paths }) => rmSync(paths.replica(WRONG).key),
    code: EXIT_STATUS.CONFIG,
    words: /key\.json/,
  },
  {
    name: 'a replica file that is no JSON',
    make: ({ paths }) => writeFileSync(paths.replica(WRONG).config, '{"index": 3,'),
    code: EXIT_STATUS.CONFIG,
    words: /replica\.json/,
  },
  {
    name: 'an unknown field',
    make: (cluster) => change(cluster, 'durabilty', 'disk'),
    code: EXIT_STATUS.CONFIG,
    words: /durabilty/,
  },
  {
    name: 'a field of another form',
    make: (cluster) => change(cluster, 'listen', { host: '127.0.0.1', port: 'x' }),
    code: EXIT_STATUS.CONFIG,
    words: /listen\.port/,
  },
  {
    name: 'a port that is taken',
    make: async (cluster) => {
      const { host, port } = cluster.network.listen(WRONG);
      const server = createServer().listen(port, host);
      await once(server, 'listening');
      onCleanUp(() => server.close());
    },
    code: EXIT_STATUS.NETWORK,
    words: /address already in use|EADDRINUSE/,
  },
  {
    name: 'a data directory that a running replica uses',
    make: async (cluster) => {
      cluster.start(WRONG);
      await cluster.until(WRONG, 'runs', () => true);
    },
    code: EXIT_STATUS.STORAGE,
    words: /in use|another process/,
  },
];

function change({ paths }: Cluster, field: string, value: unknown): void {
  const path = paths.replica(WRONG).config;
  writeFileSync(path, JSON.stringify({ ...JSON.parse(readFileSync(path, 'utf8')), [field]: value }));
}

test.each(MISTAKES)('$name', async ({ make, code, words }) => {
  const cluster = await createCluster('mistaken');
  const other = await createCluster('other');
  await make(cluster, other);
  const process = cluster.start(WRONG);
  process.expectExit();
  const exit = await process.exited;
  expect(exit.words).toMatch(words);
  expect(exit.words).not.toMatch(/^ +at /m);
  expect(exit.code).toBe(code);
});

test('a replica of another cluster at the address of one of ours: nobody listens to it, and the load goes on', async () => {
  const cluster = await createCluster('ours');
  const other = await createCluster('theirs', { network: cluster.network });
  for (const index of cluster.indices.slice(0, WRONG)) cluster.start(index);
  for (const index of cluster.indices.slice(0, WRONG)) await cluster.untilReady(index);
  const load = await startLoad(cluster);
  await load.progress();
  other.start(WRONG);
  await other.until(WRONG, 'runs', () => true);
  await load.progress();
  const { started, peers } = await other.status(WRONG);
  expect(started).toBe(false);
  expect(peers.some(({ connected }) => connected)).toBe(false);
  await other.stop(WRONG);
  cluster.start(WRONG);
  await cluster.untilReady(WRONG);
  await judge(cluster, load);
});
