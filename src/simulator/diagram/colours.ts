/** The diagram's colours: what belongs together has one hue, and all stand out from a white ground. */

const MESSAGES: Readonly<Record<string, string>> = {
  request: '#0f766e',
  relay: '#5eaaa2',
  reply: '#14b8a6',
  read: '#0369a1',
  'read-reply': '#38bdf8',
  'get-result': '#7dd3fc',
  busy: '#94a3b8',
  'pre-prepare': '#1d4ed8',
  prepare: '#7c3aed',
  commit: '#16a34a',
  suspect: '#f59e0b',
  'view-change': '#ea580c',
  'new-view': '#dc2626',
  checkpoint: '#92400e',
  fetch: '#be185d',
  fetched: '#f472b6',
  status: '#cbd5e1',
  evidence: '#000000',
};

export function messageColour(kind: string): string {
  return MESSAGES[kind] ?? '#64748b';
}

/** Messages in the order of the protocol, for the legend. */
export const MESSAGE_ORDER = Object.keys(MESSAGES);

/** Pale, so that dots and arrows stand out; neighbours differ. */
const VIEWS = ['#dbeafe', '#fef3c7', '#dcfce7', '#fce7f3', '#ede9fe', '#ffedd5', '#cffafe'];

export function viewColour(view: number): string {
  return VIEWS[view % VIEWS.length]!;
}

/** The first is the history that was there first. */
const HISTORIES = ['#14532d', '#dc2626', '#7c3aed', '#ea580c', '#0891b2', '#a16207', '#be185d'];

export function historyColour(history: number): string {
  return HISTORIES[history % HISTORIES.length]!;
}

export const INK = '#0f172a';
export const FAINT_INK = '#64748b';
export const LINE = '#cbd5e1';
export const DOWN = '#fecaca';
export const PAUSED = '#fde68a';
export const PAUSED_INK = '#92400e';
export const FAULT = '#b91c1c';
export const ACCEPTED = '#99f6e4';
export const UNKNOWN = '#fed7aa';
