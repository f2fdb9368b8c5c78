const longestCode = 60_000;
/** Code has signs; what has none for so long is something else. */
const longestRun = 1000;

/**
 * Whether a text is highlighted. The grammars of several languages look for a declaration from every word of a run of words, to the end of the run: with a run as long as a model
 * likes that takes many seconds, in which the page does nothing else.
 */
export const isHighlighted = (text: string): boolean => text.length <= longestCode && text.split(/[;{}()=:"'#/]/).every(run => run.length <= longestRun);
