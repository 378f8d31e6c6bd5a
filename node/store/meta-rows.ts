/** The rows that say whose store it is, and of which slot. */
import { FatalError } from '../../src/base/errors.ts';
import { decode, encode } from '../../src/wire/codec.ts';
import {
  decodeSlot,
  type Environment,
  identityCodec,
  META,
  STORE_FORMAT,
  STORE_FORMAT_BEFORE,
} from './environment.ts';
import { storeDamaged } from './failures.ts';
import type { StorePlace } from './install.ts';

/** The slot of the image, once it is known to be that node's. @throws FatalError where it is not */
export function readMeta({ dir, cluster, node }: StorePlace, environment: Environment): number {
  const identityBytes = environment.getBinary(META.IDENTITY);
  const slotBytes = environment.getBinary(META.SLOT);
  if (identityBytes === undefined || slotBytes === undefined)
    throw storeDamaged(dir, 'it does not say whose it is');
  const identity = decode(identityCodec, identityBytes);
  if (identity.format !== STORE_FORMAT && identity.format !== STORE_FORMAT_BEFORE) {
    throw new FatalError(
      'HOME_UNUSABLE',
      `store ${dir} has format ${identity.format}; this program reads ${STORE_FORMAT}`,
    );
  }
  if (identity.cluster !== cluster) {
    throw new FatalError(
      'OTHER_CLUSTER',
      `store ${dir} is of cluster ${identity.cluster}, not of ${cluster}`,
    );
  }
  if (identity.node !== node) {
    throw new FatalError('HOME_UNUSABLE', `store ${dir} is of node ${identity.node}, not of ${node}`);
  }
  return decodeSlot(slotBytes);
}

/** From here on a program that knows no runs refuses the store. */
export function renewFormat({ cluster, node }: StorePlace, environment: Environment): void {
  const identity = environment.getBinary(META.IDENTITY);
  if (identity === undefined || decode(identityCodec, identity).format === STORE_FORMAT) return;
  environment.transactionSync(() => {
    void environment.put(META.IDENTITY, encode(identityCodec, { format: STORE_FORMAT, cluster, node }));
  });
}
