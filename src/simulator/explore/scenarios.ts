/** What is explored: who lies and how, what the correct replicas begin with, and how often clocks run out and processes die. */

import type { Batch } from '../../protocol/messages/batch.ts';
import type { MessageType } from '../../protocol/messages/index.ts';
import type { ReplicaIndex } from '../../types/identities.ts';
import {
  backs,
  backsEveryProposal,
  deniesAll,
  type Menu,
  opensEachWay,
  proposesEach,
  saysAll,
  suspects,
} from './liar.ts';

export interface ExplorationScenario {
  readonly about: string;
  readonly liar: ReplicaIndex;
  /** `batches[i]` holds request i alone. All requests wait at every correct replica from the beginning. */
  readonly menu: (batches: readonly Batch[]) => Menu;
  /** How often T may pass at each correct replica without anything arriving. */
  readonly timeouts: number;
  /** These may die and begin again, once each. */
  readonly restarting: readonly ReplicaIndex[];
  /** Deliveries that have happened when the exploration begins: what is deep would be out of reach otherwise. */
  readonly prelude: readonly Delivered[];
}

/** The message of this type from there, or one of several, the first that the network has and that has an effect. */
export type Delivered = readonly [to: ReplicaIndex, type: MessageType, from: ReplicaIndex];

export type ScenarioName =
  | 'equivocation'
  | 'false votes'
  | 'restart'
  | 'view change'
  | 'committed by one'
  | 'lying new primary';

export const REQUESTS = 2;

/** Replica 2 alone commits the first batch, with the liar's vote; 3 has prepared it, 1 has seen nothing. */
const COMMITTED_BY_ONE: readonly Delivered[] = [
  [2, 'pre-prepare', 0],
  [3, 'pre-prepare', 0],
  [2, 'prepare', 3],
  [3, 'prepare', 2],
  [2, 'commit', 0],
  [2, 'commit', 3],
];

export const SCENARIOS: Readonly<Record<ScenarioName, ExplorationScenario>> = {
  equivocation: {
    about: 'view 0 alone: its primary, 0, proposes one of two batches at s1 to each, and votes for both',
    liar: 0,
    menu: (batches) => proposesEach(0, batches),
    timeouts: 0,
    restarting: [],
    prelude: [],
  },
  'false votes': {
    about:
      'view 0 alone: its primary is correct and proposes s1 and s2; backup 3 prepares and votes for either batch at s1',
    liar: 3,
    menu: (batches) => saysAll(...batches.map((batch) => backs(0, batch))),
    timeouts: 0,
    restarting: [],
    prelude: [],
  },
  restart: {
    about: 'equivocation, while replicas 2 and 3 may each die once and begin again',
    liar: 0,
    menu: (batches) => proposesEach(0, batches),
    timeouts: 0,
    restarting: [2, 3],
    prelude: [],
  },
  'view change': {
    about:
      'from view 0 to 1: primary 0 proposes one batch to whom it likes, suspects itself, denies all in its VIEW-CHANGE, and backs what view 1 proposes',
    liar: 0,
    menu: (batches) =>
      saysAll(proposesEach(0, batches.slice(0, 1)), suspects(0), deniesAll(0), backsEveryProposal),
    timeouts: 1,
    restarting: [],
    prelude: [],
  },
  'committed by one': {
    about: 'the view change, from where replica 2 alone has committed s1 and replica 3 has prepared it',
    liar: 0,
    menu: (batches) =>
      saysAll(proposesEach(0, batches.slice(0, 1)), suspects(0), deniesAll(0), backsEveryProposal),
    timeouts: 1,
    restarting: [],
    prelude: COMMITTED_BY_ONE,
  },
  'lying new primary': {
    about:
      'from view 0 to 1: primary 0 is correct; 1, primary of view 1, denies all, and opens view 1 in every way that is valid',
    liar: 1,
    menu: (batches) =>
      saysAll(suspects(0), deniesAll(0), opensEachWay(1, batches.slice(1)), backsEveryProposal),
    timeouts: 1,
    restarting: [],
    prelude: [],
  },
};
