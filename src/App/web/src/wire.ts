// What the app and its page say to each other. Times are ISO 8601, sizes are bytes, prices are credits.
// Written from the app's records by tests/App.Tests/WireTests.cs (TACIT_UPDATE=1): change those.

export interface AttachmentView {
  id: string;
  name: string;
  mediaType: string;
  size: number;
}

export interface AuditRequest {
  resume: boolean;
}

export interface BackupCommand {
  passphrase: string;
}

export interface BalanceView {
  credits: number;
  owed: number;
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

export interface ChatFile {
  format: string;
  conversations: FiledConversation[];
  prompts?: SavedPrompt[] | null;
}

export interface CheckoutCommand {
  offer: string;
  provider?: string | null;
}

export interface CheckoutView {
  url: string;
  credits: number;
}

export interface CircuitView {
  hops: string[];
  onion?: string | null;
}

export interface CircuitsView {
  circuits: OpenCircuitView[];
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

export interface CreditPrice {
  id: string;
  credits: number;
  amount: number;
  currency: string;
}

export interface Delta {
  conversation: string;
  message: string;
  offset: number;
  text: string;
  reasoning?: boolean | null;
}

export interface DepositCommand {
  code: string;
}

export interface DepositView {
  worth: number;
  credits: number;
  alreadyDeposited: boolean;
}

export interface DirectoryAudit {
  issuerName: string;
  copies: DirectoryCopy[];
  chainFrom: number;
  chainProblem?: string | null;
  held?: string | null;
  resumed: boolean;
  agrees: boolean;
}

export interface DirectoryCopy {
  source: string;
  sequence?: number | null;
  hash?: string | null;
  problem?: string | null;
  isContradiction: boolean;
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

export interface FillView {
  plan: string;
  received: number;
  pending: number;
  credits: number;
}

export interface HistoryLine {
  day: string;
  kind: 'deposited' | 'bought' | 'spent' | 'exchanged' | 'restored' | 'filled-at-prompt';
  plan?: string | null;
  amount: number;
}

export interface HistoryView {
  entries: HistoryLine[];
}

export interface ImportResult {
  conversations: number;
}

export interface LocalKeyRequest {
  name: string;
  dailyCap?: number | null;
}

export interface LocalKeyView {
  id: string;
  kind: 'key' | 'other' | 'page';
  name: string;
  dailyCap?: number | null;
  spentToday: number;
  spentTotal: number;
  requests: number;
  lastUsed?: string | null;
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

export interface NewIdentityResult {
  toldTor: boolean;
}

export interface NewLocalKey {
  id: string;
  key: string;
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

export interface NoticeView {
  id: string;
  text: string;
  level: 'info' | 'warning' | 'error';
}

export interface OpenCircuitView {
  built: boolean;
  hops: string[];
  onion?: string | null;
}

export interface PageProblem {
  type: string;
  title: string;
  status: number;
  detail?: string | null;
  member?: string | null;
}

export interface PlanCommand {
  plan: string;
}

export interface PricesView {
  offers: CreditPrice[];
  providers: string[];
}

export interface PrivacyView {
  requests: RequestTrace[];
  seen: RoleView[];
}

export interface RefillRequest {
  size: number;
  plan?: string | null;
  shrink: boolean;
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

export interface RestoreResult {
  restored: number;
}

export interface RetryMessage {
  model?: string | null;
  plan?: string | null;
}

export interface RetryResult {
  assistant: Message;
}

export interface RevealRequest {
  what: 'seed' | 'account';
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

export interface SecretView {
  secret: string;
}

export interface ServerView {
  role: string;
  name?: string | null;
  address: string;
  carried?: string | null;
  lastAnswered?: string | null;
  problem?: string | null;
}

export interface Settings {
  theme: 'system' | 'light' | 'dark';
  keepChats: boolean;
  defaultModel?: string | null;
  defaultPlan?: string | null;
  defaultSystem?: string | null;
  minCrowd: number;
  autoFill: boolean;
  fillAtPrompt: boolean;
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
  requireLocalKeys: boolean;
  otherUsers: 'refuse' | 'allow';
  isChanging: boolean;
}

export interface SetupRequest {
  issuer?: string | null;
  directoryKey?: string | null;
  seed?: string | null;
  backup?: string | null;
  passphrase?: string | null;
  accountKey?: string | null;
  gateway?: string | null;
  gatewayKey?: string | null;
  gatewayPin?: string | null;
}

export interface SetupResult {
  seed?: string | null;
  accountKey?: string | null;
  device?: string | null;
}

export interface SetupTrial {
  name: string;
  plans: TrialPlan[];
  gateways: string[];
}

export interface SetupTry {
  issuer: string;
  directoryKey: string;
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

export interface State {
  version: string;
  address: string;
  mode: 'setup' | 'wallet' | 'device';
  settings: Settings;
  wallet?: WalletView | null;
  carrier?: CarrierView | null;
  notices: NoticeView[];
  keys: LocalKeyView[];
  chats: 'kept' | 'not-kept';
  chatsProblem?: string | null;
  conversations: ConversationSummary[];
  prompts: SavedPrompt[];
}

export interface SubscribeRequest {
  plan: string;
  renews: boolean;
}

export interface SubscribeResult {
  plan: string;
  chains: number;
  pending: number;
  until: string;
  renews: boolean;
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

export interface TrialPlan {
  id: string;
  kind: string;
  models: string[];
  price: number;
  period: string;
}

export interface UnsubscribeResult {
  wasSubscribed: boolean;
}

export interface WalletPlan {
  id: string;
  kind: string;
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
  issuer: string;
  problem?: string | null;
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

/** What the event stream sends, by the event's name. */
export interface Events {
  'carrier': CarrierView;
  'conversation': ConversationSummary;
  'conversation-deleted': ConversationDeletedEvent;
  'delta': Delta;
  'keys': LocalKeyView[];
  'message': MessageEvent;
  'message-deleted': MessageDeletedEvent;
  'notices': NoticeView[];
  'prompts': SavedPrompt[];
  'settings': Settings;
  'stage': StageEvent;
  'state': State;
  'wallet': WalletView;
}

// Below: written by hand, short names for what is above.

export type Mode = State['mode'];
