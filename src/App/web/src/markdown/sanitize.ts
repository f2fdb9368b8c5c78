// The second lock: whatever markup is shown passes a short list of elements and attributes, none of which can load, run, submit or style anything. DOMPurify hands over nodes,
// so that the page itself never sets markup from a string and needs no Trusted Types policy of its own.
import createDOMPurify, { type Config } from 'dompurify';

const purify = createDOMPurify(window);

const text: Config = {
  ALLOWED_TAGS: [
    'p', 'br', 'hr', 'h1', 'h2', 'h3', 'h4', 'h5', 'h6', 'ul', 'ol', 'li', 'blockquote', 'pre', 'code', 'strong', 'em', 's', 'a', 'span', 'div', 'table', 'thead', 'tbody', 'tr', 'th', 'td',
  ],
  ALLOWED_ATTR: ['class', 'data-address', 'title', 'role', 'tabindex', 'start'],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_NAMESPACES: ['http://www.w3.org/1999/xhtml'],
  RETURN_DOM_FRAGMENT: true,
};

const mathml: Config = {
  ALLOWED_TAGS: [
    'math', 'mrow', 'mi', 'mn', 'mo', 'ms', 'mtext', 'mspace', 'mfrac', 'msqrt', 'mroot', 'mstyle', 'merror', 'mpadded', 'mphantom', 'menclose', 'msub', 'msup', 'msubsup', 'munder', 'mover',
    'munderover', 'mmultiscripts', 'mprescripts', 'none', 'mtable', 'mtr', 'mtd', 'mlabeledtr', 'semantics', 'span',
  ],
  ALLOWED_ATTR: [
    'accent', 'accentunder', 'columnalign', 'columnlines', 'columnspacing', 'depth', 'dir', 'display', 'displaystyle', 'fence', 'form', 'height', 'largeop', 'linethickness', 'lspace',
    'mathcolor', 'mathsize', 'mathvariant', 'maxsize', 'minsize', 'movablelimits', 'notation', 'rowlines', 'rowspacing', 'rspace', 'scriptlevel', 'separator', 'stretchy', 'symmetric', 'voffset',
    'width', 'xmlns',
  ],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  FORBID_CONTENTS: ['annotation'],
  RETURN_DOM_FRAGMENT: true,
};

const classes = /^(language-[\w+#.-]{1,32}|hljs-[\w-]{1,32}|function_|class_|inherited__|code|code-head|table|align-(center|right)|maths|maths-display|md-link|md-image|md-image-label|md-image-address)$/;
const addresses = /^(https?|mailto):/i;

purify.addHook('uponSanitizeAttribute', (_node, data) => {
  switch (data.attrName) {
    case 'class':
      data.attrValue = data.attrValue.split(/\s+/).filter(name => classes.test(name)).join(' ');
      data.keepAttr = data.attrValue !== '';
      break;
    case 'data-address':
      data.keepAttr = addresses.test(data.attrValue);
      break;
    case 'role':
      data.keepAttr = data.attrValue === 'link';
      break;
    case 'tabindex':
      data.keepAttr = data.attrValue === '0';
      break;
    default:
      break;
  }
});

export function sanitize(markup: string): DocumentFragment {
  return purify.sanitize(markup, text) as unknown as DocumentFragment;
}

export function sanitizeMaths(markup: string): DocumentFragment {
  return purify.sanitize(markup, mathml) as unknown as DocumentFragment;
}
