/** What a test must undo, in reverse order, whether it passed or not. */

const cleanups: (() => Promise<unknown> | unknown)[] = [];

export function onCleanUp(action: () => Promise<unknown> | unknown): void {
  cleanups.push(action);
}

/** To be called after each test. Does all of it, then fails with the first error. */
export async function cleanUp(): Promise<void> {
  const errors: unknown[] = [];
  for (const action of cleanups.splice(0).reverse()) {
    try {
      await action();
    } catch (error) {
      errors.push(error);
    }
  }
  if (errors.length > 0) throw errors[0];
}
