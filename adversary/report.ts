/** What a demonstration says: steps for people while they happen, or one JSON document at the end; and whether all that is promised was observed. */

import type { Colors } from '../src/cli/terminal.ts';

export interface Claim {
  readonly claim: string;
  readonly holds: boolean;
  readonly detail?: string | undefined;
}

interface Step {
  readonly title: string;
  readonly said: string[];
  readonly claims: Claim[];
}

export interface Report {
  /** Begins the next step. */
  step(title: string): void;
  say(text: string): void;
  /** Something that is promised, and whether it was seen. */
  claim(claim: string, holds: boolean, detail?: string): void;
  /** For programs only. */
  attach(name: string, value: unknown): void;
  /** Ends it, with what is to be learned if every claim held, and there was one; answers whether that is so. */
  end(conclusion: string): boolean;
}

export interface ReportOptions {
  readonly scenario: string;
  readonly description: string;
  readonly parameters: Readonly<Record<string, unknown>>;
  readonly json: boolean;
  readonly colors: Colors;
  readonly out: (text: string) => void;
}

export function openReport({ scenario, description, parameters, json, colors, out }: ReportOptions): Report {
  const steps: Step[] = [];
  const attachments: Record<string, unknown> = {};
  const write = (text: string): void => {
    if (!json) out(`${text}\n`);
  };
  const current = (): Step => steps.at(-1)!;

  const words = Object.entries(parameters).map(([name, value]) => `${name} ${String(value)}`);
  write(`${colors.bold(scenario)}: ${description}`);
  write(colors.dim(words.join(' · ')));
  return {
    step(title) {
      steps.push({ title, said: [], claims: [] });
      write(`\n${colors.bold(`${steps.length}  ${title}`)}`);
    },
    say(text) {
      current().said.push(text);
      for (const line of text.split('\n')) write(line === '' ? '' : `   ${line}`);
    },
    claim(claim, holds, detail) {
      current().claims.push({ claim, holds, detail });
      const mark = holds ? colors.green('✓') : colors.red('✗ not so:');
      write(`   ${mark} ${claim}${detail === undefined ? '' : colors.dim(` (${detail})`)}`);
    },
    attach(name, value) {
      attachments[name] = value;
    },
    end(conclusion) {
      const claims = steps.flatMap((step) => step.claims);
      const observed = claims.length > 0 && claims.every(({ holds }) => holds);
      if (json) {
        const lesson = observed ? { conclusion } : {};
        const result = { scenario, parameters, observed, steps, ...lesson, ...attachments };
        out(`${JSON.stringify(result, undefined, 2)}\n`);
      } else {
        const failed = claims.filter(({ holds }) => !holds).length;
        if (observed) write(`\n${conclusion}\n${colors.green(`all ${claims.length} claims were observed`)}`);
        else write(colors.red(`\n${failed} of ${claims.length} claims were not observed`));
      }
      return observed;
    },
  };
}
