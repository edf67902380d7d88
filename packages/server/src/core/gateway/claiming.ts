import {
  annotationBody,
  AnnotationBook,
  cosignContents,
  decodeSignedRecord,
  decodeUnsignedRecord,
  holderOfKey,
  jointEnvelope,
  localSigner,
  namespaceOf,
  PACKAGE_LOG,
  packageLogId,
  parsePublicKey,
  RegistryError,
  type AnnotationDraft,
  type JosePrivateKey,
  type JosePublicKey,
  type LogHome,
  type LogId,
  type PackageEntry,
  type PackageName,
  type PackageState,
  type SignedRecord,
} from '@waybill/protocol';
import { draftRecord, type ClaimAnswer, type ClaimProof, type ClaimRequest } from '@waybill/protocol/author';
import { ANONYMOUS_ACCOUNT, accountOf, requireScope, type Access } from '../access.ts';
import { requireDefined } from '../namespace-check.ts';
import type { RegistryReader } from '../ports.ts';
import type { StateCaches } from '../state-caches.ts';
import { accountIn, readBeginning, requireNotLost, soleHolder, type Beginning } from './beginning.ts';
import { isCustodial } from './gateway-standing.ts';
import type { Gateway } from './gateway.ts';

export interface ClaimingParts {
  readonly store: RegistryReader;
  readonly states: StateCaches;
  readonly gateway: Gateway;
  readonly homeOf: (logId: LogId) => LogHome | null;
  readonly random: (length: number) => Uint8Array;
  /** Whether somebody without a token may publish at all. */
  readonly isOpen: boolean;
}

/** What the gateway gives away, and to whom. */
interface Claim {
  readonly name: PackageName;
  readonly account: string;
  readonly publicKey: JosePublicKey;
  readonly gatewayKey: JosePrivateKey;
}

/**
 * Gives packages that the gateway holds to the keys of those for whom it began them, and itself keeps nothing. No policy and no
 * setting stands in the way: whoever ends what a gateway holds does what they would have. docs/decisions/0025-gateway.md.
 */
export class Claiming {
  readonly #parts: ClaimingParts;

  constructor(parts: ClaimingParts) {
    this.#parts = parts;
  }

  /**
   * Throws `log/not-found`, `namespace/…`, `token/…` for whoever did not begin the package, `oci/gateway` for a package that is
   * not the gateway's, `request/invalid` for a key that cannot have it, and what publishing throws.
   */
  async claim(access: Access, { packageName: name, publicKey, proof }: ClaimRequest): Promise<ClaimAnswer> {
    const namespace = namespaceOf(name);
    requireScope(access, { action: 'publish', namespace });
    await requireDefined(this.#parts.states.operator, namespace);
    const beginning = await this.#requireAccount(access, name);
    const gatewayKey = await this.#parts.gateway.keyOf(namespace);
    const claim: Claim = { name, account: accountOf(access), publicKey, gatewayKey };
    const isVersion1 = await this.#read(name, (state) => {
      requireNotLost(name, soleHolder(state), { beginning, keyId: gatewayKey.publicKey.id });
      requireCustodial(name, state, claim);
      return state.root !== null;
    });
    if (!isVersion1) return this.#give(claim);
    return proof === null ? this.#draft(claim) : this.#transfer(claim, proof);
  }

  /** Whose package it is stands in the record that began it. */
  async #requireAccount(access: Access, name: PackageName): Promise<Beginning> {
    const beginning = await readBeginning(this.#parts.store, name);
    if (beginning === null) {
      throw new RegistryError('log/not-found', `there is no package ${name}`, { logId: packageLogId(name) });
    }
    const { account } = beginning;
    if (access === 'anyone') {
      if (account === ANONYMOUS_ACCOUNT && this.#parts.isOpen) return beginning;
      throw new RegistryError('token/required', `${name} was published by an account: show its token`);
    }
    if (account === ANONYMOUS_ACCOUNT || account === access.account) return beginning;
    throw new RegistryError('token/scope', `${name} was not published by ${access.account}`);
  }

  /** One record of version 0: everything to the new key, and nothing left for the gateway. */
  async #give({ name, account, publicKey, gatewayKey }: Claim): Promise<ClaimAnswer> {
    const key = wargKeyOf(name, publicKey);
    const permissions = ['release', 'yank'] as const;
    const keyId = gatewayKey.publicKey.id;
    const placed = await this.#parts.gateway.end(name, (state) => {
      requireCustodial(name, state, { publicKey, gatewayKey });
      return {
        entries: [
          { type: 'grant', key, permissions },
          { type: 'revoke', keyId, permissions },
        ],
        annotations: [onBehalfOf(account)],
      };
    });
    if (placed === null) throw new TypeError('a claim always says something');
    return { state: 'published', ...placed };
  }

  /** In version 1 whoever gets the root signs, too. */
  #draft({ name, account, publicKey, gatewayKey }: Claim): Promise<ClaimAnswer> {
    const { gateway, homeOf, random } = this.#parts;
    const home = homeOf(packageLogId(name));
    if (home === null) throw new TypeError('the registry has no name yet');
    const make = (state: PackageState): ClaimAnswer => {
      requireCustodial(name, state, { publicKey, gatewayKey });
      const ms = gateway.timeMs(namespaceOf(name), state);
      const keys = [gatewayKey.publicKey, publicKey];
      const entries: readonly PackageEntry[] = [{ type: 'transfer', holder: holderOfKey(publicKey) }];
      const speech = { entries, annotations: [onBehalfOf(account)] };
      const place = { state, book: new AnnotationBook() };
      const { envelope } = draftRecord(speech, place, { home, clock: () => ms, random, keys });
      return { state: 'cosign', contents: envelope.contents };
    };
    return gateway.draft(name, () => this.#read(name, make));
  }

  async #transfer(claim: Claim, { contents, signature }: ClaimProof): Promise<ClaimAnswer> {
    const { name, publicKey, gatewayKey } = claim;
    requireDrafted(decodeUnsignedRecord(PACKAGE_LOG, contents), claim);
    if (signature.keyId !== publicKey.id) throw notDrafted(name);
    const own = await cosignContents(PACKAGE_LOG, contents, localSigner(gatewayKey));
    const record = decodeSignedRecord(PACKAGE_LOG, jointEnvelope(contents, [own, signature]));
    return { state: 'published', ...(await this.#parts.gateway.publish(name, record)) };
  }

  #read<T>(name: PackageName, look: (state: PackageState) => T): Promise<T> {
    return this.#parts.states.packages.read(packageLogId(name), look);
  }
}

function onBehalfOf(account: string): AnnotationDraft {
  return { type: 'on-behalf', body: annotationBody({ account }) };
}

function requireCustodial(
  name: PackageName,
  state: PackageState,
  { publicKey, gatewayKey }: Pick<Claim, 'publicKey' | 'gatewayKey'>,
): void {
  if (!isCustodial(state, gatewayKey.publicKey.id)) {
    throw new RegistryError(
      'oci/gateway',
      `${name} is not this registry's to give: see who holds it with waybill who ${name}`,
    );
  }
  if (publicKey.id !== gatewayKey.publicKey.id) return;
  throw new RegistryError('request/invalid', 'that is the key of the gateway: claim the package with one of your own');
}

function wargKeyOf(name: PackageName, { algorithm, text }: JosePublicKey): ReturnType<typeof parsePublicKey> {
  if (algorithm === 'ES256') return parsePublicKey(text);
  throw new RegistryError(
    'request/invalid',
    `${name} is of version 0, which knows keys of ES256 alone: make one with waybill key new, and upgrade later`,
  );
}

/** The gateway signs nothing else than what it drafts. */
function requireDrafted(record: SignedRecord<PackageEntry>, claim: Claim): void {
  const { entries, annotations, binding } = record;
  const { name, publicKey, gatewayKey } = claim;
  const [entry, ...others] = entries;
  const signers = [gatewayKey.publicKey.id, publicKey.id].toSorted((a, b) => (a < b ? -1 : 1));
  const isTransfer =
    entry?.type === 'transfer' &&
    others.length === 0 &&
    entry.holder.keys.length === 1 &&
    entry.holder.keys[0]?.id === publicKey.id;
  const isSigned = binding !== null && binding.signers.join() === signers.join();
  const isSaid = annotations.length === 1 && accountIn(record) === claim.account;
  if (!isTransfer || !isSigned || !isSaid) throw notDrafted(name);
}

function notDrafted(name: PackageName): RegistryError {
  return new RegistryError('request/invalid', `the record is not the one that was drafted to claim ${name}`);
}
