import fc from 'fast-check';
import { describe, expect, it } from 'vitest';
import { makeKernel } from '../../src/simulator/kernel.ts';

describe('kernel', () => {
  it('runs actions by time, and at one instant in the order of scheduling', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(20), { maxLength: 60 }), (delays) => {
        const kernel = makeKernel();
        const ran: [number, number][] = [];
        for (const [i, delay] of delays.entries()) kernel.schedule(delay, () => ran.push([kernel.nowUs, i]));
        while (kernel.runNext());
        const naive = delays.map((delay, i): [number, number] => [delay, i]);
        naive.sort((a, b) => a[0] - b[0] || a[1] - b[1]);
        expect(ran).toEqual(naive);
      }),
    );
  });

  it('lets actions schedule others, at the same instant too', () => {
    const kernel = makeKernel();
    const ran: string[] = [];
    kernel.schedule(5, () => {
      ran.push('a');
      kernel.schedule(0, () => ran.push('c'));
    });
    kernel.schedule(5, () => ran.push('b'));
    while (kernel.runNext());
    expect(ran).toEqual(['a', 'b', 'c']);
  });

  it('forgets cancelled actions and stops at the instant or the condition', () => {
    const kernel = makeKernel();
    const ran: number[] = [];
    kernel.schedule(1, () => ran.push(1)).cancel();
    kernel.schedule(2, () => ran.push(2));
    kernel.schedule(9, () => ran.push(9));
    expect(kernel.runUntil(5)).toBe(false);
    expect([kernel.nowUs, ran]).toEqual([5, [2]]);
    expect(kernel.runUntil(20, () => ran.length === 2)).toBe(true);
    expect(kernel.nowUs).toBe(9);
    expect(() => kernel.schedule(0.5, () => {})).toThrow(/microseconds/);
  });
});
