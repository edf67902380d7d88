import assert from 'node:assert/strict';
import { describe, test } from 'node:test';
import { utf8 } from '@waybill/protocol';
import {
  parseOciDigest,
  parseRepository,
  parseTag,
  type OciDigest,
  type RepositoryName,
  type TagName,
} from '@waybill/protocol/oci';
import type { BlobLink, NamePage, OciChange, OciStore, StoredManifest } from '../core/oci-ports.ts';

/* The contract of OciStore as tests: every driver runs them, and what they do not ask for no caller may rely on. */

/** One fresh, empty place to store in. */
export interface OciStoreHarness {
  readonly store: OciStore;
  /** Another store over the same place, as after a restart; the first one is closed. */
  readonly reopen: () => Promise<OciStore>;
  /** Removes the place. */
  readonly dispose: () => Promise<void>;
}

type Check = (title: string, run: (harness: OciStoreHarness) => Promise<void>) => void;

/** Registers the suite for one driver; each test gets a place of its own from `open`. */
export function ociStoreSuite(driver: string, open: () => Promise<OciStoreHarness>): void {
  const check: Check = (title, run) => {
    test(title, async () => {
      const harness = await open();
      try {
        await run(harness);
      } finally {
        await harness.dispose();
      }
    });
  };
  describe(`OciStore: ${driver}`, () => {
    for (const group of [
      checkManifests,
      checkTags,
      checkDeletions,
      checkReferrers,
      checkLinks,
      checkLooseLinks,
      checkLoosePages,
      checkRepositories,
      checkTogether,
    ])
      group(check);
  });
}

/** A digest that tells `n`. */
export function sampleOciDigest(n: number, algorithm: 'sha256' | 'sha512' = 'sha256'): OciDigest {
  const digits = algorithm === 'sha256' ? 64 : 128;
  return parseOciDigest(`${algorithm}:${n.toString(16).padStart(digits, '0')}`);
}

/** A change of nothing but what is given. */
export function ociChange(change: Partial<OciChange>): OciChange {
  return { links: [], manifests: [], tags: [], ...change };
}

export function sampleLink(repository: RepositoryName, digest: OciDigest, linkedAtMs = 1): BlobLink {
  return { repository, digest, size: 10, linkedAtMs };
}

export function sampleManifest(
  repository: RepositoryName,
  digest: OciDigest,
  change: Partial<StoredManifest> = {},
): StoredManifest {
  const mediaType = 'application/vnd.oci.image.manifest.v1+json';
  const bytes = utf8(`manifest ${digest}`);
  const rest = { subject: null, artifactType: null, names: [], pushedAtMs: 7 };
  return { repository, digest, mediaType, bytes, ...rest, ...change };
}

const [DEMO, OTHER] = [parseRepository('demo/app'), parseRepository('demo/app/debug')];
const ALL: NamePage = { after: null, limit: 100 };
const tagNamed = (repository: RepositoryName, tag: string, digest: OciDigest): OciChange['tags'][number] => ({
  repository,
  tag: parseTag(tag),
  digest,
});

function checkManifests(check: Check): void {
  check('what is not there is null, or an empty list', async ({ store }) => {
    const digest = sampleOciDigest(1);
    assert.equal(await store.readManifest(DEMO, digest), null);
    assert.equal(await store.hasManifest(DEMO, digest), false);
    assert.equal(await store.readTag(DEMO, parseTag('v1')), null);
    assert.equal(await store.readLink(DEMO, digest), null);
    assert.deepEqual(await store.listTags(DEMO, ALL), []);
    assert.deepEqual(await store.listReferrers(DEMO, { subject: digest, artifactType: null, ...ALL }), []);
    assert.deepEqual(await store.listRepositories(ALL), []);
    assert.equal(await store.hasRepository(DEMO), false);
  });

  check('a manifest comes back as it was put, also after a restart', async ({ store, reopen }) => {
    const names = [sampleOciDigest(9), sampleOciDigest(3), sampleOciDigest(5, 'sha512')];
    const manifests = [
      sampleManifest(DEMO, sampleOciDigest(1), { names, subject: sampleOciDigest(2), artifactType: 'a\u0000/ü' }),
      sampleManifest(DEMO, sampleOciDigest(2, 'sha512'), { bytes: new Uint8Array(0), mediaType: 'x/y\u0000z' }),
    ];
    await store.write(ociChange({ manifests }), true);
    for (const { names: _, ...kept } of manifests) assert.deepEqual(await store.readManifest(DEMO, kept.digest), kept);
    const after = await reopen();
    for (const { names: _, ...kept } of manifests) assert.deepEqual(await after.readManifest(DEMO, kept.digest), kept);
    await after.close();
  });

  check('a manifest is its repository’s alone; put again it is replaced, and may name one twice', async ({ store }) => {
    const digest = sampleOciDigest(1);
    await store.write(ociChange({ manifests: [sampleManifest(DEMO, digest)] }), false);
    assert.equal(await store.readManifest(OTHER, digest), null);
    assert.deepEqual([await store.hasManifest(DEMO, digest), await store.hasManifest(OTHER, digest)], [true, false]);
    const [a, b] = [sampleOciDigest(8), sampleOciDigest(4)];
    const again = sampleManifest(DEMO, digest, { names: [a, b, a], pushedAtMs: 8 });
    await store.write(ociChange({ manifests: [again], links: [sampleLink(DEMO, a), sampleLink(DEMO, b)] }), false);
    assert.equal((await store.readManifest(DEMO, digest))?.pushedAtMs, 8);
    const loose = async (): Promise<number> => (await store.listLooseLinks(50, { after: null, limit: 10 })).length;
    assert.equal(await loose(), 0);
    await store.deleteManifest(DEMO, digest);
    assert.equal(await loose(), 2);
  });
}

function checkTags(check: Check): void {
  check('a tag moves, and is its repository’s alone', async ({ store }) => {
    const tag = parseTag('latest');
    await store.write(ociChange({ tags: [tagNamed(DEMO, 'latest', sampleOciDigest(1))] }), false);
    await store.write(ociChange({ tags: [tagNamed(DEMO, 'latest', sampleOciDigest(2))] }), true);
    assert.equal(await store.readTag(DEMO, tag), sampleOciDigest(2));
    assert.equal(await store.readTag(OTHER, tag), null);
    assert.deepEqual(await store.listTags(DEMO, ALL), [{ tag, digest: sampleOciDigest(2) }]);
    assert.equal(await store.deleteTag(OTHER, tag), false);
    assert.equal(await store.deleteTag(DEMO, tag), true);
    assert.equal(await store.deleteTag(DEMO, tag), false);
    assert.equal(await store.readTag(DEMO, tag), null);
  });

  check('tags are listed in byte order, a page at a time', async ({ store }) => {
    const order = ['1.0', '1.0-a', '1.10', '1.2', 'A', 'B', '_', 'a', 'aa', 'b'];
    const tags = order.toReversed().map((tag, i) => tagNamed(DEMO, tag, sampleOciDigest(i)));
    await store.write(ociChange({ tags: [...tags, tagNamed(OTHER, 'Z', sampleOciDigest(1))] }), false);
    const named = async (page: NamePage): Promise<TagName[]> =>
      (await store.listTags(DEMO, page)).map(({ tag }) => tag);
    assert.deepEqual(await named(ALL), order);
    assert.deepEqual(await named({ after: null, limit: 0 }), []);
    assert.deepEqual(await named({ after: null, limit: 3 }), order.slice(0, 3));
    assert.deepEqual(await named({ after: '1.10', limit: 3 }), order.slice(3, 6));
    // Whether it is there or not.
    assert.deepEqual(await named({ after: '1.1', limit: 2 }), order.slice(2, 4));
    assert.deepEqual(await named({ after: 'b', limit: 2 }), []);
  });
}

function checkDeletions(check: Check): void {
  check('a manifest takes the tags that point at it along, and nothing else', async ({ store, reopen }) => {
    const [gone, stays] = [sampleOciDigest(1), sampleOciDigest(2)];
    const manifests = [DEMO, OTHER].flatMap((repository) => [
      sampleManifest(repository, gone),
      sampleManifest(repository, stays),
    ]);
    const tags = [
      tagNamed(DEMO, 'a', gone),
      tagNamed(DEMO, 'b', gone),
      tagNamed(DEMO, 'c', stays),
      tagNamed(OTHER, 'a', gone),
    ];
    await store.write(ociChange({ manifests, tags }), false);
    assert.equal(await store.deleteManifest(DEMO, gone), true);
    assert.equal(await store.deleteManifest(DEMO, gone), false);
    const after = await reopen();
    assert.equal(await after.readManifest(DEMO, gone), null);
    assert.deepEqual(await after.listTags(DEMO, ALL), [{ tag: parseTag('c'), digest: stays }]);
    assert.deepEqual(await after.listTags(OTHER, ALL), [{ tag: parseTag('a'), digest: gone }]);
    assert.notEqual(await after.readManifest(OTHER, gone), null);
    await after.close();
  });
}

function checkReferrers(check: Check): void {
  check('referrers are listed by digest, of one subject in one repository, by type where asked', async ({ store }) => {
    const [subject, other] = [sampleOciDigest(100), sampleOciDigest(101, 'sha512')];
    const manifests = [5, 3, 4, 1, 2].map((n) =>
      sampleManifest(DEMO, sampleOciDigest(n), { subject, artifactType: n === 3 ? null : `type/${n % 2}` }),
    );
    const strangers = [
      sampleManifest(DEMO, sampleOciDigest(6), { subject: other, artifactType: 'type/1' }),
      sampleManifest(OTHER, sampleOciDigest(7), { subject, artifactType: 'type/1' }),
      sampleManifest(DEMO, sampleOciDigest(8)),
    ];
    await store.write(ociChange({ manifests: [...manifests, ...strangers] }), false);
    const listed = async (asked: NamePage & { artifactType: string | null }): Promise<OciDigest[]> =>
      (await store.listReferrers(DEMO, { subject, ...asked })).map(({ digest }) => digest);
    const digests = (...numbers: readonly number[]): OciDigest[] => numbers.map((n) => sampleOciDigest(n));
    assert.deepEqual(await listed({ artifactType: null, ...ALL }), digests(1, 2, 3, 4, 5));
    assert.deepEqual(await listed({ artifactType: 'type/1', ...ALL }), digests(1, 5));
    assert.deepEqual(await listed({ artifactType: 'type/', ...ALL }), []);
    assert.deepEqual(await listed({ artifactType: null, after: sampleOciDigest(2), limit: 2 }), digests(3, 4));
    assert.deepEqual(await listed({ artifactType: 'type/1', after: sampleOciDigest(1), limit: 2 }), digests(5));
    const [first] = await store.listReferrers(DEMO, { subject, artifactType: null, after: null, limit: 1 });
    const { digest, mediaType, artifactType, bytes } = sampleManifest(DEMO, sampleOciDigest(1), {
      artifactType: 'type/1',
    });
    assert.deepEqual(first, { digest, mediaType, artifactType, bytes });
    await store.deleteManifest(DEMO, sampleOciDigest(1));
    assert.deepEqual(await listed({ artifactType: 'type/1', ...ALL }), digests(5));
  });
}

function checkLinks(check: Check): void {
  check('a blob is its repositories’; written again a link is the newer one', async ({ store }) => {
    const digest = sampleOciDigest(1, 'sha512');
    const repositories = ['b', 'a/b', 'a', 'a-b'].map(parseRepository);
    const links = repositories.map((repository) => sampleLink(repository, digest));
    await store.write(ociChange({ links }), false);
    assert.deepEqual(await store.listLinked(digest, ALL), ['a', 'a-b', 'a/b', 'b']);
    assert.deepEqual(await store.listLinked(digest, { after: 'a-b', limit: 1 }), ['a/b']);
    assert.equal(await store.readLink(DEMO, digest), null);
    const [b, , a] = repositories;
    assert.ok(a !== undefined && b !== undefined);
    const newer = sampleLink(a, digest, 99);
    await store.write(ociChange({ links: [newer] }), false);
    assert.deepEqual(await store.readLink(a, digest), newer);
    assert.equal(await store.isLinked(digest), true);
    for (const repository of repositories) assert.equal(await store.deleteLink(repository, digest), true);
    assert.equal(await store.deleteLink(b, digest), false);
    assert.equal(await store.isLinked(digest), false);
  });
}

function checkLooseLinks(check: Check): void {
  check('loose are links that no manifest of their repository names, oldest first', async ({ store }) => {
    const [named, lateNamed, loose, young] = [1, 2, 3, 4].map((n) => sampleOciDigest(n));
    assert.ok(named !== undefined && lateNamed !== undefined && loose !== undefined && young !== undefined);
    const links = [
      sampleLink(DEMO, named, 10),
      sampleLink(OTHER, named, 12),
      sampleLink(DEMO, lateNamed, 9),
      sampleLink(DEMO, loose, 11),
      sampleLink(DEMO, young, 50),
    ];
    const first = sampleManifest(DEMO, sampleOciDigest(20), { names: [named] });
    await store.write(ociChange({ links, manifests: [first] }), false);
    const listed = async (limit = 10): Promise<[RepositoryName, OciDigest][]> =>
      (await store.listLooseLinks(50, { after: null, limit })).map((link) => [link.repository, link.digest]);
    assert.deepEqual(await listed(), [
      [DEMO, lateNamed],
      [DEMO, loose],
      [OTHER, named],
    ]);
    assert.deepEqual(await listed(1), [[DEMO, lateNamed]]);
    const second = sampleManifest(DEMO, sampleOciDigest(21), { names: [lateNamed, named] });
    await store.write(ociChange({ manifests: [second] }), false);
    await store.deleteManifest(DEMO, first.digest);
    assert.deepEqual(await listed(), [
      [DEMO, loose],
      [OTHER, named],
    ]);
    // A link that comes after the manifest that names it is not loose either.
    await store.deleteLink(DEMO, named);
    await store.write(ociChange({ links: [sampleLink(DEMO, named, 13)] }), false);
    assert.equal((await listed()).length, 2);
    await store.deleteManifest(DEMO, second.digest);
    assert.equal((await listed()).length, 4);
  });

  check('of listed links those go that are still loose, and were not written again', async ({ store }) => {
    const [goes, named, again] = [1, 2, 3].map((n) => sampleLink(DEMO, sampleOciDigest(n), n));
    assert.ok(goes !== undefined && named !== undefined && again !== undefined);
    await store.write(ociChange({ links: [goes, named, again] }), false);
    const listed = await store.listLooseLinks(100, { after: null, limit: 10 });
    assert.deepEqual(listed, [goes, named, again]);
    const manifest = sampleManifest(DEMO, sampleOciDigest(20), { names: [named.digest] });
    const links = [{ ...again, linkedAtMs: 200 }];
    await store.write(ociChange({ links, manifests: [manifest] }), false);
    assert.deepEqual(await store.deleteLooseLinks(listed), [goes]);
    assert.equal(await store.readLink(DEMO, goes.digest), null);
    assert.deepEqual(await store.readLink(DEMO, named.digest), named);
    assert.deepEqual(await store.readLink(DEMO, again.digest), links[0]);
    assert.deepEqual(await store.deleteLooseLinks(listed), []);
  });
}

function checkLoosePages(check: Check): void {
  check('loose links come page by page, those of one moment, too', async ({ store }) => {
    const links = [DEMO, OTHER].flatMap((repository) =>
      [1, 2, 3, 4].map((n) => sampleLink(repository, sampleOciDigest(n), Math.ceil(n / 2))),
    );
    await store.write(ociChange({ links }), false);
    const all = await store.listLooseLinks(10, { after: null, limit: 100 });
    assert.equal(all.length, links.length);
    const paged: BlobLink[] = [];
    for (let after: BlobLink | null = null; ;) {
      const page: BlobLink[] = await store.listLooseLinks(10, { after, limit: 3 });
      paged.push(...page);
      after = page.at(-1) ?? null;
      if (after === null) break;
    }
    assert.deepEqual(paged, all);
  });
}

function checkRepositories(check: Check): void {
  check('a repository is there while it has a manifest, a tag or a blob', async ({ store }) => {
    const [a, b, c] = ['c', 'a/z', 'a-z'].map(parseRepository);
    assert.ok(a !== undefined && b !== undefined && c !== undefined);
    const digest = sampleOciDigest(1);
    const links = [sampleLink(a, digest), sampleLink(b, digest)];
    const tags = [tagNamed(b, 'x', digest)];
    await store.write(ociChange({ links, tags, manifests: [sampleManifest(c, digest)] }), false);
    assert.deepEqual(await store.listRepositories(ALL), ['a-z', 'a/z', 'c']);
    assert.deepEqual(await store.listRepositories({ after: 'a-z', limit: 1 }), ['a/z']);
    assert.deepEqual(await store.listRepositories({ after: null, limit: 0 }), []);
    for (const repository of [a, b, c]) assert.equal(await store.hasRepository(repository), true);
    assert.equal(await store.hasRepository(parseRepository('a')), false);
    await store.deleteLink(b, digest);
    assert.equal(await store.hasRepository(b), true);
    await store.deleteTag(b, parseTag('x'));
    await store.deleteManifest(c, digest);
    assert.deepEqual(await store.listRepositories(ALL), ['c']);
  });
}

function checkTogether(check: Check): void {
  check('changes that are asked for at once all come through, in their order', async ({ store, reopen }) => {
    const digests = Array.from({ length: 300 }, (_, i) => sampleOciDigest(i));
    await Promise.all(
      digests.map((digest, i) =>
        store.write(
          ociChange({ links: [sampleLink(DEMO, digest)], tags: [tagNamed(DEMO, 'newest', digest)] }),
          i % 7 === 0,
        ),
      ),
    );
    const after = await reopen();
    assert.equal(await after.readTag(DEMO, parseTag('newest')), digests.at(-1));
    for (const digest of digests) assert.notEqual(await after.readLink(DEMO, digest), null);
    await after.close();
  });
}
