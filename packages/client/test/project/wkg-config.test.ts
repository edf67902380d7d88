import assert from 'node:assert/strict';
import { test } from 'node:test';
import { wkgConfigWith } from '@waybill/client';
import { isRegistryError, parseNamespace } from '@waybill/protocol';

const HERE = 'http://127.0.0.1:8090/';
const AFAR = 'https://registry.example/';

interface Case {
  readonly title: string;
  readonly url: string;
  readonly namespaces: readonly string[] | null;
  readonly before: string;
  /** `null`: it is refused. */
  readonly after: string | null;
}

const CASES: readonly Case[] = [
  {
    title: 'no file yet: wasi and ba still go where wkg would send them',
    url: HERE,
    namespaces: null,
    before: '',
    after: `default_registry = "127.0.0.1:8090"

[namespace_registries]
wasi = "wasi.dev"
ba = "bytecodealliance.org"

[registry."127.0.0.1:8090".oci]
protocol = "http"
`,
  },
  {
    title: 'over https nothing is said of the protocol',
    url: AFAR,
    namespaces: ['demo', 'wasi'],
    before: '',
    after: '[namespace_registries]\ndemo = "registry.example"\nwasi = "registry.example"\n',
  },
  {
    title: 'comments, order, spaces and line ends stay',
    url: HERE,
    namespaces: null,
    before:
      '# mine\r\ndefault_registry   = \'old.example\' # \'long\' ago\r\n\r\n[ namespace_registries ] # all\r\n"wasi"=\'wasi.dev\'\r\nmine = { registry = "x.example", metadata = { preferredProtocol = "oci" } }\r\n\r\n# last\r\n[package_registry_overrides]\r\n"a:b" = "c.example"',
    after:
      '# mine\r\ndefault_registry   = "127.0.0.1:8090" # \'long\' ago\r\n\r\n[ namespace_registries ] # all\r\n"wasi"=\'wasi.dev\'\r\nmine = { registry = "x.example", metadata = { preferredProtocol = "oci" } }\r\nba = "old.example"\r\n\r\n# last\r\n[package_registry_overrides]\r\n"a:b" = "c.example"\r\n\r\n[registry."127.0.0.1:8090".oci]\r\nprotocol = "http"\r\n',
  },
  {
    title: 'a namespace that went to another place by more than a name goes here',
    url: AFAR,
    namespaces: ['mine'],
    before: '[namespace_registries]\nmine = { registry = "x", metadata = { preferredProtocol = "oci" } } # by hand\n',
    after: '[namespace_registries]\nmine = "registry.example" # by hand\n',
  },
  {
    title: 'credentials of the registry stay beside its protocol',
    url: HERE,
    namespaces: ['demo'],
    before: '[registry.\'127.0.0.1:8090\'."oci"]\nauth = "bWU6c2VjcmV0"\n',
    after:
      '[registry.\'127.0.0.1:8090\'."oci"]\nauth = "bWU6c2VjcmV0"\nprotocol = "http"\n\n[namespace_registries]\ndemo = "127.0.0.1:8090"\n',
  },
  {
    title: 'a registry that is reached by https now is told so',
    url: AFAR,
    namespaces: ['demo'],
    before: '[registry."registry.example".oci]\nprotocol = "http"\n\n[namespace_registries]\n',
    after:
      '[registry."registry.example".oci]\nprotocol = "https"\n\n[namespace_registries]\ndemo = "registry.example"\n',
  },
  {
    title: 'what looks like a table in a text is none',
    url: AFAR,
    namespaces: ['demo'],
    before: 'note = """\n[namespace_registries]\n"""\n',
    after: null,
  },
  { title: 'no TOML', url: AFAR, namespaces: null, before: 'default_registry = \n', after: null },
  { title: 'a key twice', url: AFAR, namespaces: null, before: 'a = 1\na = 2\n', after: null },
  { title: 'a default that is no text', url: AFAR, namespaces: null, before: 'default_registry = 1\n', after: null },
  {
    title: 'namespaces that are no table',
    url: AFAR,
    namespaces: ['a'],
    before: 'namespace_registries = 1\n',
    after: null,
  },
  {
    title: 'a table in one line',
    url: AFAR,
    namespaces: ['demo'],
    before: 'namespace_registries = { wasi = "wasi.dev" }\n',
    after: null,
  },
  {
    title: 'a namespace that has a table of its own',
    url: AFAR,
    namespaces: ['demo'],
    before: '[namespace_registries]\n[namespace_registries.demo]\nregistry = "x"\n',
    after: null,
  },
  {
    title: 'a value that goes over several lines',
    url: AFAR,
    namespaces: null,
    before: 'default_registry = """\nold.example"""\n',
    after: null,
  },
  { title: 'a registry below a path', url: `${AFAR}waybill/`, namespaces: null, before: '', after: null },
];

for (const { title, url, namespaces, before, after } of CASES) {
  test(`wkg's configuration: ${title}`, () => {
    const registry = { url: new URL(url), namespaces: namespaces?.map(parseNamespace) ?? null };
    const change = (text: string): string => wkgConfigWith(registry, { file: 'config.toml', text }).text;
    if (after === null) {
      assert.throws(
        () => change(before),
        (failure) => isRegistryError(failure) && failure.code === 'usage/invalid',
      );
      return;
    }
    assert.equal(change(before), after);
    assert.equal(change(after), after);
  });
}

test("wkg's configuration: the default that was replaced is told once", () => {
  const registry = { url: new URL(AFAR), namespaces: null };
  const first = wkgConfigWith(registry, { file: 'config.toml', text: 'default_registry = "old.example"\n' });
  assert.equal(first.replacedDefault, 'old.example');
  assert.equal(wkgConfigWith(registry, { file: 'config.toml', text: first.text }).replacedDefault, null);
});
