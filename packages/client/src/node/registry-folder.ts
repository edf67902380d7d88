import path from 'node:path';

/** The folder name of a registry: host, port and path, each registry its own, no separator of any system in it. */
export function registryFolder(root: string, baseUrl: URL): string {
  const { protocol, host, pathname } = baseUrl;
  const label = `${protocol === 'http:' ? 'http-' : ''}${host}${pathname}`;
  const safe = encodeURIComponent(label.replace(/\/$/, '')).replaceAll('%', '=').replaceAll('*', '=2A');
  return path.join(root, 'registries', safe);
}
