import { useRef, useState } from 'preact/hooks';
import { explain, Problem } from '../api';

/** What went wrong, to be told beside what it is about. */
export interface Failure {
  message: string;
  /** The last part of the problem's type, such as `voucher-refused`; empty where there is none. */
  code: string;
  /** The setting or field that is at fault, where the app says so. */
  member?: string | undefined;
}

export interface Action<A extends unknown[], T> {
  isBusy: boolean;
  failure: Failure | null;
  /** The last result; kept while the next call is under way. */
  result: T | null;
  run: (...args: A) => Promise<T | null>;
  /** Forgets the result and the failure. */
  reset: () => void;
}

/** One call at a time, whose failure stays beside what was typed: nothing that was entered is lost by it. */
export function useAction<A extends unknown[], T>(call: (...args: A) => Promise<T>): Action<A, T> {
  const [isBusy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure | null>(null);
  const [result, setResult] = useState<T | null>(null);
  const isRunning = useRef(false);

  async function run(...args: A): Promise<T | null> {
    if (isRunning.current) {
      return null;
    }
    isRunning.current = true;
    setBusy(true);
    setFailure(null);
    try {
      const value = await call(...args);
      setResult(value);
      return value;
    } catch (error) {
      setFailure({ message: explain(error), ...(error instanceof Problem ? { code: error.code, member: error.member } : { code: '' }) });
      return null;
    } finally {
      isRunning.current = false;
      setBusy(false);
    }
  }

  function reset(): void {
    setFailure(null);
    setResult(null);
  }

  return { isBusy, failure, result, run, reset };
}

/** Whether the failure is one of these, by its code or by what is at fault. */
export function isOf(failure: Failure | null, names: readonly string[]): boolean {
  return failure !== null && (names.includes(failure.code) || (failure.member !== undefined && names.includes(failure.member)));
}

/** The failure's text where it is one of these, for the field that it is about. */
export function failureOf(failure: Failure | null, ...names: string[]): string | null {
  return isOf(failure, names) ? failure!.message : null;
}
