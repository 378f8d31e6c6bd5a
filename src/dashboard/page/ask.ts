/** What the page asks of the process that served it. */
import type { Document } from '../document.ts';
import { byId } from './dom.ts';

/** How long an answer may take (ms): one is gathered within two seconds, whatever is down; some actions are watched for five. */
const ANSWER_MS = 5000;
const ACTION_MS = 15_000;
/** Where this tab keeps the token. */
const TOKEN = 'nursery-token';

export type Asked = { readonly action: string; readonly [more: string]: unknown };
type Answered<T> = { readonly answer: T; readonly why: '' } | { readonly answer: null; readonly why: string };

/** All that is known. */
export function askDocument(): Promise<Answered<Document>> {
  return fetched('document', {}, ANSWER_MS);
}

/** Has something done by whoever has the token. */
export function act(asked: Asked): Promise<Answered<object>> {
  const headers = {
    'content-type': 'application/json',
    'x-nursery-token': byId<HTMLInputElement>('token').value,
  };
  return fetched('moves', { method: 'POST', headers, body: JSON.stringify(asked) }, ACTION_MS);
}

/** A token may come behind the address, where no server sees it; it is taken out of sight. Kept for as long as the tab is open. */
export function keepToken(): void {
  const input = byId<HTMLInputElement>('token');
  const given = /^#token=([\x21-\x7e]+)$/.exec(location.hash)?.[1];
  if (given !== undefined) {
    sessionStorage.setItem(TOKEN, decodeURIComponent(given));
    history.replaceState(null, '', location.pathname);
  }
  input.value = sessionStorage.getItem(TOKEN) ?? '';
  input.addEventListener('input', () => sessionStorage.setItem(TOKEN, input.value));
}

async function fetched<T>(path: string, init: RequestInit, forMs: number): Promise<Answered<T>> {
  try {
    const response = await fetch(path, { ...init, cache: 'no-store', signal: AbortSignal.timeout(forMs) });
    const body = (await response.json()) as T & { readonly error?: { readonly message: string } };
    if (response.ok) return { answer: body, why: '' };
    return { answer: null, why: body.error?.message ?? `it answers ${response.status}` };
  } catch (error) {
    const isLate = error instanceof DOMException && error.name === 'TimeoutError';
    return { answer: null, why: isLate ? `no answer within ${forMs / 1000} s` : 'it cannot be reached' };
  }
}
