/** All attacks by name: what `runSimulation` draws from, and what the command line offers. */

import { amnesia } from './amnesia.ts';
import type { Attack } from './attack.ts';
import { badProposals } from './bad-proposals.ts';
import { censorship } from './censorship.ts';
import { equivocatingPrimary } from './equivocating-primary.ts';
import { forgedTransfer } from './forged-transfer.ts';
import { garbage } from './garbage.ts';
import {
  badSignatures,
  clientFlood,
  foreignSeen,
  partialRequests,
  sessionReplay,
  twoContents,
} from './lying-clients.ts';
import { lyingViewChange } from './lying-view-change.ts';
import { randomLies } from './random-lies.ts';
import { slowPrimary } from './slow-primary.ts';
import { smallMutations } from './small-mutations.ts';
import { suspectFlood } from './suspect-flood.ts';
import { twins } from './twins.ts';
import { twoVotes } from './two-votes.ts';
import { withheldProposals } from './withheld-proposals.ts';
import { withheldReplies } from './withheld-replies.ts';
import { wrongCheckpoints } from './wrong-checkpoints.ts';
import { wrongNewView } from './wrong-new-view.ts';
import { wrongResults } from './wrong-results.ts';

export const ATTACKS = {
  'random lies': randomLies,
  'small mutations': smallMutations,
  twins,
  'equivocating primary': equivocatingPrimary,
  'withheld proposals': withheldProposals,
  'bad proposals': badProposals,
  censorship,
  'slow primary': slowPrimary,
  'lying view-change': lyingViewChange,
  'wrong new-view': wrongNewView,
  'forged transfer': forgedTransfer,
  'wrong checkpoints': wrongCheckpoints,
  'wrong results': wrongResults,
  'withheld replies': withheldReplies,
  'two votes': twoVotes,
  garbage,
  'suspect flood': suspectFlood,
  amnesia,
  'two contents': twoContents,
  'partial requests': partialRequests,
  'foreign seen': foreignSeen,
  'bad signatures': badSignatures,
  'client flood': clientFlood,
  'session replay': sessionReplay,
} as const satisfies Record<string, Attack>;

export type AttackName = keyof typeof ATTACKS;

export const ATTACK_NAMES = Object.keys(ATTACKS) as readonly AttackName[];
