/**
 * Makes a failing run smaller, for whoever has to understand it: fewer faults, fewer requests, fewer clients, less of an attack, smaller faults. What is
 * left still violates the same property. The lists are reduced by delta debugging (Zeller and Hildebrandt, "Simplifying and Isolating
 * Failure-Inducing Input", IEEE TSE 28(2), 2002).
 *
 * A run is chaotic: one message less, and all that the network draws afterwards is another. A smaller run is found only if it fails too; which one
 * is found is as much luck as skill, so the passes go on until none of them gets further, or no run is left to try.
 */

import type { Fault, PlannedFault } from './faults.ts';
import type { SimulationResult } from './run.ts';
import type { Expected, Scenario } from './scenario.ts';

export interface MinimiseOptions {
  /** A failing run. */
  readonly scenario: Scenario;
  /** What came of it: it must have a violation; the first one is kept. */
  readonly result: SimulationResult;
  /** runSimulation, or something that behaves like it. */
  readonly run: (scenario: Scenario) => SimulationResult;
  /** So many runs at most. */
  readonly runsMax: number;
  /** Called when a smaller run has been found. */
  readonly onProgress?: (smaller: Minimised) => void;
}

export interface Minimised {
  /** Replays the smaller run; the plan and the operations are written out. */
  readonly scenario: Scenario;
  readonly result: SimulationResult;
  readonly expected: Expected;
  /** How many were tried. */
  readonly runs: number;
}

/** @throws Error if the run given violates nothing. */
export function minimise({ scenario, result, run, runsMax, onProgress }: MinimiseOptions): Minimised {
  const violation = result.violations[0];
  if (violation === undefined) throw new Error('a run that violates nothing cannot be made smaller');
  const expected: Expected = { kind: violation.kind, property: violation.property };
  let best: Minimised = {
    scenario: {
      ...scenario,
      ...(result.attack === undefined ? {} : { attack: result.attack }),
      plan: result.plan,
      operations: result.chosen,
    },
    result,
    expected,
    runs: 0,
  };
  let runs = 0;

  /** Takes the change if what is left still fails in the same way. */
  function attempt(change: Partial<Scenario>): boolean {
    if (runs >= runsMax) return false;
    runs++;
    const smaller = { ...best.scenario, ...change };
    const outcome = run(smaller);
    const same = outcome.violations.some(
      ({ kind, property }) => kind === expected.kind && property === expected.property,
    );
    if (!same) return false;
    best = { scenario: smaller, result: outcome, expected, runs };
    onProgress?.(best);
    return true;
  }

  const plan = () => best.scenario.plan ?? [];
  const operations = () => best.scenario.operations ?? [];
  const passes = [
    () => reduce(plan(), (some) => attempt({ plan: some })),
    () =>
      reduce(numbered(operations()), (some) => attempt({ operations: byClient(some, operations().length) })),
    () => dropIdleClients(best, attempt),
    () => weakenAttack(() => best, attempt),
    () => calmNetwork(best, attempt),
    () => shrinkFaults(plan, attempt),
  ];
  for (let before = -1; runs < runsMax && before !== sizeOf(best); ) {
    before = sizeOf(best);
    for (const pass of passes) pass();
  }
  return { ...best, runs };
}

/** What passes make smaller, in one number: they go on while it falls. */
function sizeOf({ scenario }: Minimised): number {
  return JSON.stringify(scenario).length;
}

/**
 * Leaves out ever smaller parts of a list as long as the rest satisfies `holds` (ddmin). `holds` is told of each list at most once in a row
 * and remembers the last one that it accepted.
 */
export function reduce<T>(items: readonly T[], holds: (some: readonly T[]) => boolean): readonly T[] {
  let rest = items;
  if (rest.length > 0 && holds([])) return [];
  for (let parts = 2; rest.length > 1; ) {
    const size = Math.ceil(rest.length / parts);
    let reduced = false;
    for (let start = 0; start < rest.length; ) {
      const without = [...rest.slice(0, start), ...rest.slice(start + size)];
      if (without.length > 0 && holds(without)) {
        rest = without;
        reduced = true;
      } else start += size;
    }
    if (size === 1 && !reduced) break;
    parts = reduced ? Math.max(2, parts - 1) : Math.min(rest.length, 2 * parts);
  }
  return rest;
}

type Numbered = readonly [client: number, operation: number];

function numbered(operations: readonly (readonly number[])[]): readonly Numbered[] {
  return operations.flatMap((own, client) => own.map((operation): Numbered => [client, operation]));
}

function byClient(some: readonly Numbered[], clients: number): readonly (readonly number[])[] {
  return Array.from({ length: clients }, (_, client) =>
    some.filter(([owner]) => owner === client).map(([, operation]) => operation),
  );
}

type Attempt = (change: Partial<Scenario>) => boolean;

/** The last clients, while they have nothing to do; the others keep their names. */
function dropIdleClients(best: Minimised, attempt: Attempt): void {
  let operations = best.scenario.operations ?? [];
  let plan = best.scenario.plan ?? [];
  const replicas = best.scenario.replicas ?? 4;
  while (operations.length > 1 && operations.at(-1)!.length === 0) {
    const clients = operations.length - 1;
    operations = operations.slice(0, clients);
    plan = plan.flatMap((planned) => withoutEndpoint(planned, replicas + clients, clients));
    if (!attempt({ clients, operations, plan })) return;
  }
}

function withoutEndpoint(planned: PlannedFault, endpoint: number, client: number): readonly PlannedFault[] {
  const { fault } = planned;
  if (fault.type === 'client-restart') return fault.client === client ? [] : [planned];
  if (fault.type !== 'cut') return [planned];
  const first = fault.first.filter((member) => member !== endpoint);
  const second = fault.second.filter((member) => member !== endpoint);
  if (first.length === 0 || second.length === 0) return [];
  return [{ ...planned, fault: { ...fault, first, second } }];
}

/** Fewer faulty replicas, and fewer of their acts; what is left stays the same. */
function weakenAttack(best: () => Minimised, attempt: Attempt): void {
  for (let { faulty = 0 } = best().scenario; faulty > 0 && attempt({ faulty: faulty - 1 }); faulty--);
  // Between what is known to be too few and what is known to be enough.
  let few = -1;
  for (;;) {
    const { scenario, result } = best();
    const enough = Math.min(scenario.actsMax ?? Number.POSITIVE_INFINITY, result.stats.acts);
    if (enough - few <= 1) return;
    const half = few + Math.ceil((enough - few) / 2);
    if (half === enough || !attempt({ actsMax: half })) few = half;
  }
}

function calmNetwork({ scenario }: Minimised, attempt: Attempt): void {
  if (scenario.lossPerMille !== 0) attempt({ lossPerMille: 0 });
}

/** Each fault on its own: fewer replicas in it, and half as long. */
function shrinkFaults(plan: () => readonly PlannedFault[], attempt: Attempt): void {
  for (let i = 0; i < plan().length; i++) {
    const replace = (fault: Fault) =>
      attempt({ plan: plan().map((planned, k) => (k === i ? { ...planned, fault } : planned)) });
    for (const key of Object.keys(plan()[i]!.fault)) shrinkField(() => plan()[i]!.fault, key, replace);
  }
}

/** @param fault answers the fault as it is by now. */
function shrinkField(fault: () => Fault, key: string, replace: (fault: Fault) => boolean): void {
  const value = () => (fault() as unknown as Record<string, unknown>)[key];
  const change = (smaller: unknown) => replace({ ...fault(), [key]: smaller } as Fault);
  if (key.endsWith('Ms')) {
    for (let ms = value(); typeof ms === 'number' && ms > 1 && change(Math.floor(ms / 2)); ms = value());
  } else if (Array.isArray(value())) {
    reduce(value() as readonly unknown[], (some) => some.length > 0 && change(some));
  }
}
