import { BlockList, isIP } from "node:net";

const LOOPBACK = blockList(["127.0.0.0", 8, "ipv4"], ["::1", 128, "ipv6"]);
const PRIVATE = blockList(
  ["10.0.0.0", 8, "ipv4"],
  ["172.16.0.0", 12, "ipv4"],
  ["192.168.0.0", 16, "ipv4"],
  ["fc00::", 7, "ipv6"],
);
/** Link-local addresses and those where clouds answer with credentials. */
const METADATA = blockList(
  ["169.254.0.0", 16, "ipv4"],
  ["fe80::", 10, "ipv6"],
  ["0.0.0.0", 8, "ipv4"],
  ["::", 128, "ipv6"],
  ["100.100.100.200", 32, "ipv4"],
  ["192.0.0.192", 32, "ipv4"],
  ["fd00:ec2::", 32, "ipv6"],
);
const METADATA_NAMES: ReadonlySet<string> = new Set([
  "metadata",
  "metadata.google.internal",
  "metadata.goog",
  "instance-data",
  "instance-data.ec2.internal",
]);

/** Whether a host (a name, or an address with or without brackets) is this machine. */
export function isLoopbackHost(host: string): boolean {
  const name = bareHost(host);
  return name === "localhost" || name.endsWith(".localhost") || isInside(LOOPBACK, name);
}

/** Whether a host is an address of a private network (RFC 1918, RFC 4193) or a name under `.local`. */
export function isPrivateHost(host: string): boolean {
  const name = bareHost(host);
  return name.endsWith(".local") || isInside(PRIVATE, name);
}

/**
 * Whether a host is where a cloud hands out credentials to whoever asks from inside. Names are not
 * resolved: one that resolves to such an address is not seen.
 */
export function isMetadataHost(host: string): boolean {
  const name = bareHost(host);
  return METADATA_NAMES.has(name) || isInside(METADATA, name);
}

/** Whether `address` (an IP address) is in `network` (`10.0.0.0/8`); false when either is none. */
export function isInNetwork(address: string, network: string): boolean {
  const slash = network.indexOf("/");
  const base = network.slice(0, Math.max(slash, 0));
  const family = isIP(base);
  const bits = network.slice(slash + 1);
  if (family === 0 || !/^[0-9]{1,3}$/.test(bits)) return false;
  if (Number(bits) > (family === 4 ? 32 : 128)) return false;
  return isInside(blockList([base, Number(bits), family === 4 ? "ipv4" : "ipv6"]), address);
}

/** A host without the brackets of IPv6, the final dot and upper case. */
export function bareHost(host: string): string {
  return host
    .toLowerCase()
    .replace(/^\[(.*)\]$/, "$1")
    .replace(/\.$/, "");
}

function isInside(list: BlockList, address: string): boolean {
  const mapped = unmapped(address);
  const family = isIP(mapped);
  return family !== 0 && list.check(mapped, family === 4 ? "ipv4" : "ipv6");
}

/** The IPv4 address inside an IPv4-mapped IPv6 address, as `URL` prints it: `::ffff:a9fe:a9fe`. */
function unmapped(address: string): string {
  const dotted = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1];
  if (dotted !== undefined) return dotted;
  const [, high, low] = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/i.exec(address) ?? [];
  if (high === undefined || low === undefined) return address;
  const [a, b] = [Number.parseInt(high, 16), Number.parseInt(low, 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}

function blockList(...networks: readonly [string, number, "ipv4" | "ipv6"][]): BlockList {
  const list = new BlockList();
  for (const [base, bits, family] of networks) list.addSubnet(base, bits, family);
  return list;
}
