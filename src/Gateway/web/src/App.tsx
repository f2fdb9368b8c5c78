// The page: one step at a time, and below it what each side has seen so far.
import type { ComponentChildren } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { blindToken, fetchChallenge, fetchDirectory, finishToken, type Run, setRiddle, signToken, spendAgain, spendToken } from './run';
import { RiddleView } from './Riddle';
import { Fact } from './values';
import { Views } from './Views';
import { Refusal } from './wire';

interface StepText {
  readonly name: string;
  readonly title: string;
  readonly action: string;
  readonly why: ComponentChildren;
  readonly result: (run: Run) => ComponentChildren;
}

const secondPrompt = 'Another question, with the same token.';

const steps: readonly StepText[] = [
  {
    name: 'Challenge', title: 'Ask without paying', action: 'Ask the gateway',
    why: <>Your browser asks the gateway for an answer and brings nothing to pay with. The gateway refuses, and says in a <em>challenge</em> which tokens it takes: those of one issuer, for this gateway.</>,
    result: ({ challenge }) => challenge && <>
      <p>The gateway answered 401 with its challenge. It is the same for everybody, so that it marks nobody; one made for you alone would be refused here.</p>
      <dl>
        <Fact name="issuer">{challenge.issuer}</Fact>
        <Fact name="gateway">{challenge.origin}</Fact>
        <Fact name="for one occasion">no, the redemption context is empty</Fact>
        <Fact name="its SHA-256" bytes={challenge.digest} />
      </dl>
    </>,
  },
  {
    name: 'Directory', title: 'Read the issuer’s directory', action: 'Read and check it',
    why: <>The issuer lists plans and keys in a public <em>directory</em>, signed with its one long-term key. An issuer that gave you a key of your own could recognise your tokens by it, so your browser checks the signature and compares
      what the issuer shows with what the gateway shows.</>,
    result: ({ directory }) => directory && <>
      <p>The signature is right, and {directory.isSame === true ? 'both show the very same directory' : directory.isSame === null ? 'the gateway still shows another number of the same issuer’s directories' : 'the two DIFFER under one number: a reason to stop'}.</p>
      <dl>
        <Fact name="issuer">{directory.issuer}, directory {directory.sequence}, {directory.size.toLocaleString('en')} bytes, {directory.plans} plans</Fact>
        <Fact name="plan">{directory.plan.id}: free, one request of {directory.plan.models.join(', ')}, at most {directory.plan.maxInputBytes.toLocaleString('en')} bytes in and {directory.plan.maxOutputTokens.toLocaleString('en')} tokens out</Fact>
        <Fact name="its key, until">{directory.deadline.toISOString().slice(0, 16).replace('T', ' ')} UTC, one for all visitors</Fact>
        <Fact name="key id" bytes={directory.key.id} />
      </dl>
    </>,
  },
  {
    name: 'Blind', title: 'Make a token and blind it', action: 'Draw and blind',
    why: <>Your browser draws a random number, the <em>nonce</em> of your token, and would like the signer’s signature on it. It shows nobody the nonce. It multiplies the message with a second random number, raised to the key’s public power: that is
      like putting a letter into an envelope with carbon paper.</>,
    result: ({ own }) => own && <>
      <p>The blinded element is as random as the factor: it says nothing about the nonce, not even to someone with unlimited computers.</p>
      <dl>
        <Fact name="nonce" bytes={own.nonce} />
        <Fact name="blinded element" bytes={own.blinded.element} />
      </dl>
    </>,
  },
  {
    name: 'Sign', title: 'Have it signed, unseen', action: 'Send it to the issuer',
    why: <>The issuer takes the blinded element, debits an account (here: nobody’s, the plan is free), and has the signer sign what is inside the envelope without opening it.</>,
    result: ({ own }) => own?.blindSignature && <>
      <p>This came back. The issuer may write down both for ever, with your name.</p>
      <dl>
        <Fact name="sent" bytes={own.blinded.element} />
        <Fact name="came back" bytes={own.blindSignature} />
      </dl>
    </>,
  },
  {
    name: 'Unblind', title: 'Take the envelope off', action: 'Unblind and verify',
    why: <>Your browser divides by its factor. What remains is an ordinary signature on the nonce, which everybody can verify with the issuer’s public key, and which the signer has never seen.</>,
    result: ({ own }) => own?.token && <>
      <p>The signature was verified: this is a <em>token</em>. Compare the pictures: nothing of what was signed is left in it.</p>
      <dl>
        <Fact name="what was signed" bytes={own.blindSignature} />
        <Fact name="the token’s signature" bytes={own.token.signature} />
      </dl>
    </>,
  },
  {
    name: 'Ask', title: 'Spend it on a question', action: 'Ask with the token',
    why: <>Now a question, with the token. The gateway verifies the signature, records that the token is spent, and only then passes the question on to a model, without anything that your browser sent beside it.</>,
    result: run => run.answer !== undefined && <>
      <p>{run.isAnswered ? 'Here is what your token bought:' : 'It answers …'}</p>
      <blockquote class="answer" tabIndex={0} aria-label="Answer" aria-live="polite" aria-busy={!run.isAnswered}>{run.answer || '…'}</blockquote>
    </>,
  },
  {
    name: 'Replay', title: 'Try to spend it twice', action: 'Ask again with it',
    why: <>A copy of a token costs nothing, so the gateway must not take it again: not today, not from somebody else, not after a crash. Your browser now asks another question with the same token.</>,
    result: ({ refusal }) => refusal && <>
      <p>Refused, as it must be. The gateway’s disk holds no prompt and no token, only a hash by which it knows that this one is spent.</p>
      <dl>
        <Fact name="status"><strong>{refusal.status} {refusal.code}</strong></Fact>
        <Fact name="it says">{refusal.message}</Fact>
      </dl>
    </>,
  },
  {
    name: 'Link', title: 'Try to link them', action: 'Set up the riddle',
    why: <>Be issuer and gateway in one now, and have kept everything: four elements that were signed, and the four tokens that came of them. One pair is yours; your browser makes the others in the part of three more
      visitors. Which belongs to which?</>,
    result: () => null,
  },
];

export function App() {
  const [run, setRun] = useState<Run>({});
  const [done, setDone] = useState(0);
  const [at, setAt] = useState(0);
  const [isBusy, setBusy] = useState(false);
  const [fault, setFault] = useState<string | null>(null);
  const [prompt, setPrompt] = useState('What did you see of me?');
  const heading = useRef<HTMLHeadingElement>(null);
  const current = useRef<HTMLButtonElement>(null);
  const isFirst = useRef(true);
  const step = steps[at]!;
  const isDone = at < done;

  useEffect(() => {
    if (isFirst.current) {
      isFirst.current = false;
    } else {
      heading.current?.focus({ preventScroll: true });
      heading.current?.scrollIntoView({ block: 'nearest' });
      current.current?.scrollIntoView({ block: 'nearest', inline: 'center' });
    }
  }, [at]);

  async function act() {
    setBusy(true);
    setFault(null);
    try {
      const action = [fetchChallenge, fetchDirectory, blindToken, signToken, finishToken, spendToken(prompt.trim()), spendAgain(secondPrompt), setRiddle][at]!;
      setRun(await action(run, setRun));
      setDone(at + 1);
    } catch (error) {
      setFault(
        error instanceof Refusal && error.status === 429 ? 'The issuer has given this address, or everybody, as many free tokens as there are for now. Try again in a minute.'
        : error instanceof TypeError ? 'No answer came. Is the issuer there, and does it let this page call it?'
        : (error as Error).message);
    } finally {
      setBusy(false);
    }
  }

  function restart() {
    setRun({});
    setDone(0);
    setAt(0);
    setFault(null);
  }

  return (
    <div class="page">
      <header>
        <p class="brand"><img src="/demo/icon.svg" alt="" width="28" height="28" /> Tacit</p>
        <h1>Watch a token that nobody can trace</h1>
        <p class={`lead${at > 0 ? ' is-over' : ''}`}>Your browser gets a token, signed without being seen, and pays with it for an answer. Everything here really happens, with this gateway and its issuer. Under each step: what each side saw of it.</p>
        <p class="callout"><strong>This demonstration is not anonymous.</strong> Issuer and gateway both see your browser’s address. Tacit’s app hides it from both, by Tor.</p>
      </header>
      <nav aria-label="Steps">
        <ol>
          {steps.map(({ name }, i) => (
            <li>
              <button type="button" ref={i === at ? current : null} disabled={i > done || isBusy} aria-current={i === at ? 'step' : undefined} class={i < done ? 'is-done' : ''} onClick={() => { setAt(i); setFault(null); }}>
                <span class="number" aria-hidden="true">{i < done ? '✓' : i + 1}</span> {name}<span class="visually-hidden">{i < done ? ', done' : ''}</span>
              </button>
            </li>
          ))}
        </ol>
      </nav>
      <main>
        <section class={`step${at + 1 === steps.length ? ' is-last' : ''}`} aria-busy={isBusy}>
          <p class="count muted">Step {at + 1} of {steps.length}</p>
          <h2 tabIndex={-1} ref={heading}>{step.title}</h2>
          <p class="why">{step.why}</p>
          {at === 5 && !isDone && (
            <div class="field">
              <label for="prompt">Your question</label>
              <input id="prompt" value={prompt} maxLength={500} onInput={event => setPrompt(event.currentTarget.value)} disabled={isBusy} autocomplete="off" />
              <p class="hint">The gateway and the model see it. Its text is all that tells about you.</p>
            </div>
          )}
          <div class="result">{step.result(run)}</div>
          {at === 7 && run.riddle && <RiddleView riddle={run.riddle} change={riddle => setRun({ ...run, riddle })} />}
          {fault !== null && <p class="callout error" role="alert">{fault}</p>}
          <p class="actions">
            {!isDone && <button type="button" class="button primary" disabled={isBusy || (at === 5 && prompt.trim() === '')} onClick={act}>{isBusy ? 'One moment …' : step.action}</button>}
            {isDone && at + 1 < steps.length && <button type="button" class="button primary" onClick={() => setAt(at + 1)}>Next: {steps[at + 1]!.title}</button>}
            {done > 0 && <button type="button" class={`button${done < steps.length ? ' quiet' : ''}`} disabled={isBusy} onClick={restart}>Start again</button>}
          </p>
        </section>
        <Views run={run} step={at} />
      </main>
      <footer class="muted">
        <p>This page was sent by the gateway and is as honest as whoever runs it: its program could be another one at your next visit. It asks nobody but the gateway and its issuer, keeps nothing and sets no cookie. Blind signatures: RFC 9474; tokens: RFC 9577 and 9578.</p>
      </footer>
    </div>
  );
}
