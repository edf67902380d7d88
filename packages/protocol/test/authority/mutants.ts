import { RULES, type Rules } from './naive-model.ts';

/** Rules that are wrong in one thing each: a run that cannot tell one from the implementation proves nothing about it. */
export const MUTANTS: Readonly<Record<string, Rules>> = {
  'whoever forgets not_after': without('expired'),
  'whoever forgets the range of versions': without('version'),
  'whoever forgets the media types': without('media-type'),
  'whoever forgets the largest size': without('size'),
  'whoever forgets the types of annotations': without('annotation-type'),
  'an expiry a second early': replaced('expired', ({ notAfter }, { time }) => notAfter === null || time < notAfter),
  'a size that has to be below': replaced(
    'size',
    ({ sizeMax }, { permission, size }) =>
      permission !== 'release' || sizeMax === null || (size !== null && size < sizeMax),
  ),
  'a range without its least version': replaced(
    'version',
    (said, act) => RULES.predicates.every(([, holds]) => holds(said, act)) && said.versionMin !== act.version,
  ),
  'a release that names no media type and passes': replaced(
    'media-type',
    ({ mediaTypes }, { mediaType }) => mediaType === null || mediaTypes.length === 0 || mediaTypes.includes(mediaType),
  ),
  'predicates in another order': { ...RULES, predicates: RULES.predicates.toReversed() },
  'whoever looks at the grant alone': { ...RULES, chain: (_, grant) => [grant] },
  'whoever reads the chain from above': { ...RULES, chain: (all, grant) => RULES.chain(all, grant).toReversed() },
  'a revocation that does not reach below': { ...RULES, revocationCounts: (ofItself) => ofItself },
  'a revocation that reaches only below': { ...RULES, revocationCounts: (ofItself) => !ofItself },
  'one key for a threshold': { ...RULES, acts: ({ keys }, signers) => keys.some((key) => signers.includes(key)) },
  'all keys for a threshold': { ...RULES, acts: ({ keys }, signers) => keys.every((key) => signers.includes(key)) },
  'a grant of what one has not': {
    ...RULES,
    covers: (held, permission) => held.includes('grant') || RULES.covers(held, permission),
  },
  'annotate:* that stands for nothing': { ...RULES, covers: (held, permission) => held.includes(permission) },
  'a grant of depth 9': { ...RULES, depthMax: 9 },
  'no grant of depth 8': { ...RULES, depthMax: 7 },
  'a stranger who revokes': { ...RULES, mayRevoke: () => true },
  'nobody above who revokes': { ...RULES, mayRevoke: (under, { id }) => under === '' || under === id },
  'no holder who revokes its own': {
    ...RULES,
    mayRevoke: (under, target, above) => under !== target.id && RULES.mayRevoke(under, target, above),
  },
  'a root given to whoever does not know': { ...RULES, newHolderMustAct: false },
};

function without(reason: string): Rules {
  return { ...RULES, predicates: RULES.predicates.filter(([name]) => name !== reason) };
}

function replaced(reason: string, holds: Rules['predicates'][number][1]): Rules {
  return { ...RULES, predicates: RULES.predicates.map((row) => (row[0] === reason ? [reason, holds] : row)) };
}
