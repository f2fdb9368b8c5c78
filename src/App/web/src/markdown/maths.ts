// Where maths begins and ends: $…$, $$…$$, \(…\) and \[…\]. What is in between is for KaTeX, and stays as text until that is there.
import type { MarkdownItPlugin } from './plugin';

const longest = 20_000;

const isEscaped = (text: string, at: number): boolean => {
  let count = 0;
  while (text[at - 1 - count] === '\\') {
    count++;
  }
  return count % 2 === 1;
};

/** How many characters and lines were searched in all, for the test that this does not grow with the square. */
export const searched = { characters: 0, lines: 0 };

/** Where a closing mark begins, between two places; or -1. */
const search = (text: string, mark: string, from: number, to: number): number => {
  let at = text.indexOf(mark, from);
  while (at >= 0 && at < to && isEscaped(text, at)) {
    at = text.indexOf(mark, at + 1);
  }
  const found = at >= 0 && at < to;
  searched.characters += Math.max(0, (found ? at : Math.min(at < 0 ? text.length : at, text.length)) - from);
  return found ? at : -1;
};

const findEnd = (text: string, mark: string): number => search(text, mark, 0, text.length);

/** For one text and mark: that the first one from `from` on stands at `at`, or nowhere. So a text full of opening marks is searched once, and not once for each of them. */
interface Known { from: number; at: number }
const ends = new WeakMap<object, Map<string, Known>>();

const findNext = (state: { src: string }, mark: string, from: number): number => {
  let ofText = ends.get(state);
  if (ofText === undefined) {
    ends.set(state, ofText = new Map());
  }
  const known = ofText.get(mark);
  let at: number;
  if (known !== undefined && from >= known.from && (known.at < 0 || known.at >= from)) {
    return known.at;
  }
  if (known !== undefined && from < known.from) {
    at = search(state.src, mark, from, known.from);
    at = at < 0 ? known.at : at;
  } else {
    at = search(state.src, mark, from, state.src.length);
  }
  ofText.set(mark, { from, at });
  return at;
};

/** Of one text's blocks: lines from `from` to before `to` in which nothing closes what `\\[` opens. */
const open = new WeakMap<object, { from: number; to: number }>();

export const maths: MarkdownItPlugin = md => {
  const escape = md.utils.escapeHtml;

  md.inline.ruler.before('escape', 'maths', (state, silent) => {
    const text = state.src;
    const start = state.pos;
    const opening = text.startsWith('$$', start) ? '$$' : text[start] === '$' ? '$' : text.startsWith('\\(', start) ? '\\(' : text.startsWith('\\[', start) ? '\\[' : null;
    if (opening === null) {
      return false;
    }
    const closing = opening === '\\(' ? '\\)' : opening === '\\[' ? '\\]' : opening;
    const from = start + opening.length;
    const end = findNext(state, closing, from);
    const isThere = end >= 0 && end - from <= longest;
    const content = isThere ? text.slice(from, end) : '';
    if (!isThere || content.trim() === '' || end > state.posMax) {
      return false;
    }
    // “$5 and $10” are prices: as in Pandoc, no space inside the signs, and no digit right behind.
    if (opening === '$' && (/^\s|\s$|\n\s*\n/.test(content) || /\d/.test(text[end + 1] ?? ''))) {
      return false;
    }
    if (!silent) {
      const token = state.push(opening === '$$' || opening === '\\[' ? 'maths_display' : 'maths_inline', '', 0);
      token.content = content.trim();
      token.markup = opening;
    }
    state.pos = end + closing.length;
    return true;
  });

  md.block.ruler.before('fence', 'maths', (state, startLine, endLine, silent) => {
    const line = (at: number) => state.src.slice(state.bMarks[at]! + state.tShift[at]!, state.eMarks[at]!);
    const first = line(startLine);
    const opening = first.startsWith('$$') ? '$$' : first.startsWith('\\[') ? '\\[' : null;
    if (opening === null || state.sCount[startLine]! - state.blkIndent >= 4) {
      return false;
    }
    const closing = opening === '$$' ? '$$' : '\\]';
    const known = opening === '$$' ? undefined : open.get(state);
    let at = startLine;
    let text = first.slice(2);
    let end = findEnd(text, closing);
    let hasText = text.trim() !== '';
    while (end < 0) {
      at = known !== undefined && at + 1 >= known.from && at + 1 < known.to ? known.to : at + 1;
      if (at >= endLine) {
        break;
      }
      searched.lines++;
      text = line(at);
      if (opening === '$$' && hasText && text.trim() === '') {
        return false;
      }
      hasText ||= text.trim() !== '';
      end = findEnd(text, closing);
    }
    if (opening !== '$$') {
      open.set(state, { from: startLine + 1, to: Math.min(at, endLine) });
    }
    if (end < 0 || text.slice(end + 2).trim() !== '') {
      return false;
    }
    if (!silent) {
      const parts = at === startLine ? [] : [first.slice(2)];
      for (let inside = startLine + 1; inside < at; inside++) {
        parts.push(line(inside));
      }
      parts.push(text.slice(0, end));
      state.line = at + 1;
      const token = state.push('maths_block', '', 0);
      token.block = true;
      token.content = parts.join('\n').trim();
      token.map = [startLine, state.line];
      token.markup = opening;
    }
    return true;
  }, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });

  md.renderer.rules.maths_inline = (tokens, index) => `<span class="maths">${escape(tokens[index]!.content)}</span>`;
  md.renderer.rules.maths_display = (tokens, index) => `<span class="maths maths-display">${escape(tokens[index]!.content)}</span>`;
  md.renderer.rules.maths_block = (tokens, index) => `<div class="maths maths-display">${escape(tokens[index]!.content)}</div>\n`;
};
