// What the app and its page say to each other. Times are ISO 8601, sizes are bytes, prices are credits.
// Written from the app's records by tests/App.Tests/WireTests.cs (TACIT_UPDATE=1): change those.

export interface AttachmentView {
  id: string;
  name: string;
  mediaType: string;
  size: number;
}

export interface ChatFile {
  format: string;
  conversations: FiledConversation[];
  prompts?: SavedPrompt[] | null;
}

export interface CircuitView {
  hops: string[];
  onion?: string | null;
}

export interface ConnectionView {
  at: number;
  new: boolean;
  remote?: string | null;
  circuit?: CircuitView | null;
  circuitProblem?: string | null;
}

export interface Conversation {
  id: string;
  title: string;
  created: string;
  updated: string;
  model?: string | null;
  plan?: string | null;
  generating: boolean;
  system?: string | null;
  leaf?: string | null;
  messages: Message[];
}

export interface ConversationChange {
  title?: string | null;
  model?: string | null;
  plan?: string | null;
  system?: string | null;
  leaf?: string | null;
}

export interface ConversationDeletedEvent {
  id: string;
}

export interface ConversationList {
  conversations: ConversationSummary[];
}

export interface ConversationSummary {
  id: string;
  title: string;
  created: string;
  updated: string;
  model?: string | null;
  plan?: string | null;
  generating: boolean;
  snippet?: string | null;
}

export interface Delta {
  conversation: string;
  message: string;
  offset: number;
  text: string;
  reasoning?: boolean | null;
}

export interface FiledConversation {
  title: string;
  created: string;
  updated: string;
  messages: FiledMessage[];
  model?: string | null;
  plan?: string | null;
  system?: string | null;
  leaf?: string | null;
}

export interface FiledMessage {
  id: string;
  role: 'user' | 'assistant';
  text: string;
  created: string;
  parent?: string | null;
  reasoning?: string | null;
  attachments?: NewAttachment[] | null;
  model?: string | null;
  plan?: string | null;
  state: 'done' | 'generating' | 'stopped' | 'failed';
  error?: MessageError | null;
  notices?: string[] | null;
  usage?: MessageUsage | null;
}

export interface ImportResult {
  conversations: number;
}

export interface Message {
  id: string;
  parent?: string | null;
  role: 'user' | 'assistant';
  text: string;
  reasoning?: string | null;
  attachments: AttachmentView[];
  model?: string | null;
  plan?: string | null;
  created: string;
  state: 'done' | 'generating' | 'stopped' | 'failed';
  error?: MessageError | null;
  notices: string[];
  usage?: MessageUsage | null;
}

export interface MessageDeletedEvent {
  conversation: string;
  message: string;
}

export interface MessageError {
  code: string;
  message: string;
  canRetry: boolean;
}

export interface MessageEvent {
  conversation: string;
  message: Message;
}

export interface MessageUsage {
  input: number;
  output: number;
}

export interface ModelPlan {
  id: string;
  kind: string;
  price: number;
  maxInputBytes: number;
  maxOutputTokens: number;
  period: string;
  held: number;
  until?: string | null;
  crowd?: number | null;
}

export interface ModelView {
  id: string;
  plans: ModelPlan[];
}

export interface Models {
  models: ModelView[];
  unavailable?: string | null;
  way?: string | null;
  serving?: string | null;
}

export interface NewAttachment {
  name?: string | null;
  mediaType?: string | null;
  data?: string | null;
  text?: string | null;
  id?: string | null;
}

export interface NewConversation {
  model?: string | null;
  plan?: string | null;
  system?: string | null;
}

export interface NewMessage {
  text: string;
  parent?: string | null;
  attachments?: NewAttachment[] | null;
  model?: string | null;
  plan?: string | null;
}

export interface NewMessageResult {
  user: Message;
  assistant: Message;
}

export interface PageProblem {
  type: string;
  title: string;
  status: number;
  detail?: string | null;
}

export interface PrivacyView {
  requests: RequestTrace[];
  seen: RoleView[];
}

export interface RequestTrace {
  message: string;
  model?: string | null;
  plan?: string | null;
  token?: string | null;
  earlierTokens: string[];
  tokenType?: string | null;
  keyId?: string | null;
  tokenOrigin?: string | null;
  boughtForIt: boolean;
  soldFrom?: string | null;
  deadline?: string | null;
  crowd?: number | null;
  gateway?: string | null;
  carrier?: 'direct' | 'tor' | null;
  sealing: 'none' | 'sealed' | 'ohttp';
  address?: string | null;
  onion?: string | null;
  thisMachine: boolean;
  connections: ConnectionView[];
  circuit?: CircuitView | null;
  linkable?: string | null;
  device?: string | null;
  members: string[];
  requestBytes: number;
  sealedRequestBytes: number;
  replyBytes: number;
  sealedReplyBytes: number;
  status?: number | null;
  stages: Stage[];
}

export interface RetryMessage {
  model?: string | null;
  plan?: string | null;
}

export interface RetryResult {
  assistant: Message;
}

export interface RoleView {
  role: 'issuer' | 'signer' | 'network' | 'relay' | 'gateway' | 'moderation' | 'provider';
  saw: SightView[];
  neverSaw: string[];
}

export interface SavedPrompt {
  id: string;
  name: string;
  text: string;
}

export interface SightView {
  what: string;
  value: string;
}

export interface Stage {
  name: 'preparing' | 'carrier' | 'paying' | 'token' | 'connecting' | 'connected' | 'sent' | 'accepted' | 'first-token' | 'resumed' | 'ended' | 'renewed' | 'returned' | 'cancelled' | 'failed';
  at: number;
  detail?: string | null;
}

export interface StageEvent {
  conversation: string;
  message: string;
  stage: Stage;
}

export interface WaySight {
  who: string;
  sees: string[];
  hidden: string[];
}

export interface WayView {
  id: string;
  name: string;
  summary: string;
  seenBy: WaySight[];
}

export interface WaysView {
  carrying: WayView[];
  serving: WayView[];
}

// Below: written by hand, for what the app does not send yet. A type that is here is not generated.

export type Mode = 'setup' | 'wallet' | 'device';

export interface NewLocalKey {
  key: string;
}

export interface LocalKeyView {
  id: string;
  name: string;
  dailyCap?: number | null;
  spentToday: number;
  spentTotal: number;
  requests: number;
  lastUsed?: string | null;
}

/** What the event stream sends, by the event's name. */
export interface Events {
  state: State;
  conversation: ConversationSummary;
  'conversation-deleted': { id: string };
  message: { conversation: string; message: Message };
  'message-deleted': { conversation: string; message: string };
  delta: Delta;
  stage: { conversation: string; message: string; stage: Stage };
  wallet: WalletView | null;
  carrier: CarrierView | null;
  settings: Settings;
  notices: NoticeView[];
  prompts: SavedPrompt[];
  keys: LocalKeyView[];
}
