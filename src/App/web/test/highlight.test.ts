import assert from 'node:assert/strict';
import test from 'node:test';
import { isHighlighted } from '../src/markdown/readable';

test('Words without end are not highlighted, in one line or in many', () => {
  for (const word of ['a', 'a b ', 'def a ', 'a\n', 'function\n', 'e1 ', '_', '\n', '$', 'a.', '<<A ', '1, ']) {
    assert.equal(isHighlighted(word.repeat(8000)), false, word);
    // Nor where code stands before and behind.
    assert.equal(isHighlighted(`int f() { return 1; }\n${word.repeat(2000)}\nint g() { return 2; }`), false, word);
  }
});

test('Code is highlighted up to its bound', () => {
  const line = 'public static readonly IReadOnlyList<string> Names = [.. All.Select(one => one.Name)];\n';
  assert.equal(isHighlighted(line.repeat(600)), true);
  assert.equal(isHighlighted(line.repeat(800)), false);
  assert.equal(isHighlighted(`# ${'A comment of a few lines. '.repeat(20)}\nprint("x")`), true);
});
