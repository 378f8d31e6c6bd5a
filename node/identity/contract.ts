/** What a node's dealings with its keeper are given, ask, and tell. */
import type { EXIT_CODES } from '../../src/base/errors.ts';
import type { KeeperRef } from '../../src/identity/founding.ts';
import type { Logger } from '../../src/process/log.ts';
import type { AdminAnswer, AdminCommand, AdminQuery } from '../../src/protocol/admin/admin.ts';
import type { Driver } from '../driver/driver.ts';
import type { Store } from '../store/types.ts';

/** What is asked of the keeper. */
export type Question =
  | { readonly kind: 'command'; readonly command: AdminCommand }
  | { readonly kind: 'query'; readonly query: AdminQuery };

/** The way to a keeper's master. */
export interface KeeperLink {
  /** `done` is called once: with the answer, or with why there is none. */
  ask(question: Question, done: (answer: AdminAnswer | string) => void): void;
  close(): void;
}

/** What peers of one founding tell one another, every second. */
export type Word = {
  readonly founding: string;
  /** The sender has heard that the founding is in force, and has served since. */
  readonly serves: boolean;
  /** Why the keeper refuses this founding for good, '' where it does not. */
  readonly refused: string;
};

export type IntroductionOptions = {
  readonly clusterId: string;
  readonly node: string;
  /** Absolute path, for people. */
  readonly home: string;
  readonly incarnation: string;
  /** Random, of this process alone. */
  readonly process: string;
  readonly ips: readonly string[];
  readonly port: number;
  readonly label: string;
  /** What the file says. */
  readonly nursery: Omit<KeeperRef, 'founding'> | null;
  readonly learners: readonly string[];
  readonly bootstrap: boolean;
  /** The operator's word for this start: serves although the keeper has not said that the founding is in force. */
  readonly withoutKeeper: boolean;
  /** Pause between two questions to the keeper while nothing is open (ms). */
  readonly restMs: number;
  readonly driver: Driver;
  readonly store: Store;
  readonly logger: Logger;
  nowMs(): number;
  /** Wall clock, for people (ms since 1970). */
  wallMs(): number;
  random(): number;
  connect(keeper: Omit<KeeperRef, 'founding'>): KeeperLink;
  /** Tells all peers. */
  tell(word: Word): void;
  stop(exit: keyof typeof EXIT_CODES, error: Error): void;
};
