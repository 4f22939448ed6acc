/** Quorums above 2f+1 (docs/protocol.md §1): the same protocol with other thresholds, safe against more, live against fewer. */

import { describe, expect, it } from 'vitest';
import { mixingHash } from '../../src/crypto/mixing-hash.ts';
import type { KvResult } from '../../src/services/kv/index.ts';
import { makeSimulatedCluster } from '../../src/simulator/cluster.ts';
import { recordHistory } from '../../src/simulator/history.ts';
import { checkLinearizable } from '../../src/simulator/linearizability.ts';
import { CALM } from '../../src/simulator/network.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import { type KvInput, kvWorkload } from '../../src/simulator/workload.ts';
import { makeClient, told } from '../paper/clients.ts';
import { eventsOf, isFrom, journalOf, makeGroup } from '../paper/group.ts';

interface Run {
  readonly seed: number;
  readonly replicas: number;
  readonly quorum: number;
  /** Replicas that are down from 500 ms on. */
  readonly crashed?: readonly number[];
}

/** Three clients with 10 operations each under 20 % loss; answers what went wrong. */
function simulate({ seed, replicas, quorum, crashed = [] }: Run): readonly string[] {
  const random = makeRandom(seed);
  const workload = kvWorkload(mixingHash, 2);
  const lossy = { ...CALM, lossPerMille: 200, duplicatesPerMille: 100, jitterUs: 20_000 };
  const cluster = makeSimulatedCluster({
    random,
    replicas,
    quorum,
    clients: 3,
    service: workload.service,
    genesisLimits: { pipelineWindow: 4, checkpointInterval: 8, watermarkWindow: 32 },
    conditions: lossy,
  });
  const history = recordHistory<KvInput, KvResult>();
  let left = 30;
  for (const client of cluster.clients) {
    const own = random.fork(client.name);
    let submitted = 0;
    const next = () => {
      if (submitted === 10) return;
      const { input, read } = workload.next(own, `${client.name}.${submitted++}`);
      const operation = history.invoke(client.name, input);
      client.submit(workload.encode(input), read, (outcome) => {
        left--;
        if (outcome.type === 'accepted' || outcome.type === 'read') {
          history.complete(operation, workload.decode(outcome.result));
        }
        cluster.kernel.schedule(own.below(50_000), next);
      });
    };
    next();
  }
  cluster.kernel.schedule(500_000, () => {
    for (const index of crashed) cluster.crash(index);
  });
  cluster.kernel.schedule(5_000_000, () => {
    cluster.network.conditions = CALM;
  });
  const failed = () => cluster.violations.length > 0;
  cluster.kernel.runUntil(300_000_000, () => left === 0 || failed());
  cluster.executions.finish();
  const problems = cluster.violations.map(({ property, text }) => `${property}: ${text}`);
  if (left > 0) problems.push(`${left} operations are unanswered`);
  if (checkLinearizable(workload.model, history.operations()).type === 'violation')
    problems.push('not linearizable');
  return problems;
}

describe('general quorums', () => {
  for (const [replicas, quorum] of [
    [4, 4],
    [7, 6],
    [7, 7],
  ] as const) {
    it(`n = ${replicas}, q = ${quorum} is linearizable and live under loss`, () => {
      for (let seed = 0; seed < (replicas === 4 ? 6 : 3); seed++) {
        expect({ seed, problems: simulate({ seed, replicas, quorum }) }).toEqual({ seed, problems: [] });
      }
    });
  }

  it('n = 7, q = 6 is live without n − q = 1 replica, the primary among them', () => {
    for (const crashed of [[0], [3]]) {
      expect(simulate({ seed: 9, replicas: 7, quorum: 6, crashed })).toEqual([]);
    }
  });

  it('n = 4, q = 4 waits for every replica: safe against k = 3 for one client’s acceptance, live against none', () => {
    const group = makeGroup({ quorum: 4 });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    group.members[3]!.silent = true;
    const token = alice.submit('b');
    group.pass(20_000);
    expect(told(alice.outcomes.get(token))).toBe('nothing yet');
    group.members[3]!.silent = false;
    group.until(() => alice.outcomes.has(token));
    expect(told(alice.outcomes.get(token))).toBe('2');
    for (let index = 0; index < 4; index++) expect(journalOf(group, index)).toEqual(['a', 'b']);
  });

  it('three replies of four are not accepted with q = 4', () => {
    const group = makeGroup({ quorum: 4 });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    group.filter = (packet) => packet.message.type !== 'reply' || !isFrom(packet, 2);
    const token = alice.submit('b');
    group.pass(400);
    expect(journalOf(group, 0)).toEqual(['a', 'b']);
    expect(told(alice.outcomes.get(token))).toBe('nothing yet');
    group.filter = undefined;
    group.until(() => alice.outcomes.has(token));
  });

  it('with q = 4 one replica’s suspicion is joined: it may be needed for every quorum', () => {
    const group = makeGroup({ quorum: 4 });
    const alice = makeClient(group, 'alice');
    alice.call('a');
    // Replica 3 alone hears alice, and the primary hears nobody.
    alice.reaches = [3];
    group.filter = (packet) => packet.message.type !== 'relay';
    const token = alice.submit('b');
    group.until(() => alice.outcomes.has(token));
    for (let index = 0; index < 4; index++) {
      expect(eventsOf(group, index, 'viewEntered').map(({ view }) => view)[0]).toBe(1);
    }
  });
});
