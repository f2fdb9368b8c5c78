// What only some replies need, loaded when the first of them comes: highlighting and maths.
import { plainOperators } from './operators';
import { isHighlighted } from './readable';
import { sanitize, sanitizeMaths } from './sanitize';
import { inSlices } from './slices';

/** Fills in what the markup left as text, in nodes that are given to it once. Never throws: text that stays text is no failure. */
export async function finishLater(root: HTMLElement): Promise<void> {
  const codes = [...root.querySelectorAll<HTMLElement>('pre > code[class*="language-"]')].filter(code => isHighlighted(code.textContent ?? ''));
  const maths = root.matches('.maths') ? [root] : [...root.querySelectorAll<HTMLElement>('.maths')];
  try {
    await Promise.all([codes.length > 0 ? highlightAll(codes) : null, maths.length > 0 ? setAll(maths) : null]);
  } catch {
    // The app is gone, or the file: the text is there.
  }
}

async function highlightAll(codes: HTMLElement[]): Promise<void> {
  const { highlight } = await import('./highlight');
  codes.forEach(code => inSlices(() => {
    const language = /language-(\S+)/.exec(code.className)?.[1] ?? '';
    const markup = highlight(code.textContent ?? '', language);
    if (markup !== null) {
      code.replaceChildren(sanitize(markup));
    }
  }));
}

async function setAll(elements: HTMLElement[]): Promise<void> {
  const { default: katex } = await import('katex');
  elements.forEach(one => inSlices(() => {
    const source = one.textContent ?? '';
    try {
      // MathML only: neither fonts nor inline styles. Nothing that names an address or a class is trusted, and what expands has an end.
      const markup = katex.renderToString(source, {
        output: 'mathml', displayMode: one.classList.contains('maths-display'), throwOnError: true, trust: false, strict: 'ignore', maxSize: 20, maxExpand: 500,
      });
      one.dataset.set = '1';
      one.replaceChildren(sanitizeMaths(plainOperators(markup)));
      one.querySelector('math')?.setAttribute('aria-label', source);
    } catch {
      one.classList.add('maths-wrong');
      one.dataset.set = '1';
    }
  }));
}
