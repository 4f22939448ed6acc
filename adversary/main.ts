/**
 * The demonstrations, behind `bft2f demo NAME` in a clone of the repository (src/cli/commands/demo.ts). One argument: the request as JSON. The exit
 * code is 0 only if everything that is promised was observed.
 */

import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { EXIT, exitCodeOf } from '../src/cli/exit-codes.ts';
import { makeColors } from '../src/cli/terminal.ts';
import { ClientError } from '../src/client/index.ts';
import { NodeError } from '../src/node/index.ts';
import { makeRandom } from '../src/simulator/random.ts';
import { BEHAVIOUR_NAMES, type BehaviourName } from './behaviours.ts';
import { openReport } from './report.ts';
import { beyond2F } from './scenarios/beyond-2f.ts';
import { beyondF } from './scenarios/beyond-f.ts';
import { partition } from './scenarios/partition.ts';
import type { Scenario } from './scenarios/scenario.ts';
import { upToF } from './scenarios/up-to-f.ts';

/** What the command line asks for. */
export interface DemoRequest {
  readonly scenario: string;
  readonly replicas: number;
  readonly faulty?: readonly number[];
  readonly behaviours?: readonly string[];
  readonly perChoice?: number;
  readonly seed: number;
  readonly json: boolean;
  readonly directory?: string;
  readonly svg?: string;
}

const SCENARIOS: Readonly<Record<string, Scenario>> = {
  'up-to-f': upToF,
  'beyond-f': beyondF,
  'beyond-2f': beyond2F,
  partition,
};

const interruption = new AbortController();
for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
  process.on(name, () => interruption.abort(new Error(`interrupted by ${name}`)));
}
process.stdout.on('error', () => process.exit(EXIT.unexpected));
process.exitCode = await run(JSON.parse(process.argv[2]!) as DemoRequest);

async function run(request: DemoRequest): Promise<number> {
  const complaint = reject(request);
  if (complaint !== undefined) return complain(EXIT.usage, complaint);
  const { scenario: name, replicas, faulty, seed, json } = request;
  const scenario = SCENARIOS[name]!;
  const behaviours = (request.behaviours ?? BEHAVIOUR_NAMES) as readonly BehaviourName[];
  const maxFaulty = Math.floor((replicas - 1) / 3);
  const quorumSize = 2 * maxFaulty + 1;
  const report = openReport({
    scenario: name,
    description: scenario.description,
    parameters: {
      replicas,
      f: maxFaulty,
      quorum: quorumSize,
      ...(faulty === undefined ? {} : { faulty }),
      ...(name === 'up-to-f' ? { behaviours } : {}),
      seed,
    },
    json,
    colors: makeColors(process.stdout.isTTY === true, process.env),
    out: (text) => process.stdout.write(text),
  });
  const directory = request.directory ?? (await mkdtemp(join(tmpdir(), 'bft2f-demo-')));
  const { signal } = interruption;
  try {
    await mkdir(directory, { recursive: true });
    const random = makeRandom(seed);
    const conclusion = await scenario.run({
      ...{ replicas, maxFaulty, quorumSize, faulty, behaviours, seed, random },
      ...{
        report,
        directory,
        signal,
        svg: request.svg,
        perChoice: request.perChoice ?? behaviours.length,
        isKept: request.directory !== undefined,
      },
    });
    return report.end(conclusion) ? EXIT.ok : EXIT.no;
  } catch (error) {
    if (signal.aborted) return complain(EXIT.interrupted, 'interrupted');
    const isMadeForPeople = error instanceof ClientError || error instanceof NodeError;
    if (isMadeForPeople) return complain(exitCodeOf(error), error.message);
    return complain(EXIT.unexpected, error instanceof Error ? (error.stack ?? error.message) : String(error));
  } finally {
    if (request.directory === undefined) await rm(directory, { recursive: true, force: true });
  }
}

/** What cannot be played, and what can. */
function reject({ scenario, replicas, faulty, behaviours = [] }: DemoRequest): string | undefined {
  const maxFaulty = Math.floor((replicas - 1) / 3);
  const unknown = behaviours.find((it) => !(BEHAVIOUR_NAMES as readonly string[]).includes(it));
  if (unknown !== undefined) {
    return `there is no behaviour "${unknown}"; there are ${BEHAVIOUR_NAMES.join(', ')}`;
  }
  if (faulty === undefined) return undefined;
  const stranger = faulty.find((index) => index >= replicas);
  if (stranger !== undefined) return `--faulty names replica ${stranger}; there are 0 to ${replicas - 1}`;
  const { least, most } = SCENARIOS[scenario]!.faultyCount(maxFaulty);
  if (faulty.length >= least && faulty.length <= most) return undefined;
  const wanted = least === most ? String(least) : `${least} to ${most}`;
  return `--faulty names ${faulty.length} replicas; ${scenario} with ${replicas} replicas needs ${wanted}`;
}

function complain(exitCode: number, text: string): number {
  process.stderr.write(`error: ${text}\n`);
  return exitCode;
}
