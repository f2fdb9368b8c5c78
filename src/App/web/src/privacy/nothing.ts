/** Why there is no request to show of a chat. Only of one without questions it is true that nobody has seen anything. */
export const whyNothing = (messages: number, isGenerating: boolean): string =>
  isGenerating ? 'The question is on its way. Who saw what of it is told here once it has been answered.'
  : messages > 0 ? 'Nothing is known here of how these questions were asked, as of chats that came from a file.'
  : 'Nothing has been asked in this chat, so nobody has seen anything of it.';
