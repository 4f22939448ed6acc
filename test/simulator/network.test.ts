import { describe, expect, it } from 'vitest';
import { makeKernel } from '../../src/simulator/kernel.ts';
import { drawLinkDelay } from '../../src/simulator/link-delays.ts';
import { CALM, makeNetwork, type NetworkConditions } from '../../src/simulator/network.ts';
import { makeRandom } from '../../src/simulator/random.ts';
import { prepare, silent } from './support.ts';

function networkOf(conditions: Partial<NetworkConditions> = {}) {
  const kernel = makeKernel();
  const received: { from: number; to: number; s: number; atUs: number }[] = [];
  const network = makeNetwork({
    kernel,
    random: makeRandom(1),
    endpoints: 4,
    conditions: { ...CALM, ...conditions },
    observer: silent,
    receive(from, to, message) {
      if (message.type === 'prepare')
        received.push({ from, to, s: message.sequenceNumber, atUs: kernel.nowUs });
    },
  });
  return { kernel, network, received };
}

describe('network', () => {
  it('delivers to everyone named, within the range of delays', () => {
    const { kernel, network, received } = networkOf();
    network.send(0, [1, 2, 3], prepare(0, 7, 1));
    kernel.runUntil(1_000_000);
    expect(received.map(({ to }) => to).sort()).toEqual([1, 2, 3]);
    for (const { from, s, atUs } of received) {
      expect([from, s]).toEqual([0, 7]);
      expect(atUs).toBeGreaterThanOrEqual(CALM.delayMinUs);
      expect(atUs).toBeLessThanOrEqual(CALM.delayMaxUs + 64 * CALM.jitterUs);
    }
  });

  it('has links that differ: even ones, ones with a long tail, and ones that are jammed now and then', () => {
    const conditions = { ...CALM, delayMinUs: 0, delayMaxUs: 0, jitterUs: 1_000 };
    const kinds = new Set<string>();
    for (let link = 0; link < 64; link++) {
      const delay = drawLinkDelay(makeRandom(link), makeRandom(1));
      const drawn = Array.from({ length: 2_000 }, () => delay(conditions, 0));
      const longest = Math.max(...drawn);
      kinds.add(
        longest <= 1_000 ? 'even' : drawn.filter((us) => us >= 10_000).length > 500 ? 'jammed' : 'tail',
      );
    }
    expect([...kinds].sort()).toEqual(['even', 'jammed', 'tail']);
  });

  it('keeps a cut until each of those who cut it has mended it', () => {
    const { network } = networkOf();
    network.cut(0, 1);
    network.cut(0, 1);
    expect([network.mend(0, 1), network.isCut(0, 1)]).toEqual([false, true]);
    expect([network.mend(0, 1), network.isCut(0, 1)]).toEqual([true, false]);
    expect(network.mend(0, 1)).toBe(false);
  });

  it('loses with a connection what is under way on it in both directions, and nothing later', () => {
    const { kernel, network, received } = networkOf();
    network.send(0, [1, 2], prepare(0, 1, 1));
    network.send(1, [0], prepare(0, 2, 1));
    network.reset(1, 0);
    network.send(0, [1], prepare(0, 3, 1));
    kernel.runUntil(1_000_000);
    expect(received.map(({ s, to }) => [s, to]).sort()).toEqual([
      [1, 2],
      [3, 1],
    ]);
  });

  it('lets a slow receiver take one message at a time from a queue, and loses what finds it full', () => {
    const { kernel, network, received } = networkOf({ delayMaxUs: 200, jitterUs: 0 });
    network.slowDown(1, { perMessageUs: 10_000, queueMax: 3 });
    for (let s = 1; s <= 5; s++) network.send(0, [1], prepare(0, s, 1));
    kernel.runUntil(1_000_000);
    expect(received.map(({ s }) => s)).toEqual([1, 2, 3]);
    expect(received[2]!.atUs - received[0]!.atUs).toBe(20_000);
    network.slowDown(1, undefined);
    for (let s = 1; s <= 5; s++) network.send(0, [1], prepare(0, s, 1));
    kernel.runUntil(2_000_000);
    expect(received).toHaveLength(8);
  });

  it('loses, duplicates and reorders as told', () => {
    const { kernel, network, received } = networkOf({
      lossPerMille: 300,
      duplicatesPerMille: 500,
      jitterUs: 50_000,
    });
    for (let s = 0; s < 2_000; s++) network.send(0, [1], prepare(0, s, 1));
    kernel.runUntil(1_000_000);
    const distinct = new Set(received.map(({ s }) => s)).size;
    expect(Math.abs(distinct - 1_400)).toBeLessThan(100);
    expect(Math.abs(received.length / distinct - 1.5)).toBeLessThan(0.1);
    const inOrder = received.filter(({ s }, i) => i === 0 || s >= received[i - 1]!.s).length;
    expect(inOrder).toBeLessThan(received.length * 0.7);
  });

  it('cuts one direction, loses what is under way, and heals', () => {
    const { kernel, network, received } = networkOf();
    network.send(0, [1], prepare(0, 1, 1));
    network.cut(0, 1);
    network.send(0, [1], prepare(0, 2, 1));
    network.send(1, [0], prepare(0, 3, 1));
    kernel.runUntil(1_000_000);
    expect(received.map(({ s }) => s)).toEqual([3]);
    expect(network.heal()).toEqual([[0, 1]]);
    network.send(0, [1], prepare(0, 4, 1));
    kernel.runUntil(2_000_000);
    expect(received.map(({ s }) => s)).toEqual([3, 4]);
  });

  it('lets a script take packets out and give them back', () => {
    const { kernel, network, received } = networkOf();
    const held: Parameters<typeof network.release>[0][] = [];
    network.intercept = (packet) => {
      held.push(packet);
      return true;
    };
    network.send(0, [1, 2], prepare(0, 1, 1));
    kernel.runUntil(1_000_000);
    expect(received).toEqual([]);
    network.release(held[1]!);
    expect(received.map(({ to }) => to)).toEqual([2]);
  });
});
