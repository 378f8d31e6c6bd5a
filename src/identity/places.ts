/** Where nodes are: disks, machines and racks, each of which may fail as a whole. */

/** The smallest first. */
export const PLACE_KINDS = ['disk', 'machine', 'rack'] as const;
export type PlaceKind = (typeof PLACE_KINDS)[number];

/** Where one node is, by the names that people have given; '' where nobody says. */
export type Places = { readonly [K in PlaceKind]: string };

export const NO_PLACES: Places = { disk: '', machine: '', rack: '' };

/** One place as people read it; null where nobody says. Disks of two machines are two, though both are called the same. */
export function placeOf(kind: PlaceKind, places: Places): string | null {
  if (places[kind] === '') return null;
  const of = kind === 'disk' && places.machine !== '' ? ` of machine ${places.machine}` : '';
  return `${kind} ${places[kind]}${of}`;
}

/** The smallest place that both are at; null where there is none, as far as is known. */
export function sharedPlace(a: Places, b: Places): PlaceKind | null {
  return (
    PLACE_KINDS.find((kind) => {
      const place = placeOf(kind, a);
      return place !== null && place === placeOf(kind, b);
    }) ?? null
  );
}
