import { Icon } from '../ui/icons';

/** The one idea, as a picture: two sides that each know one half. */
export function Idea() {
  return (
    <figure class="idea" aria-label="How it works">
      <div class="idea-side">
        <Icon name="wallet" size={22} />
        <strong>The issuer</strong>
        <span>sells you tokens. It signs them inside closed envelopes, so it never sees them.</span>
        <em>Knows you. Sees no question.</em>
      </div>
      <div class="idea-you">
        <Icon name="shield" size={22} />
        <strong>You</strong>
        <span>open the envelopes here. Nobody has ever seen the tokens inside.</span>
      </div>
      <div class="idea-side">
        <Icon name="chat" size={22} />
        <strong>The gateway</strong>
        <span>takes one token with each question and passes the question to the model.</span>
        <em>Sees questions. Knows nobody.</em>
      </div>
    </figure>
  );
}
