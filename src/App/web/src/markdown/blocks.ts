// A growing text, block by block. A block is finished when another has begun behind it, and is then never parsed again: what a token costs does not grow with what came before.
import { parse, render, type Token } from './render';

export interface Block {
  readonly markup: string;
  /** Of a block of code: its text and language, so that a growing one need not be made anew. */
  readonly code?: { text: string; info: string };
}

export interface Change {
  /** Whether what was given out before no longer holds: begin anew. */
  isNew: boolean;
  finished: Block[];
  tail: Block[];
}

// “[name]: address” further down gives an address to what stands above.
const definition = /^ {0,3}\[[^\]\n]+\]:/m;

export class GrowingMarkdown {
  private text = '';
  private finishedTo = 0;
  private env: Record<string, unknown> = {};
  /** How much was parsed in all, for the test that this does not grow with the square. */
  parsed = 0;

  update(text: string, isDone: boolean): Change {
    const isNew = !text.startsWith(this.text) || (isDone && this.finishedTo > 0 && definition.test(text));
    if (isNew) {
      this.finishedTo = 0;
      this.env = {};
    }
    this.text = text;
    const rest = this.finishedTo === 0 ? text : text.slice(this.finishedTo);
    this.parsed += rest.length;
    const groups = split(parse(rest, this.env));
    const finishedCount = isDone ? groups.length : Math.max(0, groups.length - 1);
    const finished = groups.slice(0, finishedCount).map(group => this.block(group));
    const tail = groups.slice(finishedCount).map(group => this.block(group));
    if (isDone) {
      this.finishedTo = text.length;
    } else if (finishedCount > 0) {
      this.finishedTo += offsetOfLine(rest, groups[finishedCount]![0]!.map![0]);
    }
    return { isNew, finished, tail };
  }

  private block(group: Token[]): Block {
    const only = group.length === 1 && group[0]!.type === 'fence' ? group[0]! : null;
    return { markup: render(group, this.env), ...(only ? { code: { text: only.content, info: only.info } } : {}) };
  }
}

function split(tokens: Token[]): Token[][] {
  const groups: Token[][] = [];
  let depth = 0;
  let begin = 0;
  for (const [index, token] of tokens.entries()) {
    depth += token.nesting;
    if (depth === 0) {
      groups.push(tokens.slice(begin, index + 1));
      begin = index + 1;
    }
  }
  return groups;
}

function offsetOfLine(text: string, line: number): number {
  let at = 0;
  for (let i = 0; i < line; i++) {
    at = text.indexOf('\n', at) + 1;
  }
  return at;
}
