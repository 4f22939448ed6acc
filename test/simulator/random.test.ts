import { describe, expect, it } from 'vitest';
import { makeRandom } from '../../src/simulator/random.ts';

const draw = (seed: number, count = 8) => {
  const random = makeRandom(seed);
  return Array.from({ length: count }, () => random.u32());
};

describe('random', () => {
  it('is a function of the seed, and neighbouring seeds differ', () => {
    expect(draw(1)).toEqual(draw(1));
    const firsts = new Set(Array.from({ length: 10_000 }, (_, seed) => draw(seed, 2).join()));
    expect(firsts.size).toBe(10_000);
    expect(draw(2 ** 40 + 7)).not.toEqual(draw(7));
  });

  it('keeps its meaning: these draws are part of what a seed is', () => {
    expect(draw(2026, 4)).toMatchInlineSnapshot(`
      [
        1984909537,
        832466386,
        3491521324,
        2065582545,
      ]
    `);
  });

  it('forks independently of what was drawn', () => {
    const one = makeRandom(5);
    const other = makeRandom(5);
    other.u32();
    expect(one.fork('network').u32()).toBe(other.fork('network').u32());
    expect(one.fork('network').u32()).not.toBe(one.fork('disk').u32());
    expect(one.fork('a').fork('b').u32()).not.toBe(one.fork('b').fork('a').u32());
  });

  it('draws evenly and within bounds', () => {
    const random = makeRandom(3);
    const counts = [0, 0, 0, 0, 0, 0];
    for (let i = 0; i < 60_000; i++) counts[random.below(6)]!++;
    for (const count of counts) expect(Math.abs(count - 10_000)).toBeLessThan(500);
    let hits = 0;
    for (let i = 0; i < 10_000; i++) if (random.chance(3, 10)) hits++;
    expect(Math.abs(hits - 3_000)).toBeLessThan(200);
    expect(random.chance(0, 10)).toBe(false);
    for (let i = 0; i < 100; i++) expect([4, 5, 6]).toContain(random.between(4, 6));
    expect(random.shuffle([1, 2, 3, 4]).sort()).toEqual([1, 2, 3, 4]);
  });

  it('names what it was given when that is no seed or bound', () => {
    expect(() => makeRandom(-1)).toThrow(/seed.*-1/);
    expect(() => makeRandom(0).below(0)).toThrow(/bound.*0/);
    expect(() => makeRandom(0).pick([])).toThrow(/no items/);
  });
});
