/** Who listens where, in one configuration: two at one place would be one node to everybody who dials it. */
import { addressKey, printAddress } from '../identity/address.ts';
import { type Ini, sectionOf } from './ini.ts';

/** Hosts and one port, and the section and key that name the port. */
export type Place = {
  readonly section: string;
  readonly key: string;
  readonly ips: readonly string[];
  readonly port: number;
};

/** @throws FatalError CONFIG where an address and port are named twice, for one node or for two */
export function refuseSharedPlaces(ini: Ini, places: readonly Place[]): void {
  const taken = new Map<string, Place>();
  for (const place of places) {
    const { ips, port } = place;
    for (const ip of ips) {
      const id = addressKey(ip, port);
      const other = taken.get(id);
      if (other !== undefined) throw shared(ini, place, other, printAddress(ip, port));
      taken.set(id, place);
    }
  }
}

function shared(ini: Ini, { section: name, key }: Place, other: Place, address: string): Error {
  const section = sectionOf(ini, name, 'a node');
  if (other.section === name && other.key === key) {
    return section.wrong('ip', `${address} stands there twice; keep one`);
  }
  return section.wrong(key, `${address} is [${other.section}] ${other.key} already; each address once`);
}
