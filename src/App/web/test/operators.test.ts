import assert from 'node:assert/strict';
import test from 'node:test';
import katex from 'katex';
import { plainOperators } from '../src/markdown/operators';

for (const [source, word] of [['a \\bmod n', 'mod'], ['\\operatorname{rank} A', 'rank'], ['\\mathop{argmax}', 'argmax']] as const) {
  test(`${source} keeps its word in one piece`, () => {
    const markup = plainOperators(katex.renderToString(source, { output: 'mathml' }));
    assert.match(markup, new RegExp(`<m[oi][^>]*>${word}</m[oi]>`));
    assert.doesNotMatch(markup, /<mo[^>]*><mrow>/);
  });
}
