import { defineConfig } from 'vitest/config';

/** Clusters of real processes: one file at a time, so that they do not take each other's processor away. */
export default defineConfig({
  test: {
    include: ['test/e2e/**/*.test.ts'],
    globalSetup: ['test/e2e/support/global-setup.ts'],
    pool: 'forks',
    fileParallelism: false,
    testTimeout: 180_000,
    hookTimeout: 60_000,
    passWithNoTests: true,
    reporters: ['verbose', './test/support/reporter.ts'],
  },
});
