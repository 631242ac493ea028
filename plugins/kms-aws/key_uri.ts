import { CosignError } from "../../engine/plugin_host/contract.ts";

/** What `awskms://[ENDPOINT]/[ID|ALIAS|ARN]` names. */
export interface AwsKeyName {
  /** Host, with a port or without: always reached by https. */
  readonly endpoint?: string;
  /** As KMS takes it: an id, an ARN, `alias/NAME`. */
  readonly keyId: string;
  /** `alias/NAME`, also of an alias's ARN. */
  readonly alias?: string;
  /** Of an ARN: a key answers in its own region only. */
  readonly region?: string;
}

const UUID =
  "m?r?k?-?[A-Fa-f0-9]{8}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{4}-?[A-Fa-f0-9]{12}";
const ARN = "arn:(?:aws|aws-us-gov|aws-cn):kms:(?<region>[a-z0-9-]+):\\d{12}:";
/** The forms that cosign takes. */
const FORMS: readonly RegExp[] = [
  UUID,
  `${ARN}key/${UUID}`,
  "(?<alias>alias/.*)",
  `${ARN}(?<alias>alias/.*)`,
].map((id) => new RegExp(`^awskms://(?<endpoint>[^/]*)/(?<id>${id})$`));

/**
 * Reads a key's URI.
 *
 * @throws {CosignError} `USAGE`.
 */
export function parseAwsUri(uri: string): AwsKeyName {
  const groups = FORMS.map((form) => form.exec(uri)?.groups).find((found) => found !== undefined);
  const { endpoint, id, alias, region } = groups ?? {};
  if (id === undefined || (endpoint && !URL.canParse(`https://${endpoint}`))) {
    throw new CosignError(
      "USAGE",
      `Cannot use key "${uri.slice(0, 200)}": kms specification should be in the format awskms://[ENDPOINT]/[ID/ALIAS/ARN] (endpoint optional)`,
      { hint: "As awskms:///alias/NAME: three slashes where no endpoint is named" },
    );
  }
  return {
    keyId: id,
    ...(endpoint ? { endpoint } : {}),
    ...(alias === undefined ? {} : { alias }),
    ...(region === undefined ? {} : { region }),
  };
}
