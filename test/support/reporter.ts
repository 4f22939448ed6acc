/**
 * Counts what a test run did. With TEST_COUNTS set it writes the counts to that file, for scripts/test.mjs to add up; else it prints them
 * alone on the last line, which summaries of test runs can read. A file that cannot be loaded and an error outside all
 * tests count as failures too: a run that tested nothing must not look green.
 */

import { writeFileSync } from 'node:fs';
import type { SerializedError } from 'vitest';
import type { Reporter, TestModule, TestRunEndReason } from 'vitest/node';

export default class CountingReporter implements Reporter {
  onTestRunEnd(
    modules: readonly TestModule[],
    errors: readonly SerializedError[],
    reason: TestRunEndReason,
  ): void {
    const counts = { passed: 0, failed: errors.length, skipped: 0 };
    for (const module of modules) {
      for (const test of module.children.allTests()) {
        const { state } = test.result();
        if (state === 'passed') counts.passed++;
        else if (state === 'failed') counts.failed++;
        else counts.skipped++;
      }
      if (module.errors().length > 0) counts.failed++;
    }
    if (reason !== 'passed' && counts.failed === 0) counts.failed = 1;
    const file = process.env.TEST_COUNTS;
    if (file !== undefined) writeFileSync(file, JSON.stringify(counts));
    else process.once('exit', () => console.log(`${counts.passed} passed, ${counts.failed} failed`));
  }
}
