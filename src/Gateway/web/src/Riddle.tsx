// The last step: try to link them.
import type { Riddle } from './run';
import { Picture, short } from './values';

const letters = 'ABCDEFGH';

export function RiddleView({ riddle, change }: { riddle: Riddle; change: (riddle: Riddle) => void }) {
  const { signings, tokens, guess, truth, isOpen } = riddle;
  const right = guess.filter((place, i) => place === truth[i]).length;
  return (
    <div class="riddle">
      <div class="pairs">
        <div>
          <h3>Signed, unseen</h3>
          <ul>
            {signings.map(({ element }, i) => (
              <li>
                <Picture bytes={element} size={56} />
                <div class="signing">
                  <span><strong>{letters[i]}</strong> <code>{short(element)}</code></span>
                  {isOpen
                    ? <span class={guess[i] === truth[i] ? 'good' : 'muted'}>became token {truth[i]! + 1}{guess[i] !== null && (guess[i] === truth[i] ? ': guessed' : `: you said ${guess[i]! + 1}`)}</span>
                    : <label>
                        <span class="visually-hidden">Element {letters[i]} </span>became{' '}
                        <select value={guess[i] === null ? '' : String(guess[i])} onChange={event => change({ ...riddle, guess: guess.map((old, at) => at === i ? (event.currentTarget.value === '' ? null : Number(event.currentTarget.value)) : old) })}>
                          <option value="">token …</option>
                          {tokens.map((_, place) => <option value={place}>token {place + 1}</option>)}
                        </select>
                      </label>}
                </div>
              </li>
            ))}
          </ul>
        </div>
        <div>
          <h3>Tokens, as the gateway gets them</h3>
          <ul>
            {tokens.map((token, place) => (
              <li>
                <Picture bytes={token.signature} size={56} />
                <span><strong>{place + 1}</strong> <code>{short(token.signature)}</code></span>
              </li>
            ))}
          </ul>
        </div>
      </div>
      {isOpen
        ? <div class="solution">
            <p><strong>{right === 0 ? 'None was right.' : `${right} of ${signings.length} right.`}</strong> Whoever guesses blindly gets one right on average, and all four once in 24 tries. Nobody can do better, whatever they compute, and here is why.</p>
            <p>Your browser has just taken every element and every token, sixteen pairs, and computed for each the blinding factor that would turn the one into the other. There is always exactly one, and it always fits:</p>
            <div class="scroll-x" tabIndex={0} role="region" aria-label="Blinding factors of all pairs">
              <table>
                <thead><tr><th scope="col"><span class="visually-hidden">Element</span></th>{tokens.map((_, place) => <th scope="col">token {place + 1}</th>)}</tr></thead>
                <tbody>
                  {riddle.factors.map((row, i) => (
                    <tr>
                      <th scope="row">{letters[i]}</th>
                      {row.map((factor, place) => (
                        <td class={place === truth[i] ? 'is-true' : ''}><code>{short(factor)}</code> <span class="fits">fits{place === truth[i] && <span class="visually-hidden">, and was used</span>}</span></td>
                      ))}
                    </tr>
                  ))}
                </tbody>
              </table>
            </div>
            <p>A factor is drawn evenly from all numbers, so all of these are equally likely. The marked ones were really used: only your browser knows that, because it drew them. Issuer, signer and gateway together, with all of
              their records and any computer, have only what this table is made of, and in it every pair is as good as every other.</p>
            <p class="muted">Among strangers’ tokens it is the same: the more of them there are under one key, the larger the crowd that yours hides in.</p>
          </div>
        : <p><button type="button" class="button primary" disabled={guess.every(place => place === null)} onClick={() => change({ ...riddle, isOpen: true })}>Show how I did</button></p>}
    </div>
  );
}
