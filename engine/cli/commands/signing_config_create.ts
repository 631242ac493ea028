import {
  encodeSigningConfig,
  type Service,
  type ServiceChoice,
  type SigningConfig,
} from "../../formats/signing_config.ts";
import { writeOutputFile } from "../../io/output_file.ts";
import type { TrustContext } from "../../trust/open.ts";
import { openSigstoreConfig, readSigningConfig } from "../../trust/open_signing_config.ts";
import type { CommandFunction, Invocation } from "../command.ts";
import { startDeadline } from "../deadline.ts";
import type { SIGNING_CONFIG_CREATE_FLAGS } from "../flags/trust.ts";
import { usage } from "../parse.ts";
import { parseServiceSpec, type SpecKeys, validityOf } from "../service_spec.ts";
import { trustContext } from "../trust_context.ts";

type Call = Invocation<typeof SIGNING_CONFIG_CREATE_FLAGS>;
type Flags = Call["flags"];

const NOT_SAID: ServiceChoice = { selector: "undefined" };
const NOBODY: SigningConfig = {
  certificateAuthorities: [],
  oidcProviders: [],
  logs: [],
  logChoice: NOT_SAID,
  timestampAuthorities: [],
  timestampChoice: NOT_SAID,
};
const MAX_VERSION = 2 ** 32 - 1;

/** `signing-config create`: writes down which services are asked to sign. */
export const signingConfigCreateCommand: CommandFunction<
  typeof SIGNING_CONFIG_CREATE_FLAGS
> = async (call) => {
  const { flags, stdout } = call;
  checkFlags(call);
  using deadline = startDeadline(flags.timeout, "Cannot make the signing config");
  const base = await openBase(flags, trustContext(call, deadline.signal));
  const json = encodeSigningConfig({
    certificateAuthorities: [...base.certificateAuthorities, ...services(flags, "fulcio")],
    oidcProviders: [...base.oidcProviders, ...services(flags, "oidc-provider")],
    logs: [...base.logs, ...services(flags, "rekor")],
    logChoice: parseChoice(flags["rekor-config"], "rekor-config") ?? base.logChoice,
    timestampAuthorities: [...base.timestampAuthorities, ...services(flags, "tsa")],
    timestampChoice: parseChoice(flags["tsa-config"], "tsa-config") ?? base.timestampChoice,
  });
  if (flags.out) writeOutputFile(flags.out, json, 0o600);
  else stdout.write(`${new TextDecoder().decode(json)}\n`);
  return 0;
};

function checkFlags({ flags, given }: Call): void {
  for (const other of ["with-default-services", "with-default-rekor-v2"] as const) {
    if (!given.has("base-config") || !given.has(other)) continue;
    throw usage(
      `if any flags in the group [base-config ${other}] are set none of the others can be; [base-config ${other}] were all set`,
    );
  }
  for (const name of ["rekor", "tsa"] as const) {
    if (flags[name].length === 0 || flags[`${name}-config`]) continue;
    throw usage(`--${name}-config must be provided when --${name} is specified`);
  }
}

/** What is begun with. A service that a flag names takes the place of those of a file, and stands beside Sigstore's. */
async function openBase(flags: Flags, context: TrustContext): Promise<SigningConfig> {
  const file = flags["base-config"];
  if (file) {
    const isReplaced = (name: "fulcio" | "rekor" | "oidc-provider" | "tsa") =>
      flags[name].length > 0;
    return without(await readSigningConfig(file, context), {
      fulcio: flags["no-default-fulcio"] || isReplaced("fulcio"),
      oidc: flags["no-default-oidc"] || isReplaced("oidc-provider"),
      rekor: flags["no-default-rekor"] || isReplaced("rekor"),
      tsa: flags["no-default-tsa"] || isReplaced("tsa"),
    });
  }
  const second = flags["with-default-rekor-v2"];
  if (!second && !flags["with-default-services"]) return NOBODY;
  const target = second ? "signing_config_rekor_v2.v0.2.json" : "signing_config.v0.2.json";
  return without(await openSigstoreConfig(target, context), {
    fulcio: flags["no-default-fulcio"],
    oidc: flags["no-default-oidc"],
    rekor: flags["no-default-rekor"],
    tsa: flags["no-default-tsa"],
  });
}

function without(
  config: SigningConfig,
  left: Readonly<Record<"fulcio" | "oidc" | "rekor" | "tsa", boolean>>,
): SigningConfig {
  return {
    certificateAuthorities: left.fulcio ? [] : config.certificateAuthorities,
    oidcProviders: left.oidc ? [] : config.oidcProviders,
    logs: left.rekor ? [] : config.logs,
    logChoice: left.rekor ? NOT_SAID : config.logChoice,
    timestampAuthorities: left.tsa ? [] : config.timestampAuthorities,
    timestampChoice: left.tsa ? NOT_SAID : config.timestampChoice,
  };
}

function services(
  flags: Flags,
  name: "fulcio" | "rekor" | "oidc-provider" | "tsa",
): readonly Service[] {
  const keys: SpecKeys = {
    name,
    missing: ["missing required key", "service spec"],
    required: ["url", "api-version", "start-time", "operator"],
    optional: ["end-time"],
  };
  return flags[name].map((text) => {
    const spec = parseServiceSpec(text, keys);
    const { url = "", "api-version": version = "", operator = "" } = spec;
    if (!/^\d{1,10}$/.test(version) || Number(version) > MAX_VERSION) {
      throw usage(`parsing ${name} spec: parsing api-version: ${JSON.stringify(version)}`);
    }
    if (!/^https?:\/\//i.test(url) || !URL.canParse(url)) {
      throw usage(`parsing ${name} spec: url ${JSON.stringify(url)} is none of http or https`);
    }
    return { url, majorVersion: Number(version), operator, validFor: validityOf(spec, keys) };
  });
}

/** Reads `ANY`, `ALL` or `EXACT:2`; nothing when it is not given. @throws {CosignError} `USAGE`. */
function parseChoice(text: string | undefined, flag: string): ServiceChoice | undefined {
  if (text === undefined || text === "") return undefined;
  const [word = "", count] = text.split(/:(.*)/s);
  const mode = word.toUpperCase();
  if (mode === "ANY" || mode === "ALL") {
    if (count !== undefined) {
      throw usage(`parsing ${flag}: mode ${mode} does not accept a count`);
    }
    return { selector: mode === "ANY" ? "any" : "all" };
  }
  if (mode !== "EXACT") throw usage(`parsing ${flag}: invalid service config mode: ${mode}`);
  if (count === undefined) {
    throw usage(`parsing ${flag}: mode EXACT requires a count, e.g. EXACT:2`);
  }
  if (!/^\d{1,10}$/.test(count) || Number(count) > MAX_VERSION) {
    throw usage(`parsing ${flag}: invalid count for EXACT mode: ${JSON.stringify(count)}`);
  }
  return { selector: "exact", count: Number(count) };
}
