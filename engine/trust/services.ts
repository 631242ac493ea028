import type { Service, ServiceChoice, SigningConfig } from "../formats/signing_config.ts";
import { isWithin } from "../formats/trusted_root.ts";
import { CosignError } from "../model/errors.ts";

/** The address of a service. */
export interface ServiceUrl {
  readonly url: string;
}

/** A transparency log, and which Rekor it is. */
export interface LogService {
  readonly url: string;
  readonly majorVersion: 1 | 2;
}

/** The services that are asked to sign: all of these logs and authorities, not one of them. */
export interface SelectedServices {
  /** Absent when none is named that may be used now: {@link missingService} says so. */
  readonly fulcio?: ServiceUrl;
  /** Absent as `fulcio` is. */
  readonly oidc?: ServiceUrl;
  readonly logs: readonly LogService[];
  readonly timestampAuthorities: readonly ServiceUrl[];
}

/** The versions of APIs that are spoken here, the best first. */
const FULCIO_VERSIONS = [1] as const; // the API that Fulcio itself calls v2
const OIDC_VERSIONS = [1] as const;
const TIMESTAMP_VERSIONS = [1] as const;
const LOG_VERSIONS = [2, 1] as const;

const HINT =
  "Use another --signing-config, or name the services by --fulcio-url and the like with --use-signing-config=false";

/**
 * Chooses the services of a signing config (protobuf-specs, `ServiceConfiguration`): of those that are
 * valid now, the highest version of the API that is spoken here, never two versions; of each
 * operator one, the newest; of these as many as the config says.
 *
 * @throws {CosignError} `SIGNING_CONFIG_INVALID` when there are logs or timestamp authorities, and
 * not as many that may be used as it demands.
 */
export function selectServices(config: SigningConfig, now: Date): SelectedServices {
  const [fulcio] = usable(config.certificateAuthorities, FULCIO_VERSIONS, now);
  const [oidc] = usable(config.oidcProviders, OIDC_VERSIONS, now);
  return {
    ...(fulcio === undefined ? {} : { fulcio: { url: fulcio.url } }),
    ...(oidc === undefined ? {} : { oidc: { url: oidc.url } }),
    logs: choose(config.logs, LOG_VERSIONS, config.logChoice, "transparency log", now).map(
      ({ url, majorVersion }) => ({ url, majorVersion: majorVersion === 2 ? 2 : 1 }),
    ),
    timestampAuthorities: choose(
      config.timestampAuthorities,
      TIMESTAMP_VERSIONS,
      config.timestampChoice,
      "timestamp authority",
      now,
    ).map(({ url }) => ({ url })),
  };
}

/** The error for a service that is needed and that a signing config does not name. */
export function missingService(what: "certificate authority" | "OIDC provider"): CosignError {
  return invalid(`it names no ${what} that may be used now`);
}

function choose(
  services: readonly Service[],
  versions: readonly number[],
  choice: ServiceChoice,
  what: string,
  now: Date,
): readonly Service[] {
  if (services.length === 0) return [];
  const distinct = oneOfEachOperator(usable(services, versions, now));
  if (distinct.length === 0) {
    throw invalid(
      `it names no ${what} that is valid now and speaks version ${[...versions].sort().join(" or ")}`,
    );
  }
  switch (choice.selector) {
    case "all":
      return distinct;
    case "any":
      return distinct.slice(0, 1);
    case "exact":
      if (choice.count === 0 || choice.count > distinct.length) {
        throw invalid(
          `it demands exactly ${choice.count} of the ${distinct.length} that may be used as ${what}, of one operator each`,
        );
      }
      return distinct.slice(0, choice.count);
    case "undefined":
      throw invalid(`it does not say how many to use as ${what}: ALL, ANY or EXACT`);
  }
}

/** The services of the best version that has any, the newest first. */
function usable(
  services: readonly Service[],
  versions: readonly number[],
  now: Date,
): readonly Service[] {
  const valid = services.filter(({ validFor }) => isWithin(now, validFor));
  const best = versions.find((version) =>
    valid.some(({ majorVersion }) => majorVersion === version),
  );
  return valid
    .filter(({ majorVersion }) => majorVersion === best)
    .sort((a, b) => startOf(b) - startOf(a));
}

function oneOfEachOperator(services: readonly Service[]): readonly Service[] {
  const seen = new Set<string>();
  return services.filter(({ operator }) => !seen.has(operator) && seen.add(operator));
}

function startOf({ validFor }: Service): number {
  return validFor.start?.getTime() ?? Number.NEGATIVE_INFINITY;
}

function invalid(why: string): CosignError {
  return new CosignError("SIGNING_CONFIG_INVALID", `Cannot use the signing config: ${why}`, {
    hint: HINT,
  });
}
