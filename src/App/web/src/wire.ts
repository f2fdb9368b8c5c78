// What the app and its page say to each other. Times are ISO 8601, sizes are bytes, prices are credits.

export type Mode = 'setup' | 'wallet' | 'device';

export interface State {
  version: string;
  mode: Mode;
  address: string;
  chats: 'kept' | 'not-kept';
  conversations: ConversationSummary[];
  settings: Settings;
  wallet?: WalletView | null;
  carrier?: CarrierView | null;
  notices: NoticeView[];
  prompts: SavedPrompt[];
  keys?: LocalKeyView[];
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

export interface Conversation extends ConversationSummary {
  system?: string | null;
  leaf?: string | null;
  messages: Message[];
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
  usage?: { input: number; output: number } | null;
}

export interface MessageError {
  code: string;
  message: string;
  canRetry: boolean;
}

export interface AttachmentView {
  id: string;
  name: string;
  mediaType: string;
  size: number;
}

export interface NewAttachment {
  name?: string;
  mediaType?: string;
  data?: string;
  text?: string;
  /** One of an earlier message of the same conversation; then nothing else counts. */
  id?: string;
}

export interface Delta {
  conversation: string;
  message: string;
  /** UTF-16 units of the text that come before. */
  offset: number;
  text: string;
  reasoning?: boolean;
}

export interface Stage {
  name: string;
  /** Milliseconds since the request began. */
  at: number;
  detail?: string | null;
}

export interface SavedPrompt {
  id: string;
  name: string;
  text: string;
}

export interface NoticeView {
  id: string;
  text: string;
  level?: 'info' | 'warning' | 'error';
}

export interface ModelPlan {
  id: string;
  kind: 'request' | 'subscription';
  price: number;
  maxInputBytes: number;
  maxOutputTokens: number;
  until?: string | null;
  held: number;
  crowd?: number | null;
}

export interface ModelView {
  id: string;
  plans: ModelPlan[];
}

export interface Models {
  models: ModelView[];
  unavailable?: string | null;
}

export interface RequestTrace {
  message: string;
  plan: string;
  token?: string | null;
  tokenType?: string | null;
  keyId?: string | null;
  crowd?: number | null;
  deadline?: string | null;
  carrier: 'direct' | 'tor';
  sealing: 'none' | 'sealed' | 'ohttp';
  address: string;
  onion?: string | null;
  circuit?: { hops: string[] } | null;
  requestBytes: number;
  replyBytes: number;
  stages: Stage[];
}

export interface RoleView {
  role: 'issuer' | 'signer' | 'network' | 'relay' | 'gateway' | 'moderation' | 'provider';
  saw: { what: string; value: string }[];
  neverSaw: string[];
}

export interface PrivacyView {
  requests: RequestTrace[];
  seen: RoleView[];
}

export interface WalletPlan {
  id: string;
  kind: 'request' | 'subscription';
  models: string[];
  price: number;
  period: string;
  held: number;
  spent: number;
  pending: number;
  returned: number;
  unknown: number;
  deadline?: string | null;
  crowd?: number | null;
}

export interface WalletView {
  hasAccount: boolean;
  credits?: number | null;
  lowBalance: boolean;
  recoverable: boolean;
  plans: WalletPlan[];
  subscriptions: SubscriptionView[];
  nextRefill?: string | null;
  issuer?: string | null;
  problem?: string | null;
}

export interface SubscriptionView {
  plan: string;
  until: string;
  ready: number;
  busy: number;
  pending: number;
  lost: number;
  refused: number;
  renews: boolean;
  renewsAt?: string | null;
}

export interface ServerView {
  role: string;
  name?: string | null;
  address: string;
  carried?: string | null;
  lastAnswered?: string | null;
  problem?: string | null;
}

export interface CarrierView {
  carrier: 'direct' | 'tor';
  state: 'unneeded' | 'idle' | 'starting' | 'ready' | 'stuck' | 'failed';
  percent: number;
  phase?: string | null;
  summary?: string | null;
  version?: string | null;
  problem?: string | null;
  source?: string | null;
  servers: ServerView[];
}

export interface DepositView {
  worth: number;
  credits: number;
  alreadyDeposited: boolean;
}

export interface FillView {
  plan: string;
  received: number;
  pending: number;
  credits: number;
}

export interface PricesView {
  offers: { id: string; credits: number; amount: number; currency: string }[];
  providers: string[];
}

export interface CheckoutView {
  url: string;
  credits: number;
}

export interface HistoryLine {
  day: string;
  kind: string;
  plan?: string | null;
  amount: number;
}

export interface HistoryView {
  entries: HistoryLine[];
}

export interface SetupTrial {
  name: string;
  plans: { id: string; kind: string; models: string[]; price: number; period: string }[];
  gateways: string[];
}

export interface SetupResult {
  seed?: string | null;
  accountKey?: string | null;
  device?: string | null;
}

export interface NewLocalKey {
  key: string;
}

export interface WaysView {
  carrying: { id: string; seenBy: { who: string; sees: string[]; hidden: string[] }[] }[];
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

export interface Settings {
  theme: 'system' | 'light' | 'dark';
  keepChats: boolean;
  defaultModel?: string | null;
  defaultPlan?: string | null;
  defaultSystem?: string | null;
  minCrowd: number;
  autoFill: boolean;
  lowWater: number;
  batchSize: number;
  fillPlans?: string[] | null;
  transport?: string | null;
  relay?: string | null;
  torExits: boolean;
  torSocks?: string | null;
  bridges: string[];
  plugins: string[];
  outgrownPlan: string;
  waitForSubscription: boolean;
  allowPseudonyms: boolean;
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
