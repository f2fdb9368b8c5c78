// Markdown to markup, by markdown-it with everything off that could ask for something elsewhere: no HTML, no images; a link is an element without an address that a browser
// would follow, prefetch or resolve. What comes out goes through the sanitizer (sanitize.ts) all the same: either of the two alone would do.
import MarkdownIt, { type Token } from 'markdown-it';
import { maths } from './maths';

export type { Token };

const md = new MarkdownIt('default', { html: false, linkify: true, breaks: false, typographer: false, maxNesting: 40 });
md.use(maths);
// Only what is plainly an address: “readme.md” and “a.b” are no links.
md.linkify.set({ fuzzyLink: false, fuzzyEmail: false, fuzzyIP: false });

const schemes = /^(https?|mailto):/i;
md.validateLink = address => schemes.test(address.trim());

const escape = md.utils.escapeHtml;

md.renderer.rules.link_open = (tokens, index) => {
  const address = String(tokens[index]!.attrGet('href') ?? '');
  return `<a role="link" tabindex="0" class="md-link" data-address="${escape(address)}" title="${escape(address)}">`;
};

/** An image would be fetched from wherever the model says, and so tell that place who reads this: it is shown as what it says. */
md.renderer.rules.image = (tokens, index) => {
  const token = tokens[index]!;
  const alt = token.content || 'no description';
  return `<span class="md-image"><span class="md-image-label">Image, not loaded:</span> ${escape(alt)} <span class="md-image-address">(${escape(String(token.attrGet('src') ?? ''))})</span></span>`;
};

const code = (text: string, info: string): string => {
  const language = /^[\w+#.-]{1,32}/.exec(info.trim())?.[0] ?? '';
  return `<div class="code"><div class="code-head"><span>${escape(language || 'text')}</span></div>`
    + `<pre tabindex="0"><code${language ? ` class="language-${escape(language.toLowerCase())}"` : ''}>${escape(text)}</code></pre></div>\n`;
};
md.renderer.rules.fence = (tokens, index) => code(tokens[index]!.content, tokens[index]!.info);
md.renderer.rules.code_block = (tokens, index) => code(tokens[index]!.content, '');
md.renderer.rules.table_open = () => '<div class="table" tabindex="0"><table>';
md.renderer.rules.table_close = () => '</table></div>';

// Cells are aligned by a style attribute, which the policy does not let through.
for (const name of ['th_open', 'td_open']) {
  md.renderer.rules[name] = (tokens, index) => {
    const token = tokens[index]!;
    const align = /text-align:\s*(left|center|right)/.exec(String(token.attrGet('style') ?? ''))?.[1];
    return `<${token.tag}${align && align !== 'left' ? ` class="align-${align}"` : ''}>`;
  };
}

// Task lists: the box is a sign and not a control.
md.core.ruler.push('tasks', state => {
  for (const [index, token] of state.tokens.entries()) {
    const box = token.type === 'inline' && state.tokens[index - 2]?.type === 'list_item_open' ? /^\[([ xX])\]\s/.exec(token.content) : null;
    const first = token.children?.[0];
    if (box && first?.type === 'text') {
      first.content = `${box[1] === ' ' ? '☐' : '☑'} ${first.content.slice(box[0].length)}`;
    }
  }
});

export function parse(text: string, env: Record<string, unknown>): Token[] {
  return md.parse(text, env);
}

export function render(tokens: Token[], env: Record<string, unknown>): string {
  return md.renderer.render(tokens, md.options, env);
}
