import { CopyButton } from '../ui/controls';

/** A secret in numbered groups, as it is best copied to paper. */
export function Secret({ title, text, value }: { title: string; text: string; value: string }) {
  return (
    <div class="secret">
      <div class="secret-head">
        <div>
          <h3>{title}</h3>
          <p class="hint">{text}</p>
        </div>
        <CopyButton text={value} label={`Copy the ${title.toLowerCase()}`} />
      </div>
      <ol class="secret-groups" aria-label={title}>
        {value.split('-').map((group, index) => <li key={index}>{group}</li>)}
      </ol>
    </div>
  );
}
