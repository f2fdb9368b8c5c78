/**
 * An operator of several letters (`\bmod`, `\operatorname`) as one text. KaTeX writes it as letters of their own inside `mo`, where a parser of HTML takes what follows for HTML again, so that
 * the sanitizer would drop it.
 */
export const plainOperators = (markup: string): string =>
  markup.replace(/<mo([^>]*)>(?:<mrow>)?((?:<m[in][^>]*>[^<]*<\/m[in]>)+)(?:<\/mrow>)?<\/mo>/g, (_, attributes: string, letters: string) => `<mo${attributes}>${letters.replace(/<[^>]*>/g, '')}</mo>`);
