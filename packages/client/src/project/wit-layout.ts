import type { WitReading } from './content-survey.ts';

/** A WIT package that is to lie with others in a folder. */
export interface WitMember extends Pick<WitReading, 'uses'> {
  /** `namespace:name@version`. */
  readonly id: string;
  readonly hasText: boolean;
}

/**
 * Those that lie there in the binary form, which has copies in it of what it uses: what has no text, or uses a package that is
 * not there. And, in turn, what such a package has copies of: tools that have read those take no text of the same package.
 */
export function binaryMembers(members: readonly WitMember[]): ReadonlySet<string> {
  const byId = new Map(members.map((member) => [member.id, member]));
  const binary = new Set(
    members.filter(({ hasText, uses }) => !hasText || uses.some((id) => !byId.has(id))).map(({ id }) => id),
  );
  for (const id of binary) for (const used of byId.get(id)?.uses ?? []) if (byId.has(used)) binary.add(used);
  return binary;
}
