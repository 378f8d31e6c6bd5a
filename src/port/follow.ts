/** At log level debug each request on a link has its lines, in the logs of both ends, with one id: so one can be followed. */
import { printKey } from '../base/bytes.ts';
import type { Followed } from '../link/about.ts';
import type { LinkHandlers } from '../link/link.ts';
import type { Logger, LogLevel } from '../process/log.ts';
import { kindOfCode, REQUEST_CODES, requestName } from '../protocol/arakoon/request-table.ts';
import { requestCode } from '../protocol/arakoon/requests.ts';
import { KEY_SHOWN_MAX, keyIn } from './slow-requests.ts';

const LINES: { readonly [step in Followed['step']]: string } = {
  sent: 'request sent',
  received: 'request received',
  answered: 'request answered',
  heard: 'answer received',
};

/** Logs them for a process whose log has this level; nothing where it is not debug, at no cost. */
export function following(logger: Pick<Logger, 'debug'>, level: LogLevel): Pick<LinkHandlers, 'follow'> {
  if (level !== 'debug') return {};
  return {
    follow: ({ step, id, peer, body }) =>
      logger.debug(
        { id, peer: `${peer.role} ${peer.node}`.trim(), ...(body === null ? {} : factsOf(body)) },
        LINES[step],
      ),
  };
}

/** What a request is, and of which key. */
function factsOf(frame: Uint8Array): object {
  const kind = kindOfCode(requestCode(frame));
  if (kind === undefined) return {};
  const key = keyIn({ kind, frame, key: null });
  return {
    request: requestName(REQUEST_CODES[kind]),
    ...(key === null ? {} : { key: printKey(key).slice(0, KEY_SHOWN_MAX) }),
  };
}
