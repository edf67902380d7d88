import { BlockList, isIP } from 'node:net';

/**
 * Networks that nobody outside reaches, or that mean something else: this machine, its neighbours, whatever serves a cloud's
 * metadata (SECURITY.md W1). Of IPv6 all is closed but the global unicast network.
 */
const CLOSED_IPV4: readonly (readonly [network: string, prefix: number])[] = [
  ['0.0.0.0', 8],
  ['10.0.0.0', 8],
  ['100.64.0.0', 10],
  ['127.0.0.0', 8],
  ['169.254.0.0', 16],
  ['172.16.0.0', 12],
  ['192.0.0.0', 24],
  ['192.0.2.0', 24],
  ['192.88.99.0', 24],
  ['192.168.0.0', 16],
  ['198.18.0.0', 15],
  ['198.51.100.0', 24],
  ['203.0.113.0', 24],
  ['224.0.0.0', 4],
  ['240.0.0.0', 4],
];
const OPEN_IPV6: readonly (readonly [network: string, prefix: number])[] = [['2000::', 3]];
/** Those within it that carry an address of IPv4, or are for books. */
const CLOSED_IPV6: readonly (readonly [network: string, prefix: number])[] = [
  ['2001::', 23],
  ['2001:db8::', 32],
  ['2002::', 16],
  ['3fff::', 20],
];

const closedIpv4 = listOf(CLOSED_IPV4, 'ipv4');
const openIpv6 = listOf(OPEN_IPV6, 'ipv6');
const closedIpv6 = listOf(CLOSED_IPV6, 'ipv6');

/** Whether an address may be connected to: it is public, or the operator has named its network. */
export class AddressRules {
  readonly #named = new BlockList();

  /** Throws `TypeError` for what is no address and no network. */
  constructor(networks: readonly string[]) {
    for (const text of networks) {
      const [network = '', prefix, ...rest] = text.split('/');
      const family = isIP(network) === 4 ? 'ipv4' : 'ipv6';
      const isNumber = prefix === undefined || /^[0-9]{1,3}$/.test(prefix);
      if (isIP(network) === 0 || !isNumber || rest.length > 0)
        throw new TypeError(`${text} is no address and no network`);
      if (prefix === undefined) this.#named.addAddress(network, family);
      else this.#named.addSubnet(network, Number(prefix), family);
    }
  }

  /** False also for what is no address. */
  allows(address: string): boolean {
    const family = isIP(address);
    if (family === 4) return this.#named.check(address, 'ipv4') || !closedIpv4.check(address, 'ipv4');
    if (family !== 6) return false;
    // An address of IPv4 in the clothes of IPv6 is outside what is open; only by its network in IPv6 could it be named.
    if (this.#named.check(address, 'ipv6')) return true;
    return openIpv6.check(address, 'ipv6') && !closedIpv6.check(address, 'ipv6');
  }
}

function listOf(networks: readonly (readonly [network: string, prefix: number])[], family: 'ipv4' | 'ipv6'): BlockList {
  const list = new BlockList();
  for (const [network, prefix] of networks) list.addSubnet(network, prefix, family);
  return list;
}
