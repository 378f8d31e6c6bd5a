/** What is to be known of single requests before they are answered. */
import type { Key } from '../../src/base/bytes.ts';
import { whyUndiallable } from '../../src/identity/address.ts';
import type { ClusterConfig } from '../../src/protocol/admin/admin.ts';
import type { Request } from '../../src/protocol/arakoon/requests.ts';
import { firstKeyOf } from '../../src/protocol/arakoon/updates.ts';

/** The first key that a request names: where its load is counted. Null where it names none. */
export function keyIn(request: Request): Key | null {
  if ('key' in request) return request.key;
  if ('keys' in request) return request.keys[0] ?? null;
  if ('prefix' in request) return request.prefix;
  if ('update' in request) return firstKeyOf(request.update);
  if (request.kind === 'revRangeEntries') return request.last ?? '';
  return 'first' in request ? (request.first ?? '') : null;
}

/** Why a request cannot be taken, whatever is stored; null where it can. */
export function whyNot(request: Request): string | null {
  const config = configIn(request);
  return config === null ? null : whyUndiallable(config);
}

/**
 * How to reach a cluster, where that is what the request is about. It is checked here, where requests come in, and never on
 * apply: replicas of two versions, with two ideas of an address, must decide alike.
 */
function configIn(request: Request): ClusterConfig | null {
  if (request.kind === 'setNurseryConfig') return { cluster: request.cluster, nodes: [...request.nodes] };
  if (request.kind !== 'adminCommand') return null;
  const { command } = request;
  if (command.kind === 'tellAddress' || command.kind === 'claimAddress') {
    const { cluster, node, ips, port } = command;
    return { cluster, nodes: [{ name: node, ips, port }] };
  }
  return command.kind === 'setClusterConfig' ? command : null;
}

/** The life that claims an address, where the request does that. */
export function claimIn(request: Request): { readonly cluster: string; readonly node: string } | null {
  return request.kind === 'adminCommand' && request.command.kind === 'claimAddress' ? request.command : null;
}

/** Whom the request introduces, or asks about, where it does. */
export function introductionIn(
  request: Request,
): { readonly cluster: string; readonly founding: string } | null {
  if (request.kind === 'adminQuery' && request.query.kind === 'standing') return request.query;
  return request.kind === 'adminCommand' && request.command.kind === 'introduce' ? request.command : null;
}
