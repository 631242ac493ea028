import type { AlternativeName, Certificate } from "../formats/x509.ts";

type Kind = AlternativeName["kind"];
const CHECKED: ReadonlySet<Kind> = new Set<Kind>(["dns", "email", "uri", "ip"]);

/**
 * Why an authority does not allow the names of a certificate below it (RFC 5280 §4.2.1.10); nothing
 * when it does.
 */
export function forbiddenName(authority: Certificate, below: Certificate): string | undefined {
  const constraints = authority.nameConstraints;
  if (constraints === undefined) return undefined;
  const { permitted, excluded } = constraints;
  const unknown = [...permitted, ...excluded].find(({ kind }) => !CHECKED.has(kind));
  if (unknown !== undefined) return "it constrains names of a kind that is not known here";
  for (const name of below.alternativeNames) {
    const shown = `${name.kind} name ${JSON.stringify(name.value.slice(0, 200))}`;
    const ofKind = ({ kind }: AlternativeName): boolean => kind === name.kind;
    const allowed = permitted.filter(ofKind);
    const forbidden = excluded.filter(ofKind);
    if (allowed.length + forbidden.length === 0) continue;
    if (!isReadable(name)) return `the ${shown} cannot be held against its constraints`;
    // A doubt about a domain below a forbidden one is a no: RFC 5280 reads URIs and emails narrower.
    if (forbidden.some((base) => isWithin(name, base, true))) return `it excludes the ${shown}`;
    if (allowed.length > 0 && !allowed.some((base) => isWithin(name, base, false))) {
      return `it does not permit the ${shown}`;
    }
  }
  return undefined;
}

function isReadable({ kind, value }: AlternativeName): boolean {
  switch (kind) {
    case "email":
      return /^[^@]+@[^@]+$/.test(value);
    case "uri":
      return hostOf(value) !== undefined;
    case "ip":
      return value.length === 8 || value.length === 32;
    default:
      return /^(?:\*\.)?[A-Za-z0-9_-]+(?:\.[A-Za-z0-9_-]+)*$/.test(value);
  }
}

/** @param wide A domain stands for all below it, also where RFC 5280 takes it for one host. */
function isWithin(name: AlternativeName, { value: base }: AlternativeName, wide: boolean): boolean {
  switch (name.kind) {
    case "email": {
      const [mailbox, host = ""] = name.value.split("@");
      if (!base.includes("@")) return isHostWithin(host, base, wide);
      const [wantedMailbox, wantedHost = ""] = base.split("@");
      return mailbox === wantedMailbox && host.toLowerCase() === wantedHost.toLowerCase();
    }
    case "uri":
      return isHostWithin(hostOf(name.value) ?? "", base, wide);
    case "ip":
      return isAddressWithin(name.value, base);
    default:
      return isHostWithin(name.value, base, true);
  }
}

/** A leading dot leaves out the domain itself. */
function isHostWithin(host: string, base: string, wide: boolean): boolean {
  const [name, domain] = [host.toLowerCase(), base.toLowerCase()];
  if (domain === "") return true;
  if (domain.startsWith(".")) return name.endsWith(domain);
  return name === domain || (wide && name.endsWith(`.${domain}`));
}

/** The host of a URI; nothing when it has none, or an address. */
function hostOf(uri: string): string | undefined {
  const authority = /^[A-Za-z][A-Za-z0-9+.-]*:\/\/([^/?#]*)/.exec(uri)?.[1];
  const host = authority?.replace(/^[^@]*@/, "").replace(/:\d*$/, "");
  return host === undefined || !/^[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*$/.test(host)
    ? undefined
    : host;
}

/** @param range Address and mask, one behind the other. */
function isAddressWithin(address: string, range: string): boolean {
  if (range.length !== 2 * address.length) return false;
  const [bytes, rangeBytes] = [Uint8Array.fromHex(address), Uint8Array.fromHex(range)];
  return bytes.every((byte, i) => {
    const mask = rangeBytes[bytes.length + i] ?? 0xff;
    return (byte & mask) === ((rangeBytes[i] ?? 0) & mask);
  });
}
