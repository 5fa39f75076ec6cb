// @ts-check
/**
 * Doc comments as blocks of plain text: paragraphs, lists, code, and in them words of code and links. It is no markup: what
 * is not recognised stays the text that it is. Knows no page.
 */

/** @typedef {{text: string, is?: 'code' | 'link' | 'strong'}} Span */
/** @typedef {{is: 'paragraph' | 'item', spans: Span[]} | {is: 'code', text: string}} Block */

// A comment of a megabyte is an attack, or a mistake; the schema's own text has all of it.
const MOST_CHARS = 20_000;
const ITEM = /^\s*(?:[-*•]|\d{1,3}[.)])\s+/;
const SPAN = /`([^`\n]+)`|\*\*([^*\n]+)\*\*|(https?:\/\/[^\s<>"'`]*[^\s<>"'`.,;:!?)\]])/g;

/** @param {string | undefined | null} doc @returns {Block[]} */
export function blocksOf(doc) {
  if (!doc) {
    return [];
  }
  const text = doc.length > MOST_CHARS ? `${doc.slice(0, MOST_CHARS)}…` : doc;
  /** @type {Block[]} */
  const blocks = [];
  /** @type {string[]} */
  let lines = [];
  let isItem = false;
  const end = () => {
    const words = lines.join(' ').trim();
    if (words) {
      blocks.push({ is: isItem ? 'item' : 'paragraph', spans: spansOf(words) });
    }
    lines = [];
    isItem = false;
  };
  /** @type {string[] | undefined} */
  let fenced;
  for (const line of text.split('\n')) {
    if (/^\s*```/.test(line)) {
      if (fenced) {
        blocks.push({ is: 'code', text: fenced.join('\n') });
        fenced = undefined;
      } else {
        end();
        fenced = [];
      }
    } else if (fenced) {
      fenced.push(line);
    } else if (line.trim() === '') {
      end();
    } else if (ITEM.test(line)) {
      end();
      isItem = true;
      lines.push(line.replace(ITEM, ''));
    } else if (/^ {4}/.test(line) && lines.length === 0) {
      const last = blocks.at(-1);
      if (last?.is === 'code') {
        last.text += `\n${line.slice(4)}`;
      } else {
        blocks.push({ is: 'code', text: line.slice(4) });
      }
    } else {
      lines.push(line.trim());
    }
  }
  end();
  if (fenced) {
    blocks.push({ is: 'code', text: fenced.join('\n') });
  }
  return blocks;
}

/** @param {string} text @returns {Span[]} */
export function spansOf(text) {
  /** @type {Span[]} */
  const spans = [];
  let place = 0;
  for (const match of text.matchAll(SPAN)) {
    const [whole, code, strong, link] = match;
    if (match.index > place) {
      spans.push({ text: text.slice(place, match.index) });
    }
    spans.push(
      link ? { text: link, is: 'link' } : code ? { text: code, is: 'code' } : { text: strong ?? '', is: 'strong' },
    );
    place = match.index + whole.length;
  }
  if (place < text.length) {
    spans.push({ text: text.slice(place) });
  }
  return spans;
}
