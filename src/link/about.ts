/** What the ends of a link know of it, and of the requests that go over it. */
import type { Hello } from './frames.ts';

/** Who is at the other end of a link, and what it is called. */
export type LinkAbout = {
  readonly peer: Hello;
  /** Address of the other end, for people. */
  readonly remote: string;
  /** Drawn by whoever opened it; '' where the other end gave it none. */
  readonly name: string;
};

/** A request at one end of a link: it leaves, comes, is answered, or its answer comes. */
export type Followed = {
  readonly step: 'sent' | 'received' | 'answered' | 'heard';
  /** The same at both ends, and of no other request. */
  readonly id: string;
  readonly peer: Hello;
  /** The request, where it leaves or comes. */
  readonly body: Uint8Array | null;
};
