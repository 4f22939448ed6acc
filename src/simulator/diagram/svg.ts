/** The few elements of SVG that the diagram is made of, as text. */

type Attributes = Readonly<Record<string, string | number | undefined>>;

export function escapeText(text: string): string {
  return (
    text
      .replaceAll('&', '&amp;')
      .replaceAll('<', '&lt;')
      .replaceAll('>', '&gt;')
      .replaceAll('"', '&quot;')
      // What XML does not allow at all.
      .replaceAll(/(?![\t\n\r])\p{Cc}|[\ufffe\uffff]/gu, '?')
  );
}

/** @param content Elements, already written. */
export function element(name: string, attributes: Attributes, content = ''): string {
  const words = Object.entries(attributes)
    .filter(([, value]) => value !== undefined)
    .map(([key, value]) => ` ${key}="${typeof value === 'number' ? round(value) : escapeText(value!)}"`)
    .join('');
  return content === '' ? `<${name}${words}/>` : `<${name}${words}>${content}</${name}>`;
}

/** Shown when the pointer rests on what it stands in. */
export function title(text: string): string {
  return `<title>${escapeText(text)}</title>`;
}

export function text(x: number, y: number, content: string, attributes: Attributes = {}): string {
  return element('text', { x, y, ...attributes }, escapeText(content));
}

/** Tenths of a pixel: smaller files, and the same text everywhere. */
function round(value: number): string {
  return String(Math.round(value * 10) / 10);
}

/** About as wide as the text is: fonts differ, so it errs on the wide side. */
export function textWidth(content: string, size: number): number {
  return content.length * size * 0.62;
}
