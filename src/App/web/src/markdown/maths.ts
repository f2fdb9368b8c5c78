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

/** Where the closing mark begins, or -1. */
const findEnd = (text: string, mark: string, from: number): number => {
  for (let at = text.indexOf(mark, from); at >= 0 && at - from <= longest; at = text.indexOf(mark, at + 1)) {
    if (!isEscaped(text, at)) {
      return at;
    }
  }
  return -1;
};

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
    const end = findEnd(text, closing, from);
    const content = end < 0 ? '' : text.slice(from, end);
    if (end < 0 || content.trim() === '' || end > state.posMax) {
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
    const parts: string[] = [];
    for (let at = startLine; at < endLine; at++) {
      const text = at === startLine ? first.slice(2) : line(at);
      const end = findEnd(text, closing, 0);
      if (end >= 0) {
        if (text.slice(end + 2).trim() !== '') {
          return false;
        }
        parts.push(text.slice(0, end));
        if (!silent) {
          state.line = at + 1;
          const token = state.push('maths_block', '', 0);
          token.block = true;
          token.content = parts.join('\n').trim();
          token.map = [startLine, state.line];
          token.markup = opening;
        }
        return true;
      }
      if (at > startLine && text.trim() === '' && parts.join('').trim() !== '' && opening === '$$') {
        return false;
      }
      parts.push(text);
    }
    return false;
  }, { alt: ['paragraph', 'reference', 'blockquote', 'list'] });

  md.renderer.rules.maths_inline = (tokens, index) => `<span class="maths">${escape(tokens[index]!.content)}</span>`;
  md.renderer.rules.maths_display = (tokens, index) => `<span class="maths maths-display">${escape(tokens[index]!.content)}</span>`;
  md.renderer.rules.maths_block = (tokens, index) => `<div class="maths maths-display">${escape(tokens[index]!.content)}</div>\n`;
};
