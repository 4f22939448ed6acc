/** What a diagram shows, still in terms of time and lanes: gathered from the lines of a trace. */

import type { FaultLine, HeaderLine, SentLine, StateLine, TraceLine } from '../trace-format.ts';

export interface Arrow {
  readonly kind: string;
  readonly text: string;
  readonly from: number;
  readonly to: number;
  readonly sentAt: number;
  /** When it arrived or was lost; undefined if the trace ends before. */
  endAt: number | undefined;
  /** Why it was lost. */
  lost: string | undefined;
  /** The network doubled it, and this is the second. */
  readonly isCopy: boolean;
}

/** A stretch of a lane. */
export interface Span {
  readonly lane: number;
  readonly from: number;
  to: number;
  readonly type: 'down' | 'paused' | 'view' | 'leaving';
  /** Of a view; of `leaving`, the next one. */
  readonly view: number;
}

export interface Operation {
  readonly lane: number;
  readonly token: number;
  readonly read: boolean;
  readonly from: number;
  to: number;
  /** `accepted`, `read`, `rejected`, `unknown`; undefined while it is under way. */
  outcome: string | undefined;
}

export interface CommitDot {
  readonly lane: number;
  readonly at: number;
  readonly sequenceNumber: number;
  readonly hashChainDigest: string;
  /** 0 for the history that was there first; each fork has a number of its own. */
  readonly history: number;
}

/** A fact worth a word beside the lane. */
export interface Note {
  readonly lane: number;
  readonly at: number;
  readonly text: string;
}

/** Done to the cluster as a whole; `to` undefined for what lasts no time. */
export interface Disturbance {
  readonly from: number;
  to: number | undefined;
  text: string;
}

export interface Picture {
  readonly header: HeaderLine;
  readonly arrows: readonly Arrow[];
  readonly spans: readonly Span[];
  readonly operations: readonly Operation[];
  readonly commits: readonly CommitDot[];
  readonly notes: readonly Note[];
  readonly disturbances: readonly Disturbance[];
  readonly violations: readonly { readonly at: number; readonly text: string }[];
  readonly endAt: number;
}

/** @throws Error if the lines do not begin with a header of a format that is known. */
export function gatherPicture(lines: Iterable<TraceLine>): Picture {
  const all = [...lines];
  const header = all[0];
  if (header?.type !== 'header' || header.format !== 'bft2f-trace' || header.version !== 1) {
    throw new Error(
      'not a trace: expected a first line of type "header", format "bft2f-trace" and version 1',
    );
  }
  const endAt = all.at(-1)!.at;
  const messages = gatherMessages(all);
  const lanes = gatherLanes(all, header.replicas, endAt);
  return {
    header,
    arrows: messages,
    ...lanes,
    operations: gatherOperations(all, endAt),
    commits: gatherCommits(all),
    disturbances: gatherDisturbances(all, header.replicas),
    violations: all.flatMap((line) =>
      line.type === 'violation' ? [{ at: line.at, text: `${line.property}: ${line.text}` }] : [],
    ),
    endAt,
  };
}

function gatherMessages(lines: readonly TraceLine[]): readonly Arrow[] {
  const arrows: Arrow[] = [];
  const underWay = new Map<number, Arrow>();
  const begin = (sent: SentLine): Arrow => {
    const { kind, text, from, to, at } = sent;
    return { kind, text, from, to, sentAt: at, endAt: undefined, lost: undefined, isCopy: false };
  };
  for (const line of lines) {
    if (line.type === 'sent') {
      const arrow = begin(line);
      arrows.push(arrow);
      underWay.set(line.id, arrow);
    } else if (line.type === 'delivered' || line.type === 'lost') {
      let arrow = underWay.get(line.id);
      if (arrow === undefined) continue;
      if (arrow.endAt !== undefined) {
        arrow = { ...arrow, isCopy: true };
        arrows.push(arrow);
      }
      arrow.endAt = line.at;
      arrow.lost = line.type === 'lost' ? line.why : undefined;
    }
  }
  return arrows;
}

/** Views, and the times in which a replica is down or stopped. */
function gatherLanes(
  lines: readonly TraceLine[],
  replicas: number,
  endAt: number,
): Pick<Picture, 'spans' | 'notes'> {
  const spans: Span[] = [];
  const notes: Note[] = [];
  const open = new Map<string, Span>();
  const end = (lane: number, group: string, at: number) => {
    const span = open.get(`${lane} ${group}`);
    if (span !== undefined) span.to = at;
    open.delete(`${lane} ${group}`);
  };
  const begin = (lane: number, group: string, at: number, type: Span['type'], view = 0) => {
    end(lane, group, at);
    const span: Span = { lane, from: at, to: endAt, type, view };
    spans.push(span);
    open.set(`${lane} ${group}`, span);
  };
  const onFault = ({ fault, replica = -1, at }: FaultLine) => {
    switch (fault) {
      case 'crash':
      case 'lose-disk':
        end(replica, 'view', at);
        end(replica, 'process', at);
        begin(replica, 'process', at, 'down');
        if (fault === 'lose-disk') notes.push({ lane: replica, at, text: 'disk lost' });
        break;
      case 'pause':
        begin(replica, 'process', at, 'paused');
        break;
      case 'restart':
      case 'resume':
        end(replica, 'process', at);
        break;
      case 'damage':
        notes.push({ lane: replica, at, text: 'record damaged' });
        break;
    }
  };
  const onState = (line: StateLine) => {
    const { replica, event, at, view = 0 } = line;
    if (event === 'viewEntered') begin(replica, 'view', at, 'view', view);
    else if (event === 'viewLeft') begin(replica, 'view', at, 'leaving', Number(line.next));
    const word = wordFor(line);
    if (word !== undefined) notes.push({ lane: replica, at, text: word });
  };
  for (let lane = 0; lane < replicas; lane++) begin(lane, 'view', 0, 'view', 0);
  for (const line of lines) {
    if (line.type === 'fault') onFault(line);
    else if (line.type === 'state') {
      // A replica that comes back says nothing of the view that it is still in; its next fact does.
      if (!open.has(`${line.replica} view`) && line.view !== undefined) {
        begin(line.replica, 'view', line.at, 'view', line.view);
      }
      onState(line);
    }
  }
  return { spans, notes };
}

function wordFor({ event, view, sequenceNumber }: StateLine): string | undefined {
  switch (event) {
    case 'suspected':
      return `suspects v${view}`;
    case 'stable':
      return `stable s${sequenceNumber}`;
    case 'transferStarted':
      return `transfer of s${sequenceNumber}`;
    case 'transferred':
      return `transferred s${sequenceNumber}`;
    case 'evidence':
      return 'evidence';
    case 'orderingStopped':
      return 'stops ordering';
    case 'becameLearner':
      return 'learner';
    case 'diverged':
      return 'diverged';
    default:
      return undefined;
  }
}

function gatherOperations(lines: readonly TraceLine[], endAt: number): readonly Operation[] {
  const operations = new Map<string, Operation>();
  for (const line of lines) {
    if (line.type === 'submitted') {
      const { endpoint: lane, token, read, at } = line;
      operations.set(`${lane} ${token}`, { lane, token, read, from: at, to: endAt, outcome: undefined });
    } else if (line.type === 'outcome') {
      const operation = operations.get(`${line.endpoint} ${line.token}`);
      if (operation === undefined) continue;
      operation.to = line.at;
      operation.outcome = line.outcome;
    }
  }
  return [...operations.values()];
}

/**
 * A replica's commits continue the history of the one before. A hash chain digest that nobody had at its s so far begins a fork if another one was
 * there before.
 */
function gatherCommits(lines: readonly TraceLine[]): readonly CommitDot[] {
  const dots: CommitDot[] = [];
  /** s to HCD to history. */
  const known = new Map<number, Map<string, number>>();
  const last = new Map<number, number>();
  let histories = 1;
  for (const line of lines) {
    if (line.type !== 'state' || line.event !== 'committed') continue;
    const { replica, sequenceNumber, hashChainDigest, at } = line;
    if (sequenceNumber === undefined || hashChainDigest === undefined) continue;
    const rivals = known.get(sequenceNumber) ?? new Map<string, number>();
    known.set(sequenceNumber, rivals);
    const own = last.get(replica) ?? 0;
    const isTaken = [...rivals.values()].includes(own);
    const history = rivals.get(hashChainDigest) ?? (isTaken ? histories++ : own);
    rivals.set(hashChainDigest, history);
    last.set(replica, history);
    dots.push({ lane: replica, at, sequenceNumber, hashChainDigest, history });
  }
  return dots;
}

function gatherDisturbances(lines: readonly TraceLine[], replicas: number): readonly Disturbance[] {
  const disturbances: Disturbance[] = [];
  let cuts: (Disturbance & { readonly ends: string })[] = [];
  const names = (endpoints: readonly number[]) =>
    [...endpoints]
      .sort((a, b) => a - b)
      .map((endpoint) => (endpoint < replicas ? endpoint : `c${endpoint - replicas}`))
      .join(' ');
  for (const line of lines) {
    if (line.type !== 'fault') continue;
    const { fault, at, text, from = [], to = [] } = line;
    if (fault === 'cut') {
      const back = cuts.find((cut) => cut.from === at && cut.ends === `${names(to)} → ${names(from)}`);
      if (back !== undefined) {
        back.text = `cut: ${names(to)} | ${names(from)}`;
        continue;
      }
      const ends = `${names(from)} → ${names(to)}`;
      const cut = { from: at, to: line.at, text: `cut: ${ends}`, ends };
      cut.to = Number.POSITIVE_INFINITY;
      cuts.push(cut);
      disturbances.push(cut);
    } else if (fault === 'mend') {
      const ends = `${names(from)} → ${names(to)}`;
      const mended = cuts.find((cut) => cut.ends === ends);
      if (mended !== undefined) mended.to = at;
      cuts = cuts.filter((cut) => cut !== mended);
    } else if (fault === 'heal') {
      for (const cut of cuts) cut.to = at;
      cuts = [];
    } else if (fault === 'other') disturbances.push({ from: at, to: undefined, text });
  }
  return disturbances;
}
