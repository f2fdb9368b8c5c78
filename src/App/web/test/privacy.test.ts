import assert from 'node:assert/strict';
import test from 'node:test';
import { whyNothing } from '../src/privacy/nothing';

test('That nobody has seen anything is said of chats without questions only', () => {
  assert.match(whyNothing(0, false), /nobody has seen/);
  for (const [messages, isGenerating] of [[2, true], [2, false], [0, true]] as const) {
    assert.doesNotMatch(whyNothing(messages, isGenerating), /nobody/);
  }
});
