import assert from 'node:assert/strict';
import test from 'node:test';
import { MessageTree } from '../src/chat/tree';
import { EventParser } from '../src/eventParser';
import type { Message } from '../src/wire';

const stream = 'event: state\ndata: {"a":1}\n\n: comment\n\nevent: delta\r\ndata: one\r\ndata: two\r\n\r\ndata:x\n\n';

test('Events are the same in pieces of any size', () => {
  const whole = new EventParser().push(stream);
  assert.deepEqual(whole, [{ name: 'state', data: '{"a":1}' }, { name: 'delta', data: 'one\ntwo' }, { name: 'message', data: 'x' }]);
  for (let size = 1; size < stream.length; size++) {
    const parser = new EventParser();
    const events = [];
    for (let at = 0; at < stream.length; at += size) {
      events.push(...parser.push(stream.slice(at, at + size)));
    }
    assert.deepEqual(events, whole);
  }
});

const message = (id: string, parent: string | null, role: Message['role'] = 'user'): Message =>
  ({ id, parent, role, text: '', attachments: [], created: '2026-01-01T00:00:00Z', state: 'done', notices: [] });
const delta = (offset: number, text: string) => ({ conversation: 'c', message: 'a', offset, text });

test('Delta that came before is not added twice, and one too far ahead is told', () => {
  const tree = new MessageTree();
  tree.set(message('a', null, 'assistant'));
  assert.equal(tree.append(delta(0, 'Hello')), true);
  assert.equal(tree.append(delta(0, 'Hello')), true);
  assert.equal(tree.append(delta(3, 'lo wor')), true);
  assert.equal(tree.get('a')!.value.text, 'Hello wor');
  assert.equal(tree.append(delta(20, 'x')), false);
  assert.equal(tree.append({ ...delta(0, 'x'), message: 'unknown' }), false);
});

test('Branches: the leaf that is given is shown, and a new sibling is gone to', () => {
  const tree = new MessageTree();
  tree.replace([message('q', null), message('a1', 'q', 'assistant'), message('a2', 'q', 'assistant'), message('q2', 'a1')], 'q2');
  assert.deepEqual(tree.path(), ['q', 'a1', 'q2']);
  assert.deepEqual(tree.siblings('a1'), ['a1', 'a2']);
  assert.equal(tree.select('a2'), 'a2');
  assert.deepEqual(tree.path(), ['q', 'a2']);
  assert.equal(tree.set(message('a3', 'q', 'assistant')), true);
  assert.deepEqual(tree.path(), ['q', 'a3']);
  assert.equal(tree.select('a1'), 'q2');
  tree.delete('q2');
  assert.deepEqual(tree.path(), ['q', 'a1']);
});

test('Messages whose parents go in a circle end the path and hang nothing', () => {
  const tree = new MessageTree();
  tree.replace([message('a', 'b'), message('b', 'a')], 'a');
  assert.deepEqual(tree.path(), []);
});

test('A state that was told before events came after it takes nothing back', () => {
  const tree = new MessageTree();
  const growing = (text: string): Message => ({ ...message('a', 'q', 'assistant'), text, state: 'generating' });
  tree.replace([message('q', null), growing('One')], 'a');
  tree.append(delta(3, ', two'));
  tree.replace([message('q', null), growing('One')], 'a');
  assert.equal(tree.get('a')!.value.text, 'One, two');
  assert.equal(tree.append(delta(8, ', three')), true);
  tree.set({ ...growing('One, two, three'), state: 'done' });
  tree.replace([message('q', null), growing('One, two')], 'a');
  assert.deepEqual([tree.get('a')!.value.state, tree.get('a')!.value.text], ['done', 'One, two, three']);
  // One that was begun anew says something else.
  tree.set(growing('Another'));
  tree.replace([message('q', null), growing('Quite')], 'a');
  assert.equal(tree.get('a')!.value.text, 'Quite');
});
