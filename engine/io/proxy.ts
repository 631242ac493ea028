import { isIP } from "node:net";
import { CosignError } from "../model/errors.ts";
import { bareHost, isInNetwork, isLoopbackHost } from "./addresses.ts";
import type { Environment } from "./env.ts";

/**
 * The proxy for a URL by `HTTP_PROXY`, `HTTPS_PROXY` and `NO_PROXY`, in upper or lower case, as Go's
 * `httpproxy` decides: this machine is never proxied; `NO_PROXY` holds `*`, addresses, networks,
 * domains (`foo.example` with what is under it, `.foo.example` only what is under it), each
 * but networks with an optional port.
 *
 * @returns the proxy's URL; nothing when the connection is direct.
 * @throws {CosignError} `USAGE` when the variable holds no proxy that can be used.
 */
export function proxyFor(url: URL, env: Environment): string | undefined {
  const name = url.protocol === "https:" ? "HTTPS_PROXY" : "HTTP_PROXY";
  // In a CGI program HTTP_PROXY is the client's header "Proxy:" (CVE-2016-5385).
  if (name === "HTTP_PROXY" && env["REQUEST_METHOD"] && env["HTTP_PROXY"]) return undefined;
  const value = variable(env, name);
  if (value === undefined) return undefined;
  const host = bareHost(url.hostname);
  if (isLoopbackHost(host)) return undefined;
  const port = url.port || (url.protocol === "https:" ? "443" : "80");
  const exceptions = (variable(env, "NO_PROXY") ?? "").split(",");
  if (exceptions.some((entry) => isException(entry.trim().toLowerCase(), host, port))) {
    return undefined;
  }
  return parseProxy(value, name);
}

/** Whether the environment names any proxy at all. */
export function namesProxies(env: Environment): boolean {
  return variable(env, "HTTP_PROXY") !== undefined || variable(env, "HTTPS_PROXY") !== undefined;
}

function isException(entry: string, host: string, port: string): boolean {
  if (entry === "") return false;
  if (entry === "*") return true;
  if (entry.includes("/")) return isInNetwork(host, entry);
  const [name, wantedPort] = splitPort(entry);
  if (name === "" || (wantedPort !== undefined && wantedPort !== port)) return false;
  if (isIP(name) !== 0) return name === host;
  if (isIP(host) !== 0) return name === host;
  const domain = name.startsWith("*.") ? name.slice(1) : name;
  return domain.startsWith(".")
    ? host.endsWith(domain)
    : host === domain || host.endsWith(`.${domain}`);
}

function splitPort(entry: string): [string, string | undefined] {
  const [, bracketed, bracketPort] = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry) ?? [];
  if (bracketed !== undefined) return [bracketed, bracketPort];
  const [, name, port] = /^([^:]*):(\d+)$/.exec(entry) ?? [];
  return name === undefined ? [entry, undefined] : [name, port];
}

function parseProxy(value: string, name: string): string {
  const text = value.includes("://") ? value : `http://${value}`;
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (url !== undefined && (url.protocol === "http:" || url.protocol === "https:")) return url.href;
  throw new CosignError("USAGE", `Cannot use the proxy of ${name}: not an http or https URL`, {
    hint: `Set ${name} to http://HOST:PORT or unset it`,
  });
}

function variable(env: Environment, name: string): string | undefined {
  return env[name] || env[name.toLowerCase()] || undefined;
}
