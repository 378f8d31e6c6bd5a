/** What is asked of a node itself, and not of what its cluster has agreed on. */
import { unreachable } from '../../src/base/assert.ts';
import type { AdminAnswer, AdminQuery } from '../../src/protocol/admin/admin.ts';
import { promote } from './promote.ts';
import type { RequestContext } from './request-context.ts';
import { nodeFacts } from './status.ts';

type OwnQuery = Extract<AdminQuery, { kind: 'nodeFacts' | 'promote' | 'listBuckets' }>;

/** Answers, at once or once the store has told. */
export function answerOfNode(
  context: RequestContext,
  query: OwnQuery,
  answer: (answer: AdminAnswer) => void,
): void {
  switch (query.kind) {
    case 'nodeFacts':
      answer({ kind: 'nodeFacts', ...nodeFacts(context) });
      return;
    case 'promote':
      answer(promote(context, query));
      return;
    case 'listBuckets':
      if (context.buckets === undefined) answer({ kind: 'buckets', buckets: null });
      else context.buckets((buckets) => answer({ kind: 'buckets', buckets }));
      return;
    default:
      unreachable(query);
  }
}
