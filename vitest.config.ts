import { defineConfig } from 'vitest/config';

/** Everything but the tests with real processes, which vitest.e2e.config.ts runs. */
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    exclude: ['test/e2e/**', 'node_modules/**'],
    pool: 'threads',
    testTimeout: 60_000,
    reporters: ['default', './test/support/reporter.ts'],
  },
});
