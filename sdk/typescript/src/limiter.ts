import { RateLimitError } from './errors.js';

/** At most `requests` in any window of `perMs`, and `concurrent` replies at a time. */
export interface RateLimit {
  readonly requests: number;
  readonly perMs: number;
  readonly concurrent: number;
}

/** Refuses here what the gateway would refuse there, and keeps a loop gone wild from using up an allowance. */
export class Limiter {
  private readonly times: number[] = [];
  private open = 0;
  private blockedUntil = 0;

  constructor(private readonly limit: RateLimit, private readonly now: () => number) {}

  /** @returns What to call once the reply has ended. */
  enter(): () => void {
    const now = this.now();
    while (this.times.length > 0 && this.times[0]! <= now - this.limit.perMs) this.times.shift();
    if (now < this.blockedUntil) throw refused('The gateway asked to wait.', this.blockedUntil - now);
    if (this.open >= this.limit.concurrent) throw refused(`${this.limit.concurrent} replies are open.`, 0);
    if (this.times.length >= this.limit.requests) throw refused(`${this.limit.requests} requests in ${this.limit.perMs} ms.`, this.times[0]! + this.limit.perMs - now);
    this.times.push(now);
    this.open++;
    let isOpen = true;
    return () => {
      if (isOpen) this.open--;
      isOpen = false;
    };
  }

  /** The gateway said 429: nothing is sent before it wants. */
  block(forMs: number): void {
    this.blockedUntil = Math.max(this.blockedUntil, this.now() + forMs);
  }
}

const refused = (why: string, retryAfterMs: number): RateLimitError => new RateLimitError(`This client's own limit: ${why}`, 'client', retryAfterMs);
