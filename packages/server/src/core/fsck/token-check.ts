import type { StoreInspection } from '../ports.ts';
import type { Findings } from './findings.ts';

/** Tokens derive from nothing: one that cannot be read is named, for its holder to get another. */
export async function checkTokens(store: StoreInspection, findings: Findings): Promise<void> {
  for (const token of await store.listTokens()) {
    if ('problem' in token) findings.add('token', `token ${token.key}`, token.problem);
  }
}
