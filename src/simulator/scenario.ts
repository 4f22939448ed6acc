/**
 * A run as a file: everything that decides it, as JSON, so that it can be kept, sent and replayed. The minimiser's results are such files.
 */

import { BUGS } from './bugs.ts';
import { ATTACK_NAMES } from './byzantine/attacks.ts';
import { FAULT_KINDS } from './faults.ts';
import type { SimulationOptions } from './run.ts';
import { EXIT_CODES, type Violation } from './violation.ts';

/** What of a run's options is data. */
export type Scenario = Omit<SimulationOptions, 'observers' | 'program' | 'traceLines'>;

/** What a scenario shows: a violation of the same property. */
export type Expected = Pick<Violation, 'kind' | 'property'>;

export interface ScenarioFile {
  readonly scenario: Scenario;
  readonly expected: Expected | undefined;
}

const FORMAT = 'bft2f-scenario';
const VERSION = 1;

export function formatScenario(scenario: Scenario, expected?: Expected): Record<string, unknown> {
  return { format: FORMAT, version: VERSION, ...(expected === undefined ? {} : { expected }), ...scenario };
}

type Check = readonly [form: string, holds: (value: unknown) => boolean];

const isCount = (value: unknown) => Number.isSafeInteger(value) && (value as number) >= 0;
const isList = (value: unknown, ofWhat: (item: unknown) => boolean) =>
  Array.isArray(value) && value.every(ofWhat);
const isRecord = (value: unknown): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

const COUNT: Check = ['a whole number', isCount];

/** The form of each option; one that is not listed is refused, so that no misspelt one is passed over. */
const CHECKS: Readonly<Record<keyof Scenario, Check>> = {
  seed: COUNT,
  replicas: [
    '3f+1, at most 31',
    (value) => isCount(value) && (value as number) % 3 === 1 && (value as number) <= 31,
  ],
  clients: COUNT,
  requests: COUNT,
  operations: [
    'for each client a list of whole numbers',
    (value) => isList(value, (own) => isList(own, isCount)),
  ],
  lossPerMille: ['0 to 1000', (value) => isCount(value) && (value as number) <= 1000],
  faults: [
    `a list of ${FAULT_KINDS.join(', ')}`,
    (value) => isList(value, (kind) => (FAULT_KINDS as readonly unknown[]).includes(kind)),
  ],
  faulty: COUNT,
  actsMax: COUNT,
  attack: [
    `one of ${ATTACK_NAMES.join(', ')}`,
    (value) => (ATTACK_NAMES as readonly unknown[]).includes(value),
  ],
  plan: [
    'a list of {atMs, fault}',
    (value) =>
      isList(
        value,
        (item) =>
          isRecord(item) &&
          isCount(item.atMs) &&
          isRecord(item.fault) &&
          (FAULT_KINDS as readonly unknown[]).includes(item.fault.type),
      ),
  ],
  sabotage: ['an object', isRecord],
  bug: [
    `one of ${Object.keys(BUGS).join(', ')}`,
    (value) => typeof value === 'string' && Object.hasOwn(BUGS, value),
  ],
};

function isExpected(value: unknown): value is Expected {
  return (
    isRecord(value) && Object.hasOwn(EXIT_CODES, String(value.kind)) && typeof value.property === 'string'
  );
}

/** @throws Error that names what is wrong, and the form expected. */
export function parseScenario(text: string): ScenarioFile {
  const document: unknown = JSON.parse(text);
  if (!isRecord(document) || document.format !== FORMAT || document.version !== VERSION) {
    throw new Error(
      `not a scenario: expected a JSON object with "format": "${FORMAT}", "version": ${VERSION}`,
    );
  }
  const { format: _, version: __, expected, ...scenario } = document;
  if (!isCount(scenario.seed)) throw new Error('a scenario needs "seed", a whole number');
  for (const [name, value] of Object.entries(scenario)) {
    const check = (CHECKS as Readonly<Record<string, Check | undefined>>)[name];
    if (check === undefined) {
      throw new Error(`a scenario has no "${name}"; expected some of ${Object.keys(CHECKS).join(', ')}`);
    }
    const [form, holds] = check;
    if (!holds(value))
      throw new Error(`"${name}" of the scenario must be ${form}, got ${JSON.stringify(value)}`);
  }
  if (expected !== undefined && !isExpected(expected)) {
    throw new Error(
      '"expected" of the scenario must be {"kind": "crash", "safety" or "liveness", "property": a text}',
    );
  }
  return { scenario: scenario as unknown as Scenario, expected };
}
