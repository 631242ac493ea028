import { CosignError } from "../../engine/plugin_host/contract.ts";

/** What `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K[/versions/V]` names. */
export interface GcpKeyName {
  readonly project: string;
  /** `projects/P/locations/L` */
  readonly location: string;
  readonly keyRingId: string;
  readonly keyId: string;
  /** The latest enabled one when absent. */
  readonly version?: string;
}

const FORM =
  /^gcpkms:\/\/(projects\/([^/]+)\/locations\/[^/]+)\/keyRings\/([^/]+)\/cryptoKeys\/([^/]+)(?:\/(?:cryptoKeyVersions|versions)\/([^/]+))?$/;
/** What stands in names of Google's resources, a project of a domain (`example.com:name`) included. */
const PLAIN = /^[\w.:/-]+$/;

/**
 * Reads a key's URI, in the forms that cosign takes.
 *
 * @throws {CosignError} `USAGE`.
 */
export function parseGcpUri(uri: string): GcpKeyName {
  const [, location, project, keyRingId, keyId, version] = FORM.exec(uri) ?? [];
  if (
    location === undefined ||
    project === undefined ||
    keyRingId === undefined ||
    keyId === undefined ||
    !PLAIN.test(uri) ||
    uri.split("/").some((part) => part === "." || part === "..")
  ) {
    throw new CosignError(
      "USAGE",
      `Cannot use key "${uri.slice(0, 200)}": kms specification should be in the format gcpkms://projects/[PROJECT_ID]/locations/[LOCATION]/keyRings/[KEY_RING]/cryptoKeys/[KEY]/cryptoKeyVersions/[VERSION]`,
      { hint: "Leave the version away for the latest one that is enabled" },
    );
  }
  return { project, location, keyRingId, keyId, ...(version === undefined ? {} : { version }) };
}

/** `projects/P/locations/L/keyRings/R` */
export function keyRingOf({ location, keyRingId }: GcpKeyName): string {
  return `${location}/keyRings/${keyRingId}`;
}

/** `projects/P/locations/L/keyRings/R/cryptoKeys/K` */
export function keyOf(name: GcpKeyName): string {
  return `${keyRingOf(name)}/cryptoKeys/${name.keyId}`;
}
