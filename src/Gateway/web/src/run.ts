// One run of the protocol: what has been done so far, and what each side has seen of it.
import { type Bytes, equal, hex, random } from './bytes';
import { blind, type Blinded, factorBetween, factorOf, finalize } from './rsa';
import {
  ask, type Challenge, type Directory, readChallenge, readDirectory, readSettings, Refusal, requestSignature, type Settings, spendId, type Token, tokenInput,
} from './wire';

/** A token with all that came before it. */
export interface Issuance {
  readonly nonce: Bytes;
  readonly input: Bytes;
  readonly blinded: Blinded;
  readonly blindSignature?: Bytes;
  readonly token?: Token;
}

/** Signings and tokens, each in an order of their own, and which belong together. */
export interface Riddle {
  readonly signings: readonly { readonly element: Bytes; readonly blindSignature: Bytes }[];
  readonly tokens: readonly Token[];
  /** For each signing, the place of its token. */
  readonly truth: readonly number[];
  /** For each signing and each token, the blinding factor that makes them one. */
  readonly factors: readonly (readonly Bytes[])[];
  readonly guess: readonly (number | null)[];
  readonly isOpen: boolean;
}

export interface Run {
  readonly settings?: Settings;
  readonly challenge?: Challenge;
  readonly directory?: Directory;
  readonly own?: Issuance;
  readonly spendId?: Bytes;
  readonly prompt?: string;
  readonly answer?: string;
  readonly isAnswered?: boolean;
  readonly second?: string;
  readonly refusal?: { readonly status: number; readonly code: string; readonly message: string };
  readonly riddle?: Riddle;
}

export const visitors = 4;

type Step = (run: Run, show: (run: Run) => void) => Promise<Run>;

export const fetchChallenge: Step = async run => {
  const settings = await readSettings();
  return { ...run, settings, challenge: await readChallenge(settings) };
};

export const fetchDirectory: Step = async run => {
  const directory = await readDirectory(run.settings!);
  if (directory.issuer !== run.challenge!.issuer) {
    throw new Error('The gateway asks for tokens of another issuer than the one whose directory this is.');
  }
  return { ...run, directory };
};

export const blindToken: Step = async run => ({ ...run, own: await begin(run) });

export const signToken: Step = async run => ({ ...run, own: { ...run.own!, blindSignature: await requestSignature(run.settings!, run.directory!.key, run.own!.blinded.element) } });

export const finishToken: Step = async run => {
  const own = await finish(run, run.own!);
  return { ...run, own, spendId: await spendId(own.token!) };
};

export const spendToken = (prompt: string): Step => async (run, show) => {
  let shown: Run = { ...run, prompt, answer: '', isAnswered: false };
  show(shown);
  await ask(run.own!.token!, run.directory!.plan, prompt, answer => show(shown = { ...shown, answer }));
  return { ...shown, isAnswered: true };
};

export const spendAgain = (second: string): Step => async run => {
  try {
    await ask(run.own!.token!, run.directory!.plan, second, () => {});
  } catch (error) {
    if (error instanceof Refusal && error.status > 0) {
      return { ...run, second, refusal: { status: error.status, code: error.code, message: error.message } };
    }
    throw error;
  }
  throw new Error('The gateway took one token twice. It must not do that.');
};

/** Has three more tokens issued, in the part of other visitors, and mixes them with the visitor's own. */
export const setRiddle: Step = async run => {
  const all = [run.own!];
  for (let i = 1; i < visitors; i++) {
    const begun = await begin(run);
    all.push(await finish(run, { ...begun, blindSignature: await requestSignature(run.settings!, run.directory!.key, begun.blinded.element) }));
  }
  const key = run.directory!.key;
  const left = shuffled(all);
  const right = shuffled(all);
  const truth = left.map(one => right.indexOf(one));
  const factors = left.map(one => right.map(other => factorBetween(key, one.blinded.element, one.blindSignature!, other.token!.signature)));
  // Computed from what the others saw, without what only this browser knows; here it can tell that the computation is right.
  if (!left.every((one, i) => equal(factors[i]![truth[i]!]!, factorOf(key, one.blinded)))) {
    throw new Error('The factor of a pair is not the one that was drawn.');
  }
  return {
    ...run,
    riddle: {
      signings: left.map(one => ({ element: one.blinded.element, blindSignature: one.blindSignature! })),
      tokens: right.map(one => one.token!),
      truth,
      factors,
      guess: left.map(() => null),
      isOpen: false,
    },
  };
};

/** Byte strings that both sides were given: there should be none. */
export function inCommon(run: Run): number {
  const { own } = run;
  const left = own?.blindSignature ? [own.blinded.element, own.blindSignature] : [];
  const right = own?.token && run.prompt !== undefined ? [own.token.nonce, own.token.signature, own.token.input, run.spendId!] : [];
  return left.filter(a => right.some(b => equal(a, b) || hex(a).includes(hex(b)) || hex(b).includes(hex(a)))).length;
}

async function begin(run: Run): Promise<Issuance> {
  const nonce = random(32);
  const input = tokenInput(nonce, run.challenge!, run.directory!.key);
  return { nonce, input, blinded: await blind(run.directory!.key, input) };
}

async function finish(run: Run, issuance: Issuance): Promise<Issuance> {
  const signature = await finalize(run.directory!.key, issuance.input, issuance.blindSignature!, issuance.blinded);
  return { ...issuance, token: { input: issuance.input, nonce: issuance.nonce, signature } };
}

/** Every order as likely as every other. */
function shuffled<T>(items: readonly T[]): T[] {
  const rest = [...items];
  const mixed: T[] = [];
  while (rest.length > 0) {
    // Of 2^32 values the few at the end that would favour some are drawn anew.
    const limit = 2 ** 32 - (2 ** 32 % rest.length);
    const value = crypto.getRandomValues(new Uint32Array(1))[0]!;
    if (value < limit) {
      mixed.push(...rest.splice(value % rest.length, 1));
    }
  }
  return mixed;
}
