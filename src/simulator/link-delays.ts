/**
 * How long messages take on one link. Links differ in more than speed: one is even, one has a long tail, one is jammed now and then so that all its
 * messages wait and then come together. Which one a link is, the seed decides once.
 */

import type { NetworkConditions } from './network.ts';
import type { Random } from './random.ts';

/** The delay of the next message under the conditions, in microseconds. */
export type LinkDelay = (conditions: NetworkConditions, nowUs: number) => number;

/** A doubling for each of so many coins: the mean of a long tail stays near that of an even one. */
const TAIL_DOUBLINGS_MAX = 6;

/** `random` draws what the link is like, `noise` each delay. */
export function drawLinkDelay(random: Random, noise: Random): LinkDelay {
  // Its place within the range of delays, in 1/1,024ths.
  const slowness = random.below(1025);
  const tail = random.chance(1, 4);
  const jams = random.chance(1, 4);
  let jammedUntilUs = 0;

  const late = ({ jitterUs, stragglersPerMille, stragglerUs }: NetworkConditions): number => {
    let most = jitterUs;
    if (tail) for (let i = 0; i < TAIL_DOUBLINGS_MAX && noise.chance(3, 8); i++) most *= 2;
    const straggles = noise.chance(stragglersPerMille, 1000) ? noise.below(stragglerUs + 1) : 0;
    return noise.below(most + 1) + straggles;
  };

  return (conditions, nowUs) => {
    const { delayMinUs, delayMaxUs, jitterUs } = conditions;
    const least = delayMinUs + Math.floor(((delayMaxUs - delayMinUs) * slowness) / 1024);
    if (jams && nowUs >= jammedUntilUs && noise.chance(1, 200)) jammedUntilUs = nowUs + 10 * jitterUs;
    return Math.max(0, jammedUntilUs - nowUs) + least + late(conditions);
  };
}
