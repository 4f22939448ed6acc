/** Starting a replica on what its data directory holds. */

import type { NodeOptions, RunningNode } from './node-options.ts';

/** @throws NodeError CONFIG, STORAGE, NETWORK or INVARIANT; nothing is left open then */
export async function startNode(options: NodeOptions): Promise<RunningNode> {
  throw new Error(`not there yet for ${options.index}`);
}
