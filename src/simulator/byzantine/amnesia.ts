/** A replica whose disk is put back to an old backup at each start, and which does not know it. */

import { type LeafStore, memoryLeafStore } from '../../crypto/leaf-store.ts';
import type { Recovered } from '../../protocol/replica/index.ts';
import type { Attack } from './attack.ts';

export const amnesia: Attack = {
  description: 'The faulty are started again and again from an old backup of their disk.',
  replica(correct, { coalition, random }) {
    let backup: { readonly recovered: Recovered; readonly leaves: LeafStore } | undefined;
    return {
      start(recovered, leaves, clock) {
        if (backup === undefined || random.chance(1, 4)) {
          backup = { recovered, leaves: copyOf(leaves) };
          return correct.start(recovered, leaves, clock);
        }
        coalition.acts++;
        return correct.start(backup.recovered, copyOf(backup.leaves), clock);
      },
    };
  },
  stage(cluster, { members, random }, forMs) {
    for (let time = 0; time < 4; time++) {
      for (const replica of members) {
        const atMs = random.below(forMs);
        cluster.kernel.schedule(atMs * 1000, () => cluster.crash(replica));
        cluster.kernel.schedule((atMs + random.between(1, 500)) * 1000, () => cluster.restart(replica));
      }
    }
  },
};

function copyOf(leaves: LeafStore): LeafStore {
  const copy = memoryLeafStore();
  for (let index = 0; index < leaves.size; index++) copy.append(leaves.read(index));
  return copy;
}
