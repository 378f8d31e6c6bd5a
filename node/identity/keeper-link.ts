/** A node's way to its keeper, over links. */
import { ClusterClient } from '../../src/client/cluster-client.ts';
import type { KeeperRef } from '../../src/identity/founding.ts';
import type { AdminAnswer } from '../../src/protocol/admin/admin.ts';
import type { KeeperLink, Question } from './contract.ts';

/** How long the keeper may take for an answer, an election included (ms). */
const ANSWER_MS = 5000;

/** Opens connections as they are needed. */
export function connectKeeper({ cluster, nodes }: Omit<KeeperRef, 'founding'>, node: string): KeeperLink {
  const client = new ClusterClient({ cluster, nodes }, { role: 'node', node });
  const answerOf = (question: Question): Promise<AdminAnswer> =>
    question.kind === 'command'
      ? client.command(question.command, { deadlineMs: ANSWER_MS })
      : client.query(question.query, { to: 'master', deadlineMs: ANSWER_MS });
  return {
    ask: (question, done) => {
      answerOf(question).then(done, (error: Error) => done(error.message));
    },
    close: () => client.close(),
  };
}
