import { setImmediate as turn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { createReplicaTransport } from '../../src/network/replica-transport.ts';
import { utf8 } from '../../src/types/bytes.ts';
import {
  addresses,
  closeAll,
  closing,
  dialTcp,
  dialTls,
  HOST,
  OTHER_CLUSTER,
  seedOf,
  startClient,
  startReplica,
} from './support.ts';

// In a file, hence a thread, of its own: it looks at everything that keeps this thread alive.
test('after close nothing is left running and nothing is reported', async () => {
  const running = () =>
    process
      .getActiveResourcesInfo()
      .filter((name) => /TCP|TLS|Timeout|Immediate/.test(name))
      .sort();
  const low = await startReplica(0, [1, 1]);
  const high = await startReplica(1, [low.port, 1]);
  const lost = startClient([1, high.port], { limits: { redialMinMs: 60_000, redialMaxMs: 60_000 } });
  await Promise.all([low.witness.untilConnected('r1'), lost.witness.untilConnected('r1')]);
  await lost.witness.until(({ what }) => what === 'refused');
  // Refused a moment ago: its farewell is still being read.
  const foreign = startClient([low.port], { clusterId: OTHER_CLUSTER });
  await foreign.witness.untilRefused('REFUSED');
  const silent = dialTcp(low.port);
  const half = await dialTls(low.port, 100);
  half.resume();
  const gone = [closing(silent), closing(half)];
  low.transport.send(1, utf8('dropped'));
  const counts = () => [low, high, lost, foreign].map(({ witness }) => witness.seen.length);
  const ending = closeAll();
  const told = counts();
  await ending;
  await Promise.all(gone);
  expect(counts()).toEqual(told);
  // Handles go some turns of the event loop after their sockets said so, and the test runner has short timers of its
  // own. Ours that would be left over are longer than this wait: a second after a farewell, a minute before a redial.
  const until = performance.now() + 600;
  while (running().length > 0 && performance.now() < until) await turn();
  expect(running()).toEqual([]);
});

test('closing a transport that is about to listen ends both', async () => {
  const transport = createReplicaTransport({
    seed: seedOf(1),
    index: 0,
    clusterId: OTHER_CLUSTER,
    epoch: 0,
    replicas: addresses([1]),
    host: HOST,
    port: 0,
    onFrame() {},
    onConnected() {},
    onDisconnected() {},
  });
  const listening = transport.listen();
  await Promise.all([transport.close(), expect(listening).rejects.toMatchObject({ code: 'CLOSED' })]);
});
