import { describe, expect, it } from 'vitest';
import { makeProber } from '../../src/client/probing.ts';

function prober() {
  const probed: number[] = [];
  const dead: number[] = [];
  const it = makeProber({ onProbe: (r) => probed.push(r), onDead: (r) => dead.push(r) });
  const tick = (count: number, connected = [true, true]) => {
    for (let i = 0; i < count; i++) it.tick(connected);
  };
  return { it, tick, probed, dead };
}

describe('who is silent', () => {
  it('is asked once, only while nothing comes from it', () => {
    const { it, tick, probed } = prober();
    it.heard(0);
    tick(1);
    expect(probed).toEqual([1]);
    tick(5);
    expect(probed).toEqual([1, 0]);
  });

  it('counts as silent when its question has waited for two ticks, until anything comes', () => {
    const { it, tick } = prober();
    tick(2);
    expect(it.isSilent(0)).toBe(false);
    tick(1);
    expect(it.isSilent(0)).toBe(true);
    expect(it.heard(0)).toBe(true);
    expect(it.heard(0)).toBe(false);
    expect([it.isSilent(0), it.isSilent(1)]).toEqual([false, true]);
  });

  it('is given up after twelve, and begins anew with its next link', () => {
    const { it, tick, probed, dead } = prober();
    tick(12, [true, false]);
    expect(dead).toEqual([]);
    tick(1, [true, false]);
    expect(dead).toEqual([0]);
    it.reset(0);
    expect(it.isSilent(0)).toBe(false);
    tick(1, [true, false]);
    expect(probed).toEqual([0, 0]);
  });
});
