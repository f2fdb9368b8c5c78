import { useEffect } from 'preact/hooks';
import { api } from '../api';
import { openConversation } from '../chat/conversations';
import { settings, summary } from '../store';
import { useAction } from '../ui/action';
import { Spinner } from '../ui/controls';
import { Dialog } from '../ui/dialog';
import { Act, FormFailure } from '../ui/form';
import type { PrivacyView } from '../wire';
import { whyNothing } from './nothing';
import { Requests } from './Requests';
import { TwoSides } from './TwoSides';

/** Who saw what of one conversation, with the real values. */
export function PrivacyPanel({ conversation, onClose }: { conversation: string; onClose: () => void }) {
  const view = useAction(() => api.get<PrivacyView>(`/app/conversations/${encodeURIComponent(conversation)}/privacy`));
  const isGenerating = summary(conversation)?.generating ?? false;
  useEffect(() => void view.run(), [conversation, isGenerating]);
  const shown = view.result;
  const tree = openConversation(conversation).tree;

  return (
    <Dialog title="Who saw what" kind="panel" onClose={onClose}>
      <div class="privacy">
        {shown === null && view.isBusy && <p class="row hint" role="status"><Spinner /> Reading</p>}
        <FormFailure failure={view.failure} actions={<Act onPress={view.run}>Try again</Act>} />
        {shown !== null && (shown.requests.length === 0
          ? <p class="hint">{whyNothing(tree.size, isGenerating)}</p>
          : <>
            {isGenerating && <p class="hint">One more question is on its way: what is seen of it is told here once it has been answered.</p>}
            <TwoSides view={shown} minCrowd={settings.value?.minCrowd ?? 64} />
            <Requests view={shown} find={id => tree.get(id)?.value} />
          </>)}
      </div>
    </Dialog>
  );
}
