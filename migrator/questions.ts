/** What is asked of a keeper beside what a coordinator asks, and answers that a question does not have. */
import { NurseryError } from '../src/base/errors.ts';
import type { AdminAnswer, Migration } from '../src/protocol/admin/admin.ts';
import type { Cluster } from './world.ts';

/** For an answer to a command, or to a short query (ms). */
export const ANSWER_MS = 5000;

/** Every migration that the keeper knows, ended ones included. */
export async function listMigrations(keeper: Cluster): Promise<Migration[]> {
  const answer = await keeper.query({ kind: 'listMigrations' }, { to: 'master', deadlineMs: ANSWER_MS });
  if (answer.kind !== 'migrations') throw unexpected('listMigrations', answer);
  return answer.migrations;
}

/** The error for an answer that the question does not have. */
export function unexpected(question: string, answer: AdminAnswer): NurseryError {
  const why = 'why' in answer ? answer.why : `the answer is ${answer.kind}`;
  return new NurseryError('REFUSED', `${question}: ${why}`);
}
