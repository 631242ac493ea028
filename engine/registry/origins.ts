import { isLoopbackHost, isMetadataHost, isPrivateHost } from "../io/addresses.ts";
import { redactUrl } from "../io/http.ts";
import { CosignError } from "../model/errors.ts";

/** Whether a registry is on this machine or in a private network: there http is tried where https does not answer. */
export function isLocalHost(host: string): boolean {
  const { hostname } = new URL(`https://${host}`);
  return isLoopbackHost(hostname) || isPrivateHost(hostname);
}

/**
 * Resolves where a registry sends us (a redirect, an upload's location): never from https to http,
 * never to where a cloud hands out credentials, never from outside to this machine.
 *
 * @param location Attacker-controlled.
 * @throws {CosignError} `REGISTRY_REDIRECT`.
 */
export function resolveLocation(location: string | null, from: string, what: string): URL {
  if (location === null || location === "" || !URL.canParse(location, from)) {
    throw refused(what, "the registry sends us on, but not to a URL");
  }
  const target = new URL(location, from);
  const source = new URL(from);
  if (target.protocol !== "https:" && target.protocol !== "http:") {
    throw refused(what, `the registry sends us to ${JSON.stringify(target.protocol)}`);
  }
  if (target.origin === source.origin) return target;
  if (source.protocol === "https:" && target.protocol === "http:") {
    throw refused(what, `the registry sends us from https to "${redactUrl(target.href)}"`);
  }
  if (target.username !== "" || target.password !== "") {
    throw refused(what, "the registry sends us to a URL with credentials in it");
  }
  checkHost(target, source, what);
  return target;
}

/**
 * Checks the realm of a Bearer challenge: https, or http where the registry itself is spoken to by
 * http. It may be another host (Docker Hub's is); it gets only the credentials for this registry.
 *
 * @param realm Attacker-controlled.
 * @throws {CosignError} `REGISTRY_REDIRECT`.
 */
export function checkRealm(realm: string, registryUrl: string): URL {
  const what = `authenticate at "${new URL(registryUrl).host}"`;
  if (!URL.canParse(realm)) throw refused(what, "the token realm is no URL");
  const target = new URL(realm);
  const source = new URL(registryUrl);
  const plain = target.protocol === "http:" && source.protocol === "http:";
  if (target.protocol !== "https:" && !plain) {
    throw refused(what, `the token realm "${redactUrl(realm)}" is not https`);
  }
  if (target.username !== "" || target.password !== "" || target.hash !== "") {
    throw refused(what, "the token realm has credentials or a fragment in it");
  }
  if (target.hostname !== source.hostname) checkHost(target, source, what);
  return target;
}

function checkHost(target: URL, source: URL, what: string): void {
  if (isMetadataHost(target.hostname)) {
    throw refused(what, `the registry sends us to the link-local host "${target.host}"`);
  }
  if (isLoopbackHost(target.hostname) && !isLocalHost(source.host)) {
    throw refused(what, `the registry sends us to this machine, "${target.host}"`);
  }
}

function refused(what: string, why: string): CosignError {
  return new CosignError("REGISTRY_REDIRECT", `Cannot ${what}: ${why}`);
}
