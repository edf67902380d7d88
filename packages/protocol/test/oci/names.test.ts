import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parsePackageName } from '../../src/names/package-name.ts';
import { parseVersion } from '../../src/names/version.ts';
import {
  packageOf,
  parseOciDigest,
  parseReference,
  parseRepository,
  parseTag,
  repositoryOf,
  tagOf,
  versionOf,
} from '../../src/oci/oci-names.ts';
import { formatScopes, parseScope, parseScopes, SCOPES_MAX, type OciScope } from '../../src/oci/scopes.ts';
import { outcome, readVectors } from './vector-cases.ts';

interface TextCase {
  readonly clause: string;
  readonly text: string;
  readonly expect: string;
  /** Of a reference. */
  readonly is?: 'tag' | 'digest';
  readonly package?: string;
  readonly version?: string;
  readonly scope?: { readonly type: string; readonly repository?: string; readonly actions?: readonly string[] };
}

function readTexts(file: string): readonly TextCase[] {
  return JSON.parse(readVectors(file));
}

const PARSERS: Readonly<Record<string, (text: string) => unknown>> = {
  repository: parseRepository,
  tag: parseTag,
  digest: parseOciDigest,
  reference: parseReference,
};

for (const [kind, parse] of Object.entries(PARSERS)) {
  test(`vectors of OCI: W4: ${kind}`, () => {
    for (const { text, clause, expect } of readTexts(`${kind}.json`)) {
      assert.equal(
        outcome(() => parse(text)),
        expect,
        `${clause}: ${JSON.stringify(text)}`,
      );
    }
  });
}

test('vectors of OCI: a reference is a digest, or a tag, and never taken for the other', () => {
  for (const { text, is } of readTexts('reference.json')) {
    if (is !== undefined) assert.deepEqual(parseReference(text), { [is]: text });
  }
});

test('vectors of OCI: which repository a package has, and back', () => {
  for (const { text, package: name, clause } of readTexts('package.json')) {
    assert.equal(packageOf(parseRepository(text)), name ?? null, `${clause}: ${text}`);
    if (name !== undefined) assert.equal(repositoryOf(parsePackageName(name)), text);
  }
});

test('vectors of OCI: which version a tag is, and back', () => {
  for (const { text, version, clause } of readTexts('version.json')) {
    assert.equal(versionOf(parseTag(text)), version ?? null, `${clause}: ${text}`);
    if (version !== undefined) assert.equal(tagOf(parseVersion(version)), text);
  }
});

/** Sets as lists in the order in which they are written. */
function plainScope(scope: OciScope | null): unknown {
  return scope?.type === 'repository' ? { ...scope, actions: [...scope.actions] } : scope;
}

test('vectors of OCI: scopes', () => {
  for (const { text, scope, clause } of readTexts('scope.json')) {
    const parsed = parseScope(text);
    assert.deepEqual(plainScope(parsed), scope ?? null, `${clause}: ${text}`);
    if (parsed !== null) assert.deepEqual(parseScope(formatScopes([parsed])), parsed, text);
  }
});

test('oci 11.5: scopes stand in one text or in several, and what is malformed takes no other with it', () => {
  const texts = ['repository:a:pull nonsense  repository:b:push', '', 'registry:catalog:*'];
  assert.deepEqual(parseScopes(texts).map(plainScope), [
    { type: 'repository', repository: 'a', actions: ['pull'] },
    { type: 'repository', repository: 'b', actions: ['push'] },
    { type: 'catalog' },
  ]);
  const many = Array.from({ length: SCOPES_MAX + 1 }, (_, i) => `repository:r${i}:pull`);
  assert.equal(parseScopes([many.join(' ')]).length, SCOPES_MAX);
  assert.equal(parseScopes(many).length, SCOPES_MAX);
});
